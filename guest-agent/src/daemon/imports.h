/* What peers export, as listening sockets RUN_DIR/<peer>/<path>. */
#pragma once

#include "daemon/peers.h"

/* Removes what an earlier life, ended by force, has left there. */
void imports_clear(const struct peer *peer);
/* For everybody here, or (`all` false) for the members of a group. */
void imports_add(struct peer *peer, const char *name, bool all);
void imports_remove(struct peer *peer, const char *name);
void imports_remove_all(struct peer *peer);
/* The peer says its whole list again: what it does not name until imports_sweep() goes. */
void imports_mark(struct peer *peer);
void imports_sweep(struct peer *peer);
/* Turns waiting connections into streams, as far as the link takes them now. Returns whether more
 * are waiting that it would take. */
bool imports_accept(struct peer *peer);
json_t *imports_describe(const struct peer *peer);
