/* Pauses between attempts: each twice as long as the one before, up to a limit. All zeros: none has
 * failed yet. */
#pragma once

#include <stdint.h>

#define BACKOFF_MIN_US 50000u
#define BACKOFF_MAX_US 1000000u

struct backoff {
    uint64_t last_us;
};

static inline uint64_t backoff_next(struct backoff *backoff)
{
    uint64_t doubled_us = 2 * backoff->last_us;

    if (doubled_us > BACKOFF_MAX_US)
        doubled_us = BACKOFF_MAX_US;
    backoff->last_us = doubled_us > BACKOFF_MIN_US ? doubled_us : BACKOFF_MIN_US;
    return backoff->last_us;
}

static inline void backoff_reset(struct backoff *backoff)
{
    backoff->last_us = 0;
}
