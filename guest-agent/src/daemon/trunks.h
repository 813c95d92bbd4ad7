/* The connections between hosts: one for each other host, mutually proven, over which all channels
 * between the two go. The higher domain id dials. */
#pragma once

#include "daemon/relay.h"

#define TRUNK_KEY_SIZE 32u
#define TRUNK_PORT_DEFAULT 7778

int trunks_listen(struct agent *agent);
void trunks_stop(struct agent *agent);
/* The trunk to that host: made, or told of another address or key. NULL: no memory. */
struct trunk *trunk_get(struct agent *agent, uint32_t host, const char *address, uint16_t port,
                        const uint8_t key[TRUNK_KEY_SIZE]);
struct relay_way *trunk_way(struct trunk *trunk); /* NULL: it is down */
void trunk_describe(const struct trunk *trunk, json_t *object);

/* What is not marked since trunks_unmark() is swept. */
void trunks_unmark(struct relay *relay);
void trunk_mark(struct trunk *trunk);
void trunks_sweep(struct agent *agent);
