/* A region in the agent's own memory. */
#pragma once

#include "base/region_open.h"
#include "ring/view.h"

/* Maps the region in `fd`, which it closes; `path` is where others find it. -ENODEV: it is not the
 * one with this nonce (any more); `why` says what was seen instead. */
int shm_map(struct view *view, int fd, const char *path, const uint8_t nonce[REGION_NONCE_SIZE],
            char why[REGION_WHY_MAX]);
/* Puts anonymous pages in the place: a stale mapping of an unplugged device would write into
 * whatever is plugged in there next. */
void shm_disown(struct view *view);
void shm_unmap(struct view *view);

/* MB/s of writing into the region and reading back, measured for a few milliseconds on a place
 * that holds no ring yet. */
uint32_t shm_measure(struct view *view);
