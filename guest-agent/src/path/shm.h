/* Getting hold of a region: an ivshmem device's memory in a guest, a file on a host. */
#pragma once

#include "ring/view.h"

/* Maps the region with this nonce: from `file` if given, else from whichever ivshmem device has
 * it. -ENODEV: not there (yet); `why` says what was seen instead. */
#define SHM_WHY_MAX 160
int shm_map(struct view *view, const char *file, const uint8_t nonce[REGION_NONCE_SIZE],
            char why[SHM_WHY_MAX]);
/* Puts anonymous pages in the place: a stale mapping of an unplugged device would write into
 * whatever is plugged in there next. */
void shm_disown(struct view *view);
void shm_unmap(struct view *view);

/* MB/s of writing into the region and reading back, measured for a few milliseconds on a place
 * that holds no ring yet. */
uint32_t shm_measure(struct view *view);
