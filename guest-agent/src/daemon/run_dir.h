/* RUN_DIR, where the agent and its domain's servers have their sockets. */
#pragma once

#include "daemon/remote.h"

/* Lets that user put things there. What lies there already becomes his, except `self`, which stays
 * root's, and which he cannot put away: servers bind below it. */
void run_dir_give(const char *run_dir, const struct remote_user *user);
