/* Checks a received stream against the pattern, and says exactly what went wrong with it. */
#pragma once

#include "pattern.h"
#include "ranges.h"

#include <stdbool.h>

/* Seven bytes of a torn word, and one end mark behind them. */
enum { VERIFIER_WINDOW = PATTERN_WORD - 1 + PATTERN_END };

struct verifier {
    uint64_t start;
    uint64_t next; /* the offset that is due */
    uint64_t high; /* everything below has arrived or is in `missing` */
    struct ranges missing;

    bool searching;                  /* the last bytes fit nowhere: see verifier.c */
    uint8_t window[VERIFIER_WINDOW]; /* `torn` bytes given up, then bytes not judged yet */
    size_t held, torn;
    uint64_t strange;  /* bytes since the pattern was lost */
    uint64_t replaced; /* those of them that differ from what was due at their place */

    uint64_t verified, duplicated, reordered, corrupted;
    uint64_t first_error; /* the offset that was due then; valid when `failed` */
    bool failed;          /* something was lost, repeated, out of order or damaged */
    bool ended;           /* the end mark came */
    uint64_t total;       /* what it said */
};

void verifier_init(struct verifier *verifier, uint64_t seed);

void verifier_feed(struct verifier *verifier, const uint8_t *data, size_t length);

/* No more bytes will come: judges what is still held back. */
void verifier_finish(struct verifier *verifier);

/* Bytes that the peer sent, as far as one can know, and that never arrived. */
uint64_t verifier_lost(const struct verifier *verifier);

bool verifier_clean(const struct verifier *verifier);
