/* What a process of root's keeps of root's rights. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Only these capabilities stay, for this process and for all it could ever run. Negative: what the
 * kernel did not let go. */
int privileges_keep(const int *capabilities, size_t count);
/* Becomes that user for good, without any capability. Negative: the kernel does not let it be that
 * user; the capabilities are gone all the same. */
int privileges_become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);
