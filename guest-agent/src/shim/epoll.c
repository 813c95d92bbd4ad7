/* epoll by descriptors and rings: what the program calls. How it works is said in epoll_set.h. */
#include <errno.h>
#include <limits.h>

#include "base/clock.h"
#include "shim/epoll_look.h"
#include "shim/real.h"

#define PATIENCE_MIN_US 20u
#define PATIENCE_MAX_US 200u
#define VAIN_BEFORE_PATIENCE 16u

static int told(int result)
{
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

static int fresh(int epoll)
{
    if (epoll >= 0 && !handles_are_borrowed())
        handle_forget(epoll); /* what had the number before was closed unseen */
    return epoll;
}

int epoll_create(int size)
{
    return fresh(real()->epoll_create(size));
}

int epoll_create1(int flags)
{
    return fresh(real()->epoll_create1(flags));
}

/* ---- epoll_ctl() ---- */

/* A child with its parent's epoll, or one that nobody but the kernel follows any more. */
static bool is_followed(struct epoll_set *set)
{
    if (set->process != handles_process() && !set->forsaken)
        epoll_set_forsake(set);
    return !set->forsaken;
}

/* An epoll is followed from the first stream on that it watches. */
static struct handle *follow(int epoll, int operation, const struct handle *stream)
{
    struct handle *handle = handle_get_epoll(epoll);
    struct epoll_set *set;

    if (handle || !stream || operation != EPOLL_CTL_ADD || handles_are_borrowed())
        return handle;
    set = epoll_set_new(epoll);
    if (set && handle_new_epoll(epoll, set))
        return handle_get_epoll(epoll);
    epoll_set_free(set);
    return NULL;
}

static void renounce(struct handle *stream)
{
    if (stream)
        held_renounce(stream);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    struct handle *stream = handle_get(fd);
    struct handle *handle = follow(epoll, operation, stream);
    int result;

    epoll_forsake(fd); /* one within another */
    if (handle && is_followed(handle->epoll)) {
        result = told(epoll_set_control(handle->epoll, stream, operation, fd, event));
    } else {
        renounce(stream);
        result = real()->epoll_ctl(epoll, operation, fd, event);
    }
    if (handle)
        handle_put(handle);
    if (stream)
        handle_put(stream);
    return result;
}

/* ---- waiting ---- */

struct wait {
    struct epoll_event *events;
    int max;
    uint64_t until_us;
    const sigset_t *mask;
};

/* Looks for longer the next time where it paid, for less where it did not. Now and then it takes
 * its time: else peers that were slow once would be missed for ever. */
static void learn(struct epoll_set *set, bool paid)
{
    unsigned patience_us = paid ? 2 * set->patience_us : set->patience_us / 2;

    if (patience_us > PATIENCE_MAX_US || (!paid && ++set->vain % VAIN_BEFORE_PATIENCE == 0))
        patience_us = PATIENCE_MAX_US;
    set->patience_us = patience_us > PATIENCE_MIN_US ? patience_us : PATIENCE_MIN_US;
}

/* As long as the peers are likely to be at work. With a mask only the kernel may wait. */
static int look_for_a_while(struct epoll_set *set, const struct wait *wait)
{
    uint64_t begun_us, now_us;
    int found = epoll_look(set, wait->events, wait->max);

    if (found || !set->rings || wait->mask || !wait->until_us)
        return found;
    begun_us = now_us = clock_now_us();
    while (!found && now_us < wait->until_us && now_us - begun_us < set->patience_us) {
        found = epoll_look(set, wait->events, wait->max);
        now_us = clock_now_us();
    }
    if (found || now_us < wait->until_us)
        learn(set, found > 0);
    return found;
}

static int left_ms(uint64_t until_us)
{
    uint64_t now_us = clock_now_us();
    uint64_t left = until_us > now_us ? (until_us - now_us + 999u) / 1000u : 0;

    if (until_us == UINT64_MAX)
        return -1;
    return left < INT_MAX ? (int)left : INT_MAX;
}

static int wait_followed(struct epoll_set *set, const struct wait *wait)
{
    for (;;) {
        int found = look_for_a_while(set, wait);
        int timeout_ms = left_ms(wait->until_us);

        if (found || !timeout_ms)
            return found;
        found = epoll_sleep(set, wait->events, wait->max, timeout_ms, wait->mask);
        if (found)
            return found;
    }
}

/* What comes from the kernel still leads to watches of ours, where an event was not restored. */
static int wait_forsaken(struct epoll_set *set, int epoll, const struct wait *wait)
{
    for (;;) {
        int found = real()->epoll_pwait(epoll, wait->events, wait->max, left_ms(wait->until_us),
                                        wait->mask);
        int told = found > 0 ? epoll_translate(set, wait->events, found) : found;

        if (told || !found)
            return told;
    }
}

int epoll_pwait(int epoll, struct epoll_event *events, int max, int timeout_ms,
                const sigset_t *mask)
{
    struct handle *handle = events && max > 0 ? handle_get_epoll(epoll) : NULL;
    struct wait wait = {.events = events, .max = max, .until_us = UINT64_MAX, .mask = mask};
    int found;

    if (!handle)
        return real()->epoll_pwait(epoll, events, max, timeout_ms, mask);
    if (timeout_ms >= 0)
        wait.until_us = timeout_ms ? clock_now_us() + (uint64_t)timeout_ms * 1000u : 0;
    found = is_followed(handle->epoll) ? wait_followed(handle->epoll, &wait)
                                       : wait_forsaken(handle->epoll, epoll, &wait);
    handle_put(handle);
    return found;
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
    return epoll_pwait(epoll, events, max, timeout_ms, NULL);
}

int epoll_pwait2(int epoll, struct epoll_event *events, int max, const struct timespec *timeout,
                 const sigset_t *mask)
{
    epoll_forsake(epoll);
    return real()->epoll_pwait2(epoll, events, max, timeout, mask);
}
