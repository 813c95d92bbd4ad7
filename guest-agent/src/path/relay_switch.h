/* Passing the relay's frames on, from domain to domain: what a host does. Pure.
 *
 * It keeps what is needed to hold the ends of a channel to its credit, so that a receiver which is
 * stopped holds up nobody else: no more than a window of each channel ever waits here. It
 * acknowledges nothing; when it dies the channels end, and the links' next connections resume. */
#pragma once

#include <stdbool.h>

#include "path/relay_line.h"

struct relay_circuit;

struct relay_switch {
    /* The way to a domain, and from it; NULL: there is none. */
    struct relay_way *(*find)(void *user, uint32_t domain);
    void *user;
    struct relay_circuit *circuits;
    uint32_t count;
};

void relay_switch_deinit(struct relay_switch *relay);
/* A frame came in by this way. */
void relay_switch_pass(struct relay_switch *relay, struct relay_way *from,
                       const struct relay_frame *frame, const uint8_t *payload);
/* A way has gone, or leads to another domain now: the channels that took it end. */
void relay_switch_settle(struct relay_switch *relay);
/* What a way carried is lost, though the way itself goes on. */
void relay_switch_reset(struct relay_switch *relay, const struct relay_way *way);
