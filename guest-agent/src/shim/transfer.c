#include "shim/transfer.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "shim/epoll_set.h"
#include "shim/real.h"
#include "shim/wait.h"

/* Where a transfer is in the caller's pieces. */
struct cursor {
    const struct iovec *pieces;
    int count;
    size_t offset; /* in the first one */
    size_t moved;
};

static struct cursor cursor_at(const struct iovec *pieces, int count)
{
    return (struct cursor){.pieces = pieces, .count = count};
}

/* The next stretch of memory; empty at the end. */
static struct iovec cursor_next(struct cursor *cursor)
{
    while (cursor->count && cursor->offset == cursor->pieces->iov_len) {
        cursor->pieces++;
        cursor->count--;
        cursor->offset = 0;
    }
    if (!cursor->count)
        return (struct iovec){0};
    return (struct iovec){(char *)cursor->pieces->iov_base + cursor->offset,
                          cursor->pieces->iov_len - cursor->offset};
}

static void cursor_advance(struct cursor *cursor, size_t length)
{
    cursor->offset += length;
    cursor->moved += length;
}

/* Over the ends of pieces, too. */
static void cursor_skip(struct cursor *cursor, size_t length)
{
    while (length) {
        size_t here = cursor_next(cursor).iov_len;
        size_t step = here < length ? here : length;

        cursor_advance(cursor, step);
        length -= step;
    }
}

static ssize_t conclude(const struct cursor *cursor, int error)
{
    return cursor->moved ? (ssize_t)cursor->moved : error;
}

/* After a wait that is over; one that nobody would have ended goes on by the socket. */
static ssize_t conclude_wait(const struct cursor *cursor, int error)
{
    return error == -EREMOTE ? error : conclude(cursor, error);
}

/* Another process may have changed it behind our back: asked again before there is a sleep. */
static bool may_wait(const struct handle *handle, int fd, int flags)
{
    if (flags & MSG_DONTWAIT || handle->nonblocking)
        return false;
    return !(real()->fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static uint64_t deadline(uint64_t timeout_us)
{
    return timeout_us ? clock_now_us() + timeout_us : UINT64_MAX;
}

/* By the socket, when the ring is gone; unless that is another one by now: a thread has closed it
 * while this one waited. */
static bool goes_on(const struct handle *handle, int fd, ssize_t moved)
{
    return moved == -EREMOTE && handle_is_at(handle, fd);
}

/* ---- by the socket ---- */

/* Into all that is left of the pieces, unless the first of them is begun. */
static ssize_t socket_take(int fd, struct cursor *cursor, int flags)
{
    struct iovec piece = cursor_next(cursor);
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t got;

    if (!cursor->offset) {
        message.msg_iov = (struct iovec *)(uintptr_t)cursor->pieces;
        message.msg_iovlen = (size_t)cursor->count;
    }
    got = real()->recvmsg(fd, &message, flags);
    if (got > 0)
        cursor_skip(cursor, (size_t)got);
    return got < 0 ? -errno : got;
}

static ssize_t socket_receive(int fd, struct cursor *cursor, int flags)
{
    return conclude(cursor, socket_take(fd, cursor, flags));
}

/* What is left of the pieces, one after the other: as much as the kernel takes. */
static ssize_t socket_send(int fd, struct cursor *cursor, int flags)
{
    struct iovec piece;

    if (!cursor->moved) {
        struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)cursor->pieces,
                                 .msg_iovlen = (size_t)cursor->count};
        ssize_t put = real()->sendmsg(fd, &message, flags);

        return put < 0 ? -errno : put;
    }
    while ((piece = cursor_next(cursor)).iov_len) {
        ssize_t put = real()->send(fd, piece.iov_base, piece.iov_len, flags);

        if (put < 0)
            return conclude(cursor, -errno);
        cursor_advance(cursor, (size_t)put);
    }
    return (ssize_t)cursor->moved;
}

/* ---- receiving ---- */

static ssize_t take_some(struct held *held, struct cursor *cursor, int flags)
{
    struct iovec piece = cursor_next(cursor);
    ssize_t got;

    if (flags & MSG_PEEK)
        got = direct_peek(&held->ends, piece.iov_base, piece.iov_len);
    else
        got = direct_get(&held->ends, piece.iov_base, piece.iov_len, NULL);
    if (got > 0)
        cursor_advance(cursor, (size_t)got);
    held->moves += got > 0;
    return got;
}

static bool satisfied(const struct handle *handle, struct cursor *cursor, int flags)
{
    if (!cursor->moved)
        return false;
    if (flags & MSG_PEEK || !cursor_next(cursor).iov_len)
        return true;
    return !(flags & MSG_WAITALL) && cursor->moved >= (size_t)handle->low_water;
}

/* What the agent had put into the socket before it gave the ends away comes first. -EAGAIN: the
 * ring is next, for what is still wanted; else that is the result. */
