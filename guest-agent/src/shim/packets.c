#include "shim/packets.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "abi/shim.h"
#include "shim/real.h"

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static struct msghdr message_of(const struct iovec *pieces, int count, union control *control)
{
    return (struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)pieces,
                           .msg_iovlen = (size_t)count,
                           .msg_control = control ? control->bytes : NULL,
                           .msg_controllen = control ? sizeof(control->bytes) : 0};
}

static ssize_t send_record(int fd, const struct iovec *pieces, int count, int flags)
{
    union control control = {.bytes = {0}};
    struct msghdr message = message_of(pieces, count, &control);
    struct cmsghdr *beside = CMSG_FIRSTHDR(&message);
    int any = real()->open("/dev/null", O_RDONLY | O_CLOEXEC);
    ssize_t put;

    if (any < 0)
        return -errno;
    beside->cmsg_level = SOL_SOCKET;
    beside->cmsg_type = SCM_RIGHTS;
    beside->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(beside), &any, sizeof(any));
    put = real()->sendmsg(fd, &message, flags & ~MSG_EOR);
    put = put < 0 ? -errno : put;
    real()->close(any);
    return put;
}

ssize_t packets_send(int fd, const struct iovec *pieces, int count, int flags)
{
    struct msghdr message = message_of(pieces, count, NULL);
    size_t length = 0;
    ssize_t put;

    for (int i = 0; i < count; i++)
        length += pieces[i].iov_len;
    if (!length)
        return 0; /* as the kernel: nothing is sent */
    if (length > SHIM_PACKET_MAX)
        return -EMSGSIZE;
    if (flags & MSG_EOR)
        return send_record(fd, pieces, count, flags);
    put = real()->sendmsg(fd, &message, flags);
    return put < 0 ? -errno : put;
}

static bool close_passed(struct msghdr *message)
{
    struct cmsghdr *beside = CMSG_FIRSTHDR(message);
    int any;

    if (!beside || beside->cmsg_level != SOL_SOCKET || beside->cmsg_type != SCM_RIGHTS)
        return false;
    memcpy(&any, CMSG_DATA(beside), sizeof(any));
    real()->close(any);
    return true;
}

ssize_t packets_receive(int fd, const struct iovec *pieces, int count, int flags, int *told)
{
    union control control;
    struct msghdr message = message_of(pieces, count, &control);
    ssize_t got = real()->recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);

    if (got < 0)
        return -errno;
    *told = message.msg_flags & MSG_TRUNC;
    if (close_passed(&message))
        *told |= MSG_EOR;
    return got;
}
