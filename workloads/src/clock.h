/* Monotonic time in nanoseconds. */
#pragma once

#include <stdint.h>
#include <time.h>

enum { NS_PER_MS = 1000000 };
static const uint64_t NS_PER_S = UINT64_C(1000000000);

static inline uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}
