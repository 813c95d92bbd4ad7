/* Reaching this domain's servers for a peer: what its link asks for (link/link.h). */
#pragma once

#include "daemon/peers.h"

/* `user` is the peer. */
int servers_connect(void *user, const struct stream *stream);
int servers_call(void *user, const struct stream *stream);
