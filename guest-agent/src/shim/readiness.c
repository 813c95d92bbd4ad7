/* poll and select. A ring is no descriptor: where a program waits for one direct stream alone the
 * wait is ours. Where it waits for several things at once the rings are looked at first; if it has
 * to sleep, they go back for as long, and the kernel wakes it. */
#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "shim/epoll_set.h"
#include "shim/handles.h"
#include "shim/real.h"
#include "shim/wait.h"

#define WATCHED_MAX 64 /* more are not looked at one by one */
#define LOOK_US 200u

/* What the rings say to these events, where the program holds their ends; *by_socket gets what is
 * to be asked of the kernel. -EREMOTE and -EIO as direct_readable(). */
static int ring_events(struct held *const held[2], short events, short *by_socket)
{
    ssize_t readable = held[RECEIVING] ? direct_readable(&held[RECEIVING]->ends, NULL) : 0;
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

/* ---- several at once ---- */

static void held_by(struct handle *handle, struct held *held[2])
{
    held[SENDING] = handle ? atomic_load(&handle->sides[SENDING].held) : NULL;
    held[RECEIVING] = handle ? atomic_load(&handle->sides[RECEIVING].held) : NULL;
}

/* What is ready now. -EAGAIN: nothing; 0: no ring is among them, or one is being taken back. */
static int look_at_several(struct pollfd *fds, nfds_t count)
{
    struct pollfd asked[WATCHED_MAX];
    int by_ring[WATCHED_MAX], ready = 0;
    bool any = false;

    if (count > WATCHED_MAX)
        return 0;
    for (nfds_t i = 0; i < count; i++) {
        struct handle *handle = handle_get(fds[i].fd);
        struct held *held[2];

        held_by(handle, held);
        asked[i] = fds[i];
        by_ring[i] = ring_events(held, fds[i].events, &asked[i].events);
        any |= held[SENDING] || held[RECEIVING];
        if (handle)
            handle_put(handle);
        if (by_ring[i] < 0)
            return 0;
    }
    if (!any || real()->poll(asked, count, 0) < 0)
        return 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = (short)(by_ring[i] | asked[i].revents);
        ready += fds[i].revents != 0;
    }
    return ready ? ready : -EAGAIN;
}

/* The same, for as long as the peer is likely to be at work; 0: sleep. */
static int poll_several(struct pollfd *fds, nfds_t count, uint64_t until_us)
{
    uint64_t patience_us = clock_now_us() + LOOK_US;
    int ready;

    do
        ready = look_at_several(fds, count);
    while (ready == -EAGAIN && clock_now_us() < patience_us && clock_now_us() < until_us);
    return ready > 0 ? ready : 0;
}

static void give_back(int fd)
{
    struct handle *handle = handle_get(fd);
    struct held *held[2];

    epoll_forsake(fd); /* the kernel looks into it, who knows nothing of rings */
    if (!handle)
        return;
    held_by(handle, held);
    give_back_both(handle, held);
    handle_put(handle);
}

/* The program is going to sleep in the kernel, which knows sockets only. */
static void give_back_several(const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++)
        give_back(fds[i].fd);
}

static int told(int ready)
{
    if (ready >= 0)
        return ready;
    errno = -ready;
    return -1;
}

static uint64_t until(const struct timespec *timeout)
{
    if (!timeout)
        return UINT64_MAX;
    return clock_now_us() + (uint64_t)timeout->tv_sec * 1000000u +
           (uint64_t)timeout->tv_nsec / 1000u;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    uint64_t until_us = timeout_ms < 0 ? UINT64_MAX : clock_now_us() + (uint64_t)timeout_ms * 1000u;
    int ready;

    if (poll_alone(fds, count, until_us, &ready))
        return told(ready);
    ready = count > 1 ? poll_several(fds, count, until_us) : 0;
    if (ready)
        return ready;
    give_back_several(fds, count);
    return real()->poll(fds, count, timeout_ms);
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t until_us = until(timeout);
    int ready;

    if (!mask && poll_alone(fds, count, until_us, &ready))
        return told(ready);
    ready = !mask && count > 1 ? poll_several(fds, count, until_us) : 0; /* else the kernel's */
    if (ready)
        return ready;
    give_back_several(fds, count);
    return real()->ppoll(fds, count, timeout, mask);
}

/* ---- select ---- */

struct sets {
    fd_set *in, *out, *except;
};

static bool is_in(int fd, const fd_set *set)
{
    return set && FD_ISSET(fd, set);
}

/* The sets as pollfds, if that is all they ask and they are not too many; else 0. */
static nfds_t as_pollfds(int count, const struct sets *sets, struct pollfd fds[WATCHED_MAX])
{
    nfds_t used = 0;

    for (int fd = 0; fd < count && fd < FD_SETSIZE; fd++) {
        short events = (short)((is_in(fd, sets->in) ? POLLIN | POLLRDHUP : 0) |
                               (is_in(fd, sets->out) ? POLLOUT : 0));

        if (is_in(fd, sets->except) || (events && used == WATCHED_MAX))
            return 0;
        if (events)
            fds[used++] = (struct pollfd){.fd = fd, .events = events};
    }
    return used;
}

static int tell_set(fd_set *set, const struct pollfd *fds, nfds_t count, short events)
{
    int ready = 0;

    for (nfds_t i = 0; set && i < count; i++) {
        if (!FD_ISSET(fds[i].fd, set))
            continue;
        if (fds[i].revents & (events | POLLERR | POLLHUP | POLLNVAL))
            ready++;
        else
            FD_CLR(fds[i].fd, set);
    }
    return ready;
}

/* As poll_several(); and gives the rings back where it says 0. */
static int select_now(int count, const struct sets *sets, uint64_t until_us)
{
    struct pollfd fds[WATCHED_MAX];
    nfds_t used = as_pollfds(count, sets, fds);

    if (used && poll_several(fds, used, until_us))
        return tell_set(sets->in, fds, used, POLLIN | POLLRDHUP) +
               tell_set(sets->out, fds, used, POLLOUT);
    for (int fd = 0; fd < count && fd < FD_SETSIZE; fd++)
        if (is_in(fd, sets->in) || is_in(fd, sets->out) || is_in(fd, sets->except))
            give_back(fd);
    return 0;
}

int select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
    uint64_t until_us = UINT64_MAX;
    int ready;

    if (timeout)
        until_us =
            clock_now_us() + (uint64_t)timeout->tv_sec * 1000000u + (uint64_t)timeout->tv_usec;
    ready = select_now(count, &(struct sets){in, out, except}, until_us);
    return ready ? ready : real()->select(count, in, out, except, timeout);
}

int pselect(int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
            const sigset_t *mask)
{
    /* With a mask it is the kernel's business. */
    int ready = select_now(count, &(struct sets){in, out, except}, mask ? 0 : until(timeout));

    return ready ? ready : real()->pselect(count, in, out, except, timeout, mask);
}
