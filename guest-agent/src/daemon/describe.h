/* Links and streams as JSON. */
#pragma once

#include "daemon/peers.h"

/* `relay` where the link's connection goes through the hosts. */
const char *describe_path(const struct peer *peer, enum wire_path path);
json_t *describe_link(const struct peer *peer);
/* One object per stream of the peer, appended to `list`. */
void describe_streams(const struct peer *peer, json_t *list);
