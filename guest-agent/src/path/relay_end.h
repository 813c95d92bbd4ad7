/* This domain's end of the relay: channels to other domains, each as one end of a socket pair.
 *
 * So a link's connection that goes through hosts is a connected socket to whoever uses it, as one
 * over TCP is. Nothing is kept for it but what is on the way; any loss is the socket's end. */
#pragma once

#include "base/loop.h"
#include "path/relay_line.h"

struct relay_channel;

struct relay_end {
    struct relay_way way; /* frames for this domain */
    struct relay_way *out;
    struct loop *loop;
    uint32_t self;
    /* Whether another domain may call: else nothing is kept for it. */
    bool (*expects)(void *user, uint32_t source);
    /* It calls; takes the socket. */
    void (*called)(void *user, int fd);
    void *user;
    struct relay_channel *channels;
    uint32_t count;
    struct loop_timer sweep; /* of channels that have ended within a call */
    struct loop_timer probe;
};

void relay_end_init(struct relay_end *end, struct loop *loop, uint32_t self, struct relay_way *out);
void relay_end_deinit(struct relay_end *end);
/* A connected socket to that domain, or a negative errno. That nobody is there shows as its end. */
int relay_end_dial(struct relay_end *end, uint32_t target);
/* The way out is gone, and all that was on it: every channel ends. */
void relay_end_hang_up(struct relay_end *end);
