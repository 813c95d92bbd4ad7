/* What makes and closes descriptors: the table of handles follows. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "shim/handles.h"
#include "shim/real.h"

#define VSOCK_DEVICE "/dev/vsock"

/* A child that has only borrowed the table most likely prepares its exec(): what it duplicates, the
 * next program gets, as a plain socket. And what becomes a standard stream is stdio's. */
static void duplicated(int from, int to)
{
    bool borrowed = handles_are_borrowed();

    if (!borrowed)
        handle_duplicate(from, to);
    if (borrowed || to <= STDERR_FILENO)
        handle_renounce(from);
}

int close(int fd)
{
    handle_drop(fd);
    return real()->close(fd);
}

static void drop_from(unsigned first, unsigned last)
{
    for (unsigned fd = first; fd <= last && fd < HANDLE_FDS_MAX; fd++)
        handle_drop((int)fd);
}

int close_range(unsigned first, unsigned last, int flags)
{
    if (!(flags & (int)CLOSE_RANGE_CLOEXEC))
        drop_from(first, last);
    return real()->close_range(first, last, flags);
}

void closefrom(int first)
{
    drop_from(first < 0 ? 0 : (unsigned)first, HANDLE_FDS_MAX - 1);
    real()->closefrom(first);
}

int dup(int fd)
{
    int copy = real()->dup(fd);

    if (copy >= 0)
        duplicated(fd, copy);
    return copy;
}

static void closing(int from, int to)
{
    if (from != to && !handles_are_borrowed())
        handle_closing(to);
}

int dup2(int from, int to)
{
    int copy;

    closing(from, to);
    copy = real()->dup2(from, to);

    if (copy >= 0 && from != to)
        duplicated(from, to);
    return copy;
}

int dup3(int from, int to, int flags)
{
    int copy;

    closing(from, to);
    copy = real()->dup3(from, to, flags);

    if (copy >= 0)
        duplicated(from, to);
    return copy;
}

int fcntl(int fd, int command, ...)
{
    va_list arguments;
    void *argument;
    int result;

    va_start(arguments, command);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    result = real()->fcntl(fd, command, argument);
    if (result >= 0 && command == F_SETFL)
        handle_set_nonblocking(fd, (long)argument & O_NONBLOCK);
    if (result >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC))
        duplicated(fd, result);
    return result;
}

int fcntl64(int fd, int command, ...) __attribute__((alias("fcntl")));

static bool has_mode(int flags)
{
    return flags & O_CREAT || (flags & __O_TMPFILE) == __O_TMPFILE;
}

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;
    int fd;

    va_start(arguments, flags);
    if (has_mode(flags))
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (strcmp(path, VSOCK_DEVICE) != 0)
        return handle_made(real()->open(path, flags, mode));
    fd = real()->open("/dev/null", flags & ~O_CREAT);
    if (fd >= 0)
        handle_new(fd, HANDLE_DEVICE);
    return fd;
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;

    va_start(arguments, flags);
    if (has_mode(flags))
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    return handle_made(real()->openat(folder, path, flags, mode));
}

int openat64(int folder, const char *path, int flags, ...) __attribute__((alias("openat")));
