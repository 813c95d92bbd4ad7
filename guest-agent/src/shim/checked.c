/* What a program that was built with _FORTIFY_SOURCE calls instead. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/checked.h"

static void check(size_t length, size_t room)
{
    if (length > room)
        abort();
}

ssize_t __read_chk(int fd, void *bytes, size_t length, size_t room)
{
    check(length, room);
    return read(fd, bytes, length);
}

ssize_t __recv_chk(int fd, void *bytes, size_t length, size_t room, int flags)
{
    check(length, room);
    return recv(fd, bytes, length, flags);
}

ssize_t __recvfrom_chk(int fd, void *bytes, size_t length, size_t room, int flags,
                       struct sockaddr *from, socklen_t *size)
{
    check(length, room);
    return recvfrom(fd, bytes, length, flags, from, size);
}

int __poll_chk(struct pollfd *fds, nfds_t count, int timeout_ms, size_t room)
{
    check(count * sizeof(*fds), room);
    return poll(fds, count, timeout_ms);
}

int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                const sigset_t *mask, size_t room)
{
    check(count * sizeof(*fds), room);
    return ppoll(fds, count, timeout, mask);
}

int __open_2(const char *path, int flags)
{
    return open(path, flags);
}

int __open64_2(const char *path, int flags)
{
    return open(path, flags);
}

int __openat_2(int folder, const char *path, int flags)
{
    return openat(folder, path, flags);
}

int __openat64_2(int folder, const char *path, int flags)
{
    return openat(folder, path, flags);
}
