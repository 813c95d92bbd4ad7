/* Several messages by one call: message by message, each by the ring where the program holds it. */
#include <sys/socket.h>

#include "shim/handles.h"
#include "shim/real.h"

static bool is_ours(int fd)
{
    struct handle *handle = handle_get(fd);

    if (handle)
        handle_put(handle);
    return handle;
}

static size_t length_of(const struct msghdr *message)
{
    size_t length = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++)
        length += message->msg_iov[i].iov_len;
    return length;
}

/* As the kernel: an error that is not the first message's is told by the next call, and what has
 * not been sent whole is the last. */
int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    unsigned sent = 0;
    bool whole = true;

    if (!count || !is_ours(fd))
        return real()->sendmmsg(fd, messages, count, flags);
    while (sent < count && whole) {
        struct mmsghdr *message = &messages[sent];
        ssize_t put = sendmsg(fd, &message->msg_hdr, flags);

        if (put < 0)
            break;
        message->msg_len = (unsigned)put;
        whole = (size_t)put == length_of(&message->msg_hdr);
        sent++;
    }
    return sent ? (int)sent : -1;
}

/* One, however many are asked for: an error behind it, which is told once, is not lost so. */
int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    ssize_t got;

    if (!count || !is_ours(fd))
        return real()->recvmmsg(fd, messages, count, flags, timeout);
    got = recvmsg(fd, &messages->msg_hdr, flags & ~MSG_WAITFORONE);
    if (got < 0)
        return -1;
    messages->msg_len = (unsigned)got;
    return 1;
}
