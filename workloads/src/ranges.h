/* A bounded, sorted set of byte ranges: what has not arrived yet. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { RANGES_MAX = 4096 };

struct range {
    uint64_t begin, end;
};

struct ranges {
    struct range item[RANGES_MAX];
    size_t count;
    uint64_t overflow; /* bytes that found no place any more: they stay missing for good */
};

/* Adds a range that lies behind all the others. */
void ranges_append(struct ranges *set, uint64_t begin, uint64_t end);

/* Takes [begin, end) out, and returns how many bytes of it were in the set. */
uint64_t ranges_remove(struct ranges *set, uint64_t begin, uint64_t end);

uint64_t ranges_bytes(const struct ranges *set);
