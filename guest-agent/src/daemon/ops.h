/* What an agent can be asked to do. */
#pragma once

#include "daemon/agent.h"

/* Answers by `reply`, now or later. */
void ops_serve(struct agent *agent, json_t *request, struct reply *reply);
