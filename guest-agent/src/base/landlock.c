#include "base/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LANDLOCK_READS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* Rights by number, as headers know those of their own kernel only: 13 at first, one more each in
 * versions 2 and 3, and with version 5 that to send ioctl() to devices. */
#define RIGHTS(count) ((UINT64_C(1) << (count)) - 1)

static uint64_t rights_of(long version)
{
    static const int counts[] = {0, 13, 14, 15, 15, 16};
    long last = (long)(sizeof(counts) / sizeof(counts[0])) - 1;

    return RIGHTS(counts[version < last ? version : last]);
}

static int allow(int ruleset, const struct landlock_folder *folder, uint64_t rights)
{
    struct landlock_path_beneath_attr below = {
        .allowed_access = folder->writable ? rights : LANDLOCK_READS,
        .parent_fd = open(folder->path, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    int error = 0;

    if (below.parent_fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0) < 0)
        error = -errno;
    close(below.parent_fd);
    return error;
}

static int restrict_to(int ruleset, const struct landlock_folder *folders, size_t count,
                       uint64_t rights)
{
    int error = 0;

    for (size_t i = 0; i < count && !error; i++)
        error = allow(ruleset, &folders[i], rights);
    if (error)
        return error;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return -errno;
    return 0;
}

int landlock_confine(const struct landlock_folder *folders, size_t count)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr all = {0};
    int ruleset, error;

    if (version < 1)
        return version < 0 ? -errno : -ENOSYS;
    all.handled_access_fs = rights_of(version);
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all.handled_access_fs), 0);
    if (ruleset < 0)
        return -errno;
    error = restrict_to(ruleset, folders, count, all.handled_access_fs);
    close(ruleset);
    return error ? error : (int)version;
}
