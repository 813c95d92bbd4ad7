/* CONNECT: a program of this domain calls a port. */
#pragma once

#include "daemon/calls.h"

/* Takes the socket. */
void connecting_serve(struct call *call, const struct shim_request *request, int fd);
/* Nobody would ever take its stream. */
void connecting_give_up(struct call *call);
/* What the shim calls so; NULL: there is none. */
struct stream *connecting_stream(const struct call *call, uint64_t token, struct link **link);
/* Those to CID 2 may have waited for that. */
void connecting_host_changed(const struct agent *agent);
