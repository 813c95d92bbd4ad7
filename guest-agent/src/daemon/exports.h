/* What this domain exports: every UNIX stream socket under RUN_DIR/self/. */
#pragma once

#include "daemon/peers.h"

int exports_start(struct agent *agent);
void exports_stop(struct agent *agent);
/* Connects to the server behind an export as the peer's user, under a name that tells the server
 * of the caller; as socket_connect_unix(). */
int exports_connect(const struct peer *peer, const char *name, const char *caller);
/* That was in vain, and nobody tries again: the name is withdrawn until its socket changes. */
void exports_refused(struct agent *agent, const char *name);
/* Tells a peer of all; used when its link comes up. */
void exports_announce(struct peer *peer);
json_t *exports_describe(const struct agent *agent);
/* What is not shown, to whom (no peer: to nobody), and why. */
json_t *exports_describe_withheld(const struct agent *agent);
