#include "ring/slots.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int slots_init(struct slots *slots, uint64_t region_size)
{
    uint32_t units = (uint32_t)(region_size / SLOT_UNIT);

    *slots = (struct slots){.used = calloc(units, 1), .units = units};
    if (!slots->used)
        return -ENOMEM;
    memset(slots->used, 1, REGION_RINGS_START / SLOT_UNIT);
    slots->used_units = REGION_RINGS_START / SLOT_UNIT;
    return 0;
}

void slots_deinit(struct slots *slots)
{
    free(slots->used);
    *slots = (struct slots){0};
}

static uint32_t ring_units(uint32_t size)
{
    return (REGION_PAGE + size + SLOT_UNIT - 1) / SLOT_UNIT;
}

static void mark(struct slots *slots, uint32_t first, uint32_t count, bool used)
{
    memset(slots->used + first, used, count);
    slots->used_units = used ? slots->used_units + count : slots->used_units - count;
}

/* First fit: streams of one class come and go, so holes are reused as they are. */
static uint32_t find(const struct slots *slots, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t unit = 0; unit < slots->units; unit++) {
        run = slots->used[unit] ? 0 : run + 1;
        if (run == count)
            return unit + 1 - count;
    }
    return 0;
}

int slots_take(struct slots *slots, uint32_t size, struct slot *slot)
{
    uint32_t each = ring_units(size);
    uint32_t first = find(slots, 2 * each);

    if (!first)
        return -ENOSPC;
    mark(slots, first, 2 * each, true);
    *slot =
        (struct slot){.size = size,
                      .units = 2 * each,
                      .ring = {(uint64_t)first * SLOT_UNIT, (uint64_t)(first + each) * SLOT_UNIT}};
    return 0;
}

void slots_give_back(struct slots *slots, const struct slot *slot)
{
    if (slots->used && slot->units)
        mark(slots, (uint32_t)(slot->ring[0] / SLOT_UNIT), slot->units, false);
}

uint32_t slots_window(uint32_t streams, uint64_t budget_left)
{
    static const struct {
        uint32_t streams;
        uint32_t window;
    } classes[] = {{8, 256u << 10}, {24, 64u << 10}, {72, 16u << 10}};

    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (streams < classes[i].streams && 2ull * classes[i].window <= budget_left)
            return classes[i].window;
    return RING_SIZE_MIN;
}
