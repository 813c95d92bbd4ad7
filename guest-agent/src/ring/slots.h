/* Where in a region the rings lie. Kept in private memory by the lower domain's agent alone. */
#pragma once

#include <stdint.h>

#include "abi/region.h"

/* Room is counted in pairs of pages, so that every ring's data starts on an odd page. */
#define SLOT_UNIT (2u * REGION_PAGE)

struct slot {
    uint32_t size;  /* of each ring's data; 0: no slot */
    uint32_t units; /* taken; 0 where the peer gives out the slots */
    uint64_t ring[2];
};

struct slots {
    uint8_t *used; /* one byte per unit */
    uint32_t units;
    uint32_t used_units;
};

int slots_init(struct slots *slots, uint64_t region_size);
void slots_deinit(struct slots *slots);
/* Room for two rings of `size`; -ENOSPC when the region is full. */
int slots_take(struct slots *slots, uint32_t size, struct slot *slot);
void slots_give_back(struct slots *slots, const struct slot *slot);

/* The window of the next stream: large for the first of a link, small for the thousandth, and
 * never more than the memory budget still allows (unless it is the smallest: a stream is never
 * refused for want of memory). */
uint32_t slots_window(uint32_t streams, uint64_t budget_left);
