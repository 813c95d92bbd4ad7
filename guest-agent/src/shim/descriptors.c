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
    if (!handles_are_borrowed()) {
        handle_closing(fd);
        handle_forget(fd);
    }
    return real()->close(fd);
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

int open(const char *path, int flags, ...)
{
    va_list arguments;
    mode_t mode = 0;
    int fd;

    va_start(arguments, flags);
    if (flags & (O_CREAT | __O_TMPFILE))
        mode = va_arg(arguments, mode_t);
    va_end(arguments);
    if (strcmp(path, VSOCK_DEVICE) != 0)
        return real()->open(path, flags, mode);
    fd = real()->open("/dev/null", flags & ~O_CREAT);
    if (fd >= 0)
        handle_new(fd, HANDLE_DEVICE);
    return fd;
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
