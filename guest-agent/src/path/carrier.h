/* What a link needs from whatever carries its messages: TCP, or memory in tests. */
#pragma once

#include <stddef.h>
#include <sys/uio.h>

#include "abi/wire.h"

struct carrier;

#define CARRIER_PIECES_MAX 2

struct carrier_ops {
    /* Queues one message; never blocks. An overflow breaks the carrier, which its owner notices. */
    void (*send)(struct carrier *carrier, const struct wire_header *header,
                 const struct iovec *pieces, int count);
    /* How many bytes of DATA may be queued now without making control messages wait. */
    size_t (*room)(struct carrier *carrier);
    void (*flush)(struct carrier *carrier);
    /* The peer broke the rules: end this carrier soon, not from within this call. */
    void (*fail)(struct carrier *carrier, const char *reason);
};

struct carrier {
    const struct carrier_ops *ops;
};

/* What the receiver of messages gets. Nonzero: stop, the message broke the protocol. */
struct carrier_user {
    int (*message)(void *user, const struct wire_header *header, const uint8_t *payload);
    void (*ended)(void *user, const char *reason); /* last call; the carrier is gone after it */
};
