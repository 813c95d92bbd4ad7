/* poll, select, epoll. A ring is no descriptor: where a program waits for one direct stream alone
 * the wait is ours; where it waits for several things at once the streams among them go back to
 * their sockets, for good. */
#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "shim/handles.h"
#include "shim/real.h"
#include "shim/wait.h"

static void renounce(int fd)
{
    struct handle *handle = handle_get(fd);

    if (!handle)
        return;
    held_renounce(handle);
    handle_put(handle);
}

/* What the rings say to these events, where the program holds their ends; *by_socket gets what is
 * to be asked of the kernel. -EREMOTE and -EIO as direct_readable(). */
static int ring_events(struct held *const held[2], short events, short *by_socket)
{
    ssize_t readable = held[RECEIVING] ? direct_readable(&held[RECEIVING]->ends) : 0;
    ssize_t writable = held[SENDING] ? direct_writable(&held[SENDING]->ends) : 0;
    int found = 0;

    if (readable < 0 || writable < 0)
        return readable < 0 ? (int)readable : (int)writable;
    *by_socket = events;
    if (held[SENDING])
        *by_socket &= (short)~(POLLOUT | POLLWRNORM);
    if (readable > 0)
        found |= events & (POLLIN | POLLRDNORM);
    if (writable > 0)
        found |= events & (POLLOUT | POLLWRNORM);
    return found;
}

static int poll_once(struct held *const held[2], struct pollfd *fd)
{
    struct pollfd asked = {.fd = fd->fd};
    int by_ring = ring_events(held, fd->events, &asked.events);

    if (by_ring < 0)
        return -EREMOTE;
    if (real()->poll(&asked, 1, 0) < 0)
        asked.revents = 0;
    fd->revents = (short)(by_ring | asked.revents);
    return fd->revents ? 1 : 0;
}

/* A wait for one ring. What else could come meanwhile (an end, an error) the agent tells by taking
 * the ring back. -EREMOTE: it has, or the wait is for more than that. */
static int poll_one(struct held *const held[2], struct pollfd *fd, uint64_t until_us)
{
    bool in = fd->events & (POLLIN | POLLRDNORM), out = fd->events & (POLLOUT | POLLWRNORM);
    enum direction direction = in ? RECEIVING : SENDING;

    for (;;) {
        int ready = poll_once(held, fd);

        if (ready || clock_now_us() >= until_us)
            return ready;
        if (in == out || !held[direction])
            return -EREMOTE;
        ready = wait_ring(held[direction], fd->fd, direction, until_us);
        if (ready == -EINTR || ready == -EREMOTE)
            return ready;
    }
}

static void give_back_both(struct handle *handle, struct held *const held[2])
{
    for (enum direction direction = SENDING; direction <= RECEIVING; direction++)
        if (held[direction])
            held_give_back(handle, direction, held[direction]);
}

/* Whether the wait is for one stream alone that the program holds an end of; then it is done. */
static bool poll_alone(struct pollfd *fds, nfds_t count, uint64_t until_us, int *ready)
{
    struct handle *handle = count == 1 ? handle_get(fds[0].fd) : NULL;
    struct held *held[2];

    if (!handle)
        return false;
    held[SENDING] = atomic_load(&handle->sides[SENDING].held);
    held[RECEIVING] = atomic_load(&handle->sides[RECEIVING].held);
    *ready = -EREMOTE;
    if (held[SENDING] || held[RECEIVING])
        *ready = poll_one(held, fds, until_us);
    if (*ready == -EREMOTE)
        give_back_both(handle, held);
    handle_put(handle);
    return *ready != -EREMOTE;
}

static void renounce_several(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count && count > 1; i++)
        renounce(fds[i].fd);
}

static int told(int ready)
{
    if (ready >= 0)
        return ready;
    errno = -ready;
    return -1;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    uint64_t until_us = timeout_ms < 0 ? UINT64_MAX : clock_now_us() + (uint64_t)timeout_ms * 1000u;
    int ready;

    renounce_several(fds, count);
    if (!poll_alone(fds, count, until_us, &ready))
        return real()->poll(fds, count, timeout_ms);
    return told(ready);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t until_us = UINT64_MAX;
    int ready;

    if (timeout)
        until_us = clock_now_us() + (uint64_t)timeout->tv_sec * 1000000u +
                   (uint64_t)timeout->tv_nsec / 1000u;
    renounce_several(fds, count);
    if (mask) /* to be changed and waited under at once: the kernel's business */
        for (nfds_t i = 0; i < count; i++)
            renounce(fds[i].fd);
    if (mask || !poll_alone(fds, count, until_us, &ready))
        return real()->ppoll(fds, count, timeout, mask);
    return told(ready);
}

static void renounce_set(int count, const fd_set *set)
{
    for (int fd = 0; set && fd < count && fd < FD_SETSIZE; fd++)
        if (FD_ISSET(fd, set))
            renounce(fd);
}

int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    renounce_set(count, in);
    renounce_set(count, out);
    return real()->select(count, in, out, except, timeout);
}

int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
            const sigset_t *mask)
{
    renounce_set(count, in);
    renounce_set(count, out);
    return real()->pselect(count, in, out, except, timeout, mask);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    renounce(fd);
    return real()->epoll_ctl(epoll, operation, fd, event);
}
