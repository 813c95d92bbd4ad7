/* How big a program is: resident memory in KiB, and open descriptors. */
#pragma once

#include <stdint.h>

struct size {
    uint64_t kib, fds;
};

/* Of the process of that name; of several the one that is found first. 0, or 1: there is none. */
int size_of(const char *name, struct size *size);
