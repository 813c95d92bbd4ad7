/* Choices that a seed repeats (Knuth's MMIX generator), or that a fuzzer makes. */
#pragma once

#include <stdint.h>

static uint64_t pick_state; /* begins as the seed */

static inline uint32_t pick_by_seed(void)
{
    pick_state = pick_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(pick_state >> 33);
}

static uint32_t (*pick_source)(void) = pick_by_seed;

static inline uint32_t pick(uint32_t below)
{
    return pick_source() % below;
}
