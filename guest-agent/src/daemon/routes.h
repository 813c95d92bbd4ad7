/* A host's routes: by which way each domain is reached, and the ports of the guests that live here.
 *
 * Whoever commands the agent says them, each its own. They are kept in RUN_DIR, so that an agent
 * that was killed goes on; one that is wrong only leads nowhere, for the links prove themselves end
 * to end. */
#pragma once

#include "daemon/args.h"
#include "daemon/relay.h"

void routes_load(struct agent *agent);
void routes_stop(struct agent *agent);
struct relay_way *routes_find(struct agent *agent, uint32_t domain);
/* A way has come or gone. */
void routes_changed(struct agent *agent);

/* The requests routes.set and routes. */
void routes_serve_set(struct agent *agent, struct args *args, struct reply *reply);
void routes_serve_list(struct agent *agent, struct args *args, struct reply *reply);
