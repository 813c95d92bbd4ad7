/* Getting hold of a region: an ivshmem device's memory in a guest, a file on a host. */
#pragma once

#include "abi/region.h"

#define REGION_PATH_MAX 256
#define REGION_WHY_MAX 160

/* Opens the region with this nonce: `file` if that is not empty, else whichever ivshmem device has
 * it, and says in `path` where it is. Nothing else than such a region is opened. -ENODEV: it is not
 * there (yet); `why` says what was seen instead. */
int region_open(const char *file, const uint8_t nonce[REGION_NONCE_SIZE],
                char path[REGION_PATH_MAX], char why[REGION_WHY_MAX]);
