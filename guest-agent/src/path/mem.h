/* Messages through memory, for tests: two ends, delivered one at a time, cut at any moment. */
#pragma once

#include <stdbool.h>

#include "base/queue.h"
#include "path/carrier.h"
#include "path/frame.h"

struct mem_end {
    struct carrier carrier;
    struct mem_end *other;
    struct queue in;
    struct frame_numbers numbers;
    const struct carrier_user *user_ops;
    void *user;
    bool failed;         /* a message was refused, or too much was queued */
    const char *gave_up; /* the user ended it itself */
};

void mem_pair_init(struct mem_end ends[2]);
void mem_pair_deinit(struct mem_end ends[2]);
/* Hands the oldest message for this end to its user. Returns false if there was none. */
bool mem_deliver(struct mem_end *end);
