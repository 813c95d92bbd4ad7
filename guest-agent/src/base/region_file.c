#include "base/region_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static int fail(int error, char *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, REGION_FILE_WHY_MAX, format, args);
    va_end(args);
    return error;
}

static int check_space(const char *path, uint64_t size, char *why)
{
    char copy[PATH_MAX];
    struct statvfs fs;
    uint64_t available;

    snprintf(copy, sizeof(copy), "%s", path);
    if (statvfs(dirname(copy), &fs) < 0)
        return fail(-errno, why, "its folder cannot be examined: %s", strerror(errno));
    available = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (available < size)
        return fail(-ENOSPC, why,
                    "its filesystem has %" PRIu64 " bytes free, the region needs %" PRIu64
                    ": enlarge it or ask for a smaller region",
                    available, size);
    return 0;
}

/* Allocated in full here: a guest that touched a hole in a full filesystem would kill its QEMU. */
static int fill(int fd, const struct region_identity *identity, mode_t mode, char *why)
{
    struct region_header header;
    int error = posix_fallocate(fd, 0, (off_t)identity->size);

    if (error)
        return fail(-error, why, "its space cannot be allocated: %s", strerror(error));
    region_header_make(&header, identity);
    if (pwrite(fd, &header, sizeof(header), 0) != (ssize_t)sizeof(header))
        return fail(-EIO, why, "its header cannot be written");
    if (fchmod(fd, mode) < 0)
        return fail(-errno, why, "its mode cannot be set: %s", strerror(errno));
    return 0;
}

int region_file_create(const char *path, const struct region_identity *identity, mode_t mode,
                       char why[REGION_FILE_WHY_MAX])
{
    const char *fault = region_size_fault(identity->size);
    int fd, error;

    if (fault)
        return fail(-EINVAL, why, "%" PRIu64 " is no size for a region: %s", identity->size, fault);
    error = check_space(path, identity->size, why);
    if (error < 0)
        return error;
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(-errno, why, "%s%s", strerror(errno),
                    errno == EEXIST ? ": every region needs a fresh file" : "");
    error = fill(fd, identity, mode, why);
    close(fd);
    if (error < 0)
        unlink(path);
    return error;
}

int region_file_read(const char *path, struct region_identity *identity,
                     char why[REGION_FILE_WHY_MAX])
{
    struct region_header header;
    struct stat status;
    const char *fault;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t got;

    if (fd < 0)
        return fail(-errno, why, "it cannot be opened: %s", strerror(errno));
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        status.st_size = 0;
    got = pread(fd, &header, sizeof(header), 0);
    close(fd);
    if (got != (ssize_t)sizeof(header))
        return fail(-EINVAL, why, "it is too short for a region, or no file");
    fault = region_header_fault(&header, (uint64_t)status.st_size);
    if (fault)
        return fail(-EINVAL, why, "it is not a region: %s", fault);
    *identity = (struct region_identity){.size = header.region_size,
                                         .generation = header.generation,
                                         .lower_id = header.lower_id,
                                         .higher_id = header.higher_id};
    memcpy(identity->nonce, header.nonce, sizeof(identity->nonce));
    return 0;
}

int region_file_remove(const char *path, const uint8_t nonce[REGION_NONCE_SIZE],
                       char why[REGION_FILE_WHY_MAX])
{
    struct region_identity identity;
    int error = region_file_read(path, &identity, why);

    if (error < 0)
        return error;
    if (memcmp(identity.nonce, nonce, REGION_NONCE_SIZE) != 0)
        return fail(-EPERM, why,
                    "it has another nonce, so it is another grant's region; left alone");
    if (unlink(path) < 0)
        return fail(-errno, why, "%s", strerror(errno));
    return 0;
}
