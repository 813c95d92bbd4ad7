/* Which files a process may still open and change (Landlock): those below some folders. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct landlock_folder {
    const char *path;
    bool writable; /* else its files can be read, and its folders listed */
};

/* For good. Returns the version of the kernel's Landlock, or a negative errno: it has none. */
int landlock_confine(const struct landlock_folder *folders, size_t count);
