/* What this domain exports: every UNIX stream socket under RUN_DIR/self/. */
#pragma once

#include "daemon/agent.h"

int exports_start(struct agent *agent);
void exports_stop(struct agent *agent);
/* Connects to the server behind an export; as socket_connect_unix(). */
int exports_connect(struct agent *agent, const char *name);
/* Calls back for each; used when a link comes up. */
void exports_announce(struct agent *agent, struct link *link);
json_t *exports_describe(const struct agent *agent);