static ssize_t drain_socket(const struct handle *handle, struct held *held, int fd,
                            struct cursor *cursor, int flags)
{
    while (!held->drained && !satisfied(handle, cursor, flags)) {
        ssize_t got = socket_take(fd, cursor, (flags | MSG_DONTWAIT) & ~MSG_WAITALL);

        held->drained = got == -EAGAIN;
        if (got <= 0 && got != -EAGAIN)
            return conclude(cursor, got);
    }
    return satisfied(handle, cursor, flags) ? (ssize_t)cursor->moved : -EAGAIN;
}

static ssize_t ring_receive(struct handle *handle, struct held *held, int fd, struct cursor *cursor,
                            int flags)
{
    uint64_t until_us = 0;

    for (;;) {
        ssize_t got = take_some(held, cursor, flags);
        int error = 0;

        if (got > 0 && !satisfied(handle, cursor, flags))
            continue;
        if (satisfied(handle, cursor, flags) && got != -EREMOTE && got != -EIO)
            return (ssize_t)cursor->moved;
        if (got != -EAGAIN) {
            held_give_back(handle, RECEIVING, held);
            return satisfied(handle, cursor, flags) ? (ssize_t)cursor->moved : -EREMOTE;
        }
        if (!may_wait(handle, fd, flags))
            return conclude(cursor, -EAGAIN);
        until_us = until_us ? until_us : deadline(handle->receive_timeout_us);
        error = wait_ring(held, fd, RECEIVING, until_us);
        if (error == -EREMOTE)
            held_give_back(handle, RECEIVING, held);
        if (error)
            return conclude_wait(cursor, error);
    }
}

bool transfer_is_empty(const struct iovec *pieces, int count)
{
    size_t length = 0;

    for (int i = 0; i < count; i++)
        length += pieces[i].iov_len;
    return !length;
}

static ssize_t receive_once(struct handle *handle, int fd, struct cursor *cursor, int flags)
{
    struct held *held = held_enter(handle, RECEIVING);
    ssize_t got;

    if (!held) {
        got = socket_receive(fd, cursor, flags);
        held_leave(handle, RECEIVING);
        return got;
    }
    got = drain_socket(handle, held, fd, cursor, flags);
    return got == -EAGAIN ? ring_receive(handle, held, fd, cursor, flags) : got;
}

ssize_t transfer_receive(struct handle *handle, int fd, const struct iovec *pieces, int count,
                         int flags)
{
    struct cursor cursor = cursor_at(pieces, count);
    ssize_t got;

    if (transfer_is_empty(pieces, count))
        return 0;
    if (flags & (MSG_ERRQUEUE | MSG_TRUNC))
        return socket_receive(fd, &cursor, flags);
    do
        got = receive_once(handle, fd, &cursor, flags);
    while (goes_on(handle, fd, got));
    return got == -EREMOTE ? conclude(&cursor, -EBADF) : got;
}

/* ---- sending ---- */

static ssize_t give_some(struct held *held, struct cursor *cursor)
{
    struct iovec piece = cursor_next(cursor);
    ssize_t put = direct_put(&held->ends, piece.iov_base, piece.iov_len, NULL);

    if (put > 0)
        cursor_advance(cursor, (size_t)put);
    held->moves += put > 0;
    return put;
}

/* Who watches the stream by edge is to be told when there is room again. */
static int no_room(struct handle *handle)
{
    atomic_fetch_add(&handle->sides[SENDING].starved, 1);
    epoll_set_stir(handle);
    return -EAGAIN;
}

static ssize_t ring_send(struct handle *handle, struct held *held, int fd, struct cursor *cursor,
                         int flags)
{
    uint64_t until_us = 0;

    while (cursor_next(cursor).iov_len) {
        ssize_t put = give_some(held, cursor);
        int error;

        if (put > 0)
            continue;
        if (put != -EAGAIN) {
            held_give_back(handle, SENDING, held);
            return -EREMOTE;
        }
        if (!may_wait(handle, fd, flags))
            return conclude(cursor, no_room(handle));
        until_us = until_us ? until_us : deadline(handle->send_timeout_us);
        error = wait_ring(held, fd, SENDING, until_us);
        if (error == -EREMOTE)
            held_give_back(handle, SENDING, held);
        if (error)
            return conclude_wait(cursor, error);
    }
    return (ssize_t)cursor->moved;
}

static ssize_t send_once(struct handle *handle, int fd, struct cursor *cursor, int flags)
{
    struct held *held = held_enter(handle, SENDING);
    ssize_t put;

    if (held)
        return ring_send(handle, held, fd, cursor, flags);
    put = socket_send(fd, cursor, flags);
    held_leave(handle, SENDING);
    return put;
}

ssize_t transfer_send(struct handle *handle, int fd, const struct iovec *pieces, int count,
                      int flags)
{
    struct cursor cursor = cursor_at(pieces, count);
    ssize_t put;

    if (transfer_is_empty(pieces, count))
        return socket_send(fd, &cursor, flags);
    do
        put = send_once(handle, fd, &cursor, flags);
    while (goes_on(handle, fd, put));
    return put == -EREMOTE ? conclude(&cursor, -EBADF) : put;
}
