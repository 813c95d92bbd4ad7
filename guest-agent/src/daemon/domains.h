/* The domains that there are, beside those that this one has links with: a connection to one of
 * them is not permitted, to any other number it leads nowhere. The harness tells; on a host,
 * several may, each of its own. */
#pragma once

#include "daemon/agent.h"
#include "daemon/args.h"

/* domains.set: these are all of that owner's now. */
void domains_serve_set(struct agent *agent, struct args *args, struct reply *reply);
bool domains_know(const struct agent *agent, uint32_t id);
json_t *domains_describe_unlinked(const struct agent *agent); /* that there is no link with */
void domains_stop(struct agent *agent);
