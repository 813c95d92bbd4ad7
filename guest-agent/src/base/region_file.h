/* Region files on the host: made once, never truncated, removed only by who knows the nonce. */
#pragma once

#include <sys/types.h>

#include "base/region_header.h"

/* All return a negative errno, and then `why` says what failed and what to do about it. */
#define REGION_FILE_WHY_MAX 200

int region_file_create(const char *path, const struct region_identity *identity, mode_t mode,
                       char why[REGION_FILE_WHY_MAX]);
int region_file_read(const char *path, struct region_identity *identity,
                     char why[REGION_FILE_WHY_MAX]);
int region_file_remove(const char *path, const uint8_t nonce[REGION_NONCE_SIZE],
                       char why[REGION_FILE_WHY_MAX]);
