/* Messages over one connected socket, TCP or a channel of the relay (path/relay_end.h); sealed as
 * soon as it has keys. */
#pragma once

#include <stdbool.h>

#include "base/loop.h"
#include "base/queue.h"
#include "path/carrier.h"
#include "path/records.h"

struct tcp {
    struct carrier carrier;
    struct loop_source source;
    struct loop_timer failure; /* fires at once after fail() */
    struct loop *loop;
    struct queue out;
    struct queue in;
    struct records records;
    const struct carrier_user *user_ops;
    void *user;
    const char *failed;
    bool writable;
};

/* Takes the connected (or connecting) socket. */
struct tcp *tcp_new(struct loop *loop, int fd, const struct carrier_user *user_ops, void *user);
/* From here on both ways are sealed. */
void tcp_seal(struct tcp *tcp, const uint8_t mine[WIRE_KEY_SIZE],
              const uint8_t theirs[WIRE_KEY_SIZE]);
struct tcp *tcp_free(struct tcp *tcp);
/* How long sent bytes may stay unacknowledged before the connection ends; 0: the usual. */
void tcp_set_patience(struct tcp *tcp, uint32_t ms);
