#include "daemon/host.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"
#include "daemon/connecting.h"
#include "daemon/peers.h"
#include "daemon/relay.h"

uint32_t host_id(const struct agent *agent)
{
    const struct relay_line *line = &agent->relay->port.line;

    if (agent->options.data)
        return line->up ? line->other : 0;
    return agent->options.relay_address[0] ? agent->options.id : 0;
}

/* Whoever looks meanwhile finds the old host or the new one. */
static int point_to(const char *path, const char *name)
{
    char aside[AGENT_PATH_MAX + 32];

    snprintf(aside, sizeof(aside), "%s.new", path);
    unlink(aside);
    return symlink(name, aside) < 0 ? -1 : rename(aside, path);
}

void host_changed(const struct agent *agent)
{
    uint32_t id = agent->options.data && agent->relay ? host_id(agent) : 0;
    const struct peer *peer = id ? peers_find_by_id(agent, id) : NULL;
    char path[AGENT_PATH_MAX + 16];

    snprintf(path, sizeof(path), "%s/" DOMAIN_NAME_HOST, agent->options.run_dir);
    if (!peer)
        unlink(path);
    else if (point_to(path, peer->name) < 0)
        log_warning("%s cannot lead to %s", path, peer->name);
    if (id)
        connecting_host_changed(agent);
}
