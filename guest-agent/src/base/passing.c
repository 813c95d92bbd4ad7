#include "base/passing.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PASSING_ROOM 425984 /* twice the kernel's default limit of SO_SNDBUF */

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

int passing_send(int socket, const void *message, size_t length, int fd)
{
    union control control = {.bytes = {0}};
    struct iovec piece = {(void *)(uintptr_t)message, length};
    struct msghdr header = {.msg_iov = &piece, .msg_iovlen = 1};
    struct cmsghdr *passed;

    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        passed = CMSG_FIRSTHDR(&header);
        passed->cmsg_level = SOL_SOCKET;
        passed->cmsg_type = SCM_RIGHTS;
        passed->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(passed), &fd, sizeof(int));
    }
    return sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void passing_make_room(int socket)
{
    int half = PASSING_ROOM / 2; /* the kernel doubles it */

    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &half, sizeof(half));
}

ssize_t passing_receive(int socket, void *message, size_t length, int *fd, int flags)
{
    union control control;
    struct iovec piece = {message, length};
    /* With the padding there would be room for a second one, which nobody would close. */
    struct msghdr header = {.msg_iov = &piece,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = CMSG_LEN(sizeof(int))};
    ssize_t got = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
    struct cmsghdr *passed;

    *fd = -1;
    if (got < 0)
        return -errno;
    passed = CMSG_FIRSTHDR(&header);
    if (passed && passed->cmsg_level == SOL_SOCKET && passed->cmsg_type == SCM_RIGHTS &&
        passed->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(fd, CMSG_DATA(passed), sizeof(int));
    return got;
}
