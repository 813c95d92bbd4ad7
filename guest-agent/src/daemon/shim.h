/* Serves the shims of this domain's programs (abi/shim.h). */
#pragma once

#include "abi/shim.h"
#include "daemon/agent.h"

int shim_start(struct agent *agent);
void shim_stop(struct agent *agent);
/* A stream opened or ended: a program may be waiting to hear of it. */
void shim_stream_event(struct agent *agent, const struct stream *stream, enum stream_event event);
