#include "daemon/run_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/wire.h"
#include "base/log.h"

#define SELF "self"
/* Of several that may write to it, everybody can take away his own only. */
#define RUN_DIR_MODE (S_ISVTX | 0775)
#define RUN_DIR_DEPTH_MAX (WIRE_NAME_MAX / 2)

static void give_folder(int folder, const struct remote_user *user, unsigned depth);

static void give(int folder, const char *name, const struct remote_user *user, unsigned depth)
{
    int below = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fchownat(folder, name, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) < 0)
        log_warning("%s cannot be given to user %u: %s", name, (unsigned)user->uid,
                    strerror(errno));
    if (below >= 0 && depth < RUN_DIR_DEPTH_MAX)
        give_folder(below, user, depth + 1);
    else if (below >= 0)
        close(below);
}

static void give_folder(int folder, const struct remote_user *user, unsigned depth)
{
    DIR *entries = fdopendir(folder);
    struct dirent *entry;

    while (entries && (entry = readdir(entries)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            (depth || strcmp(entry->d_name, SELF) != 0))
            give(folder, entry->d_name, user, depth);
    if (entries)
        closedir(entries);
    else
        close(folder);
}

void run_dir_give(const char *run_dir, const struct remote_user *user)
{
    int folder = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat status;

    if (folder < 0 || fstat(folder, &status) < 0)
        return;
    if (status.st_mode & S_IWOTH) {
        close(folder);
        return; /* it is everybody's already, and so not the agent's alone */
    }
    mkdirat(folder, SELF, 0755);
    if (fchown(folder, (uid_t)-1, user->gid) < 0 || fchmod(folder, RUN_DIR_MODE) < 0)
        log_warning("%s cannot be opened to user %u: %s", run_dir, (unsigned)user->uid,
                    strerror(errno));
    give_folder(folder, user, 0);
}
