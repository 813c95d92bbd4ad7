/* Serves the shims of this domain's programs (abi/shim.h). */
#pragma once

#include "abi/shim.h"
#include "daemon/agent.h"

int shim_start(struct agent *agent);
void shim_stop(struct agent *agent);
/* What a shim calls a stream. */
uint64_t shim_stream_id(const struct link *link, const struct stream *stream);
/* A stream opened or ended: a program may be waiting to hear of it. */
void shim_stream_event(struct agent *agent, const struct link *link, const struct stream *stream,
                       enum stream_event event);
