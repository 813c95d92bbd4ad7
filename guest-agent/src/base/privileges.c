#include "base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPABILITIES_MAX 64

static uint64_t mask_of(const int *capabilities, size_t count)
{
    uint64_t mask = 0;

    for (size_t i = 0; i < count; i++)
        mask |= UINT64_C(1) << capabilities[i];
    return mask;
}

/* Those that the kernel does not know are an error, and the last ones. */
static int bound(uint64_t keep)
{
    for (int i = 0; i < CAPABILITIES_MAX && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
        if (!(keep >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
            return -errno;
    return 0;
}

static int hold(uint64_t keep)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &header, held) < 0)
        return -errno;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        held[i].permitted &= (uint32_t)(keep >> (32 * i)); /* it may have been given fewer */
        held[i].effective = held[i].permitted;
        held[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, held) < 0 ? -errno : 0;
}

int privileges_keep(const int *capabilities, size_t count)
{
    uint64_t keep = mask_of(capabilities, count);
    int bounded = bound(keep); /* first: it takes a capability */
    int held = hold(keep);

    return held ? held : bounded;
}

static int become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    if (setgroups(group_count, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0)
        return -errno;
    return 0;
}

int privileges_become(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    int bounded = bound(0);
    int error = become(uid, gid, groups, group_count);
    int held = hold(0);

    if (error)
        return error;
    return bounded ? bounded : held;
}
