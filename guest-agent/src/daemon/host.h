/* "The host I am on", CID 2: which domain that is now, and RUN_DIR/host, which leads to what it
 * exports. A guest learns it from the other end of its port, anew after each move; what a host says
 * there only chooses among the domains that this one has a link with, which prove themselves. */
#pragma once

#include "daemon/agent.h"

/* The host's domain id, which a host's own is; 0: it is not known, as between two hosts. */
uint32_t host_id(const struct agent *agent);
/* Another host is at the port, or none; or the peers are others. */
void host_changed(const struct agent *agent);
