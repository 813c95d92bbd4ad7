/* The two ends of a ring in a region.
 *
 * The other end is not trusted: its index is read once, must not go back and must stay within the
 * window; everything else this side needs to know it keeps in private memory.
 *
 * Sleeping without losing a wake-up: the sleeper sets its flag, full fence, looks at the index
 * again; the other end moves its index, full fence, looks at the flag. Of the two looks at least
 * one sees the other's store. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "ring/view.h"

/* Copies are cut into pieces of this size: soft TLBs alias on larger ones. */
#define RING_COPY_MAX 65536u

enum { RING_VIOLATION = 1 }; /* the other end's index is impossible: to be handled */

/* An end with control == NULL is not attached. */
struct ring_tx {
    struct ring_control *control;
    uint8_t *data;
    uint32_t size;
    uint64_t produced;
    uint64_t consumed; /* last seen */
    bool asleep;
};

struct ring_rx {
    struct ring_control *control;
    const uint8_t *data;
    uint32_t size;
    uint64_t consumed;
    uint64_t produced; /* last seen */
    bool asleep;
};

/* Whether a ring at this offset lies within a region, on the pages the ABI wants. */
bool ring_place_valid(uint64_t region_size, uint64_t offset, uint32_t size);
/* Both ends' words to zero; only by the side that gives out the place. */
void ring_clear(const struct view *view, uint64_t offset);

void ring_tx_attach(struct ring_tx *tx, const struct view *view, uint64_t offset, uint32_t size,
                    uint64_t produced);
void ring_tx_copy(struct ring_tx *tx, uint64_t offset, const uint8_t *bytes, uint32_t length);
void ring_tx_publish(struct ring_tx *tx, uint64_t produced);
/* Updates `consumed`, or RING_VIOLATION. `sent` is what the peer can have at most: more than
 * `produced` where a part went by tcp. */
int ring_tx_look(struct ring_tx *tx, uint64_t sent);
bool ring_tx_other_asleep(const struct ring_tx *tx);
void ring_tx_sleep(struct ring_tx *tx, bool asleep);

void ring_rx_attach(struct ring_rx *rx, const struct view *view, uint64_t offset, uint32_t size,
                    uint64_t consumed);
int ring_rx_look(struct ring_rx *rx); /* updates `produced`, or RING_VIOLATION */
void ring_rx_copy(const struct ring_rx *rx, uint64_t offset, uint8_t *bytes, uint32_t length);
void ring_rx_advance(struct ring_rx *rx, uint64_t consumed);
bool ring_rx_other_asleep(const struct ring_rx *rx);
void ring_rx_sleep(struct ring_rx *rx, bool asleep);
