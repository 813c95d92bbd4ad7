/* JSON lines over the virtio-serial port and over a local socket: requests, answers, events. */
#pragma once

#include "daemon/agent.h"

int ctl_start(struct agent *agent);
void ctl_stop(struct agent *agent);

/* Consumes `event`. Channels that do not keep up miss events. */
void ctl_event(struct agent *agent, json_t *event);

/* Both answer once and consume `reply`; reply_ok consumes `fields` (may be NULL), too. */
void reply_ok(struct reply *reply, json_t *fields);
void reply_error(struct reply *reply, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
