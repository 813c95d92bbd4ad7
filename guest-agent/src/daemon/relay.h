/* This domain's part in the relay: its own end, with the port to its host or, on a host, with the
 * way between domains (daemon/routes.h). */
#pragma once

#include "daemon/agent.h"
#include "path/relay_end.h"
#include "path/relay_pipe.h"
#include "path/relay_switch.h"

struct route;
struct trunk;
struct trunk_line;

#define RELAY_STRANGERS_MAX 16

struct relay {
    struct agent *agent;
    struct relay_end end;
    struct relay_way local; /* from `end` into the switch */
    struct relay_pipe port; /* a guest's */
    struct loop_timer port_retry;
    struct relay_switch between; /* a host's */
    struct route *routes;
    struct trunk *trunks;
    struct loop_source listener;
    uint16_t listen_port; /* 0: it does not listen for other hosts */
    struct trunk_line *strangers[RELAY_STRANGERS_MAX];
};

int relay_start(struct agent *agent);
void relay_stop(struct agent *agent);
/* Whether dialling may lead somewhere. */
bool relay_ready(const struct agent *agent);
/* A socket that is connected to that domain's agent, or a negative errno. */
int relay_dial(struct agent *agent, uint32_t domain);
