/* One mapping of a region, and whether to believe it.
 *
 * A view may lie: after its device is pulled it reads zeros, after another is plugged in it may
 * show another region. So bytes copied out of it count only if the nonce is right *after* the copy,
 * and bytes copied in are published only if it is right after that copy. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "abi/region.h"

#define VIEW_PATH_MAX 256

struct view {
    uint8_t *base;
    size_t size;
    char path[VIEW_PATH_MAX]; /* of what is mapped; empty: nobody else can map it */
    uint8_t nonce[REGION_NONCE_SIZE];
    bool device;    /* it is a device's, and may be unplugged */
    uint64_t beats; /* of this side's heartbeat; its line in the region may not say so any more */
};

bool view_trusted(const struct view *view);
/* The heartbeats of the two sides, each in its own line of the region's header: a count that only
 * grows, whoever serves the region after whom. */
void view_begin(struct view *view, bool lower);
uint64_t view_beat(struct view *view, bool lower); /* returns the new count */
uint64_t view_heartbeat(const struct view *view, bool lower);
