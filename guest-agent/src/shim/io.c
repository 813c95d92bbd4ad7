/* The functions that move bytes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "shim/connect.h"
#include "shim/ending.h"
#include "shim/epoll_set.h"
#include "shim/held.h"
#include "shim/packets.h"
#include "shim/real.h"
#include "shim/transfer.h"

static ssize_t result(struct handle *handle, ssize_t moved)
{
    handle_put(handle);
    if (moved >= 0)
        return moved;
    errno = (int)-moved;
    return -1;
}

static struct iovec one(const void *bytes, size_t length)
{
    return (struct iovec){(void *)(uintptr_t)bytes, length};
}

/* As the kernel: neither before a connection nor while it is made. */
static ssize_t fault_of(struct handle *handle, int fd, int flags)
{
    connect_settle(handle, fd);
    if (handle->state != HANDLE_CONNECTED)
        return -ENOTCONN;
    return flags & MSG_OOB ? -EOPNOTSUPP : 0;
}

/* ---- receiving ---- */

static ssize_t receive_pieces(struct handle *handle, int fd, const struct iovec *pieces, int count,
                              int flags, int *told)
{
    ssize_t got = fault_of(handle, fd, flags);

    if (!got && handle->packets)
        got = packets_receive(fd, pieces, count, flags, told);
    else if (!got)
        got = transfer_receive(handle, fd, pieces, count, flags);
    if (!got && !transfer_is_empty(pieces, count))
        got = -ending_take_error(handle, fd);
    return result(handle, got);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags)
{
    struct handle *handle = handle_get(fd);
    struct iovec piece = one(bytes, length);
    int told;

    if (!handle)
        return real()->recv(fd, bytes, length, flags);
    return receive_pieces(handle, fd, &piece, 1, flags, &told);
}

ssize_t read(int fd, void *bytes, size_t length)
{
    struct handle *handle = handle_get(fd);
    struct iovec piece = one(bytes, length);
    int told;

    if (!handle)
        return real()->read(fd, bytes, length);
    return receive_pieces(handle, fd, &piece, 1, 0, &told);
}

ssize_t readv(int fd, const struct iovec *pieces, int count)
{
    struct handle *handle = handle_get(fd);
    int told;

    if (!handle)
        return real()->readv(fd, pieces, count);
    return receive_pieces(handle, fd, pieces, count, 0, &told);
}

ssize_t recvfrom(int fd, void *bytes, size_t length, int flags, struct sockaddr *from,
                 socklen_t *size)
{
    struct handle *handle = handle_get(fd);
    struct iovec piece = one(bytes, length);
    int told;

    if (!handle)
        return real()->recvfrom(fd, bytes, length, flags, from, size);
    if (size)
        *size = 0; /* a connected stream names nobody */
    return receive_pieces(handle, fd, &piece, 1, flags, &told);
}

/* On a port's socket it is accept() that receives, with control data. */
ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct handle *handle = handle_get(fd);

    if (!handle)
        return real()->recvmsg(fd, message, flags);
    if (handle->state == HANDLE_LISTENING) {
        handle_put(handle);
        return real()->recvmsg(fd, message, flags);
    }
    message->msg_namelen = 0;
    message->msg_controllen = 0;
    message->msg_flags = 0;
    return receive_pieces(handle, fd, message->msg_iov, (int)message->msg_iovlen,
                          flags & ~MSG_CMSG_CLOEXEC, &message->msg_flags);
}

/* ---- sending ---- */

/* As the kernel: a broken pipe is told by signal, too. */
static ssize_t send_pieces(struct handle *handle, int fd, const struct iovec *pieces, int count,
                           int flags)
{
    ssize_t fault = fault_of(handle, fd, flags);

    if (!fault && handle->packets)
        return result(handle, packets_send(fd, pieces, count, flags));
    return result(handle, fault ? fault : transfer_send(handle, fd, pieces, count, flags));
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    struct handle *handle = handle_get(fd);
    struct iovec piece = one(bytes, length);

    if (!handle)
        return real()->send(fd, bytes, length, flags);
    return send_pieces(handle, fd, &piece, 1, flags);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    struct handle *handle = handle_get(fd);
    struct iovec piece = one(bytes, length);

    if (!handle)
        return real()->write(fd, bytes, length);
    return send_pieces(handle, fd, &piece, 1, 0);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    struct handle *handle = handle_get(fd);

    if (!handle)
        return real()->writev(fd, pieces, count);
    return send_pieces(handle, fd, pieces, count, 0);
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to,
               socklen_t size)
{
    struct handle *handle = handle_get(fd);
    struct iovec piece = one(bytes, length);

    if (!handle)
        return real()->sendto(fd, bytes, length, flags, to, size);
    if (to && size)
        return result(handle, handle->state == HANDLE_CONNECTED ? -EISCONN : -EOPNOTSUPP);
    return send_pieces(handle, fd, &piece, 1, flags);
}

/* A socket that is passed to another program goes on by the kernel's ways alone. */
static void renounce_passed(const struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c;
         c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)message, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            epoll_forsake(fd);
            handle_renounce(fd);
        }
    }
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct handle *handle = handle_get(fd);

    if (message->msg_controllen)
        renounce_passed(message);
    if (!handle)
        return real()->sendmsg(fd, message, flags);
    if (handle->state == HANDLE_LISTENING ||
        (handle->state == HANDLE_CONNECTED && message->msg_controllen)) {
        held_renounce(handle);
        handle_put(handle);
        return real()->sendmsg(fd, message, flags);
    }
    return send_pieces(handle, fd, message->msg_iov, (int)message->msg_iovlen, flags);
}

/* ---- what only the kernel can do ---- */

ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
    handle_renounce(out);
    return real()->sendfile(out, in, offset, count);
}

ssize_t sendfile64(int out, int in, off_t *offset, size_t count) __attribute__((alias("sendfile")));

ssize_t splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t length, unsigned flags)
{
    handle_renounce(in);
    handle_renounce(out);
    return real()->splice(in, in_offset, out, out_offset, length, flags);
}

int shutdown(int fd, int how)
{
    struct handle *handle = handle_get(fd);
    ssize_t fault = handle ? fault_of(handle, fd, 0) : 0;

    if (fault)
        return (int)result(handle, fault);
    if (handle) {
        held_renounce(handle);
        handle->deaf |= how == SHUT_RD || how == SHUT_RDWR;
        handle_put(handle);
    }
    return real()->shutdown(fd, how);
}
