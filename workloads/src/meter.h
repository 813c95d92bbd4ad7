/* Stalls: the longest time without progress, in this interval and so far. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct meter {
    bool running; /* progress is wanted now */
    uint64_t last_ns;
    uint64_t interval_ns; /* longest since the last sample; one that goes on counts in full */
    uint64_t longest_ns;
};

/* Progress is wanted from now on; nothing changes when it is already. */
void meter_want(struct meter *meter, uint64_t now_ns);

void meter_progress(struct meter *meter, uint64_t now_ns);

/* No progress is wanted any more: there is nothing to stall. */
void meter_rest(struct meter *meter);

/* The longest stall of the interval that ends now, the current one included. */
uint64_t meter_sample(struct meter *meter, uint64_t now_ns);
