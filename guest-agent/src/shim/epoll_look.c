#include "shim/epoll_look.h"

#include <errno.h>

#include "base/critical.h"
#include "shim/real.h"

/* ---- what the rings say ---- */

static void give_back(struct handle *handle, enum direction direction, struct held *held)
{
    if (held)
        held_give_back(handle, direction, held);
}

/* Returns false if the ends are not the program's any more. */
static bool ask_rings(struct watch *watch, struct held *const held[2])
{
    ssize_t readable = 0, writable = 0;

    watch->level = 0;
    if (held[RECEIVING])
        readable = direct_readable(&held[RECEIVING]->ends, &watch->index);
    if (held[SENDING] && watch->events & EPOLL_ONE_OUT)
        writable = direct_writable(&held[SENDING]->ends);
    if (readable < 0 || writable < 0)
        return false;
    if (readable)
        watch->level |= watch->events & EPOLL_ONE_IN;
    if (writable)
        watch->level |= watch->events & EPOLL_ONE_OUT;
    return true;
}

/* By edge: when more has been published, or there is room again after there was none. */
static bool has_edge(struct watch *watch, struct held *const held[2])
{
    bool published =
        held[RECEIVING] && watch->events & EPOLL_ONE_IN && watch->told_index != watch->index;
    bool room = watch->told_starved != watch->starved && watch->level & EPOLL_ONE_OUT;

    if (published && !watch->level)
        watch->told_index = watch->index; /* it has been read meanwhile */
    return (published || room) && watch->level;
}

static void look_at_rings(struct epoll_set *set, struct watch *watch, struct handle *handle, int fd)
{
    struct held *held[2];

    epoll_set_fit(set, watch, handle, fd, held);
    watch->starved = atomic_load(&handle->sides[SENDING].starved);
    if (!watch->armed)
        return;
    if (!ask_rings(watch, held)) {
        give_back(handle, SENDING, held[SENDING]);
        give_back(handle, RECEIVING, held[RECEIVING]);
        watch->level = 0;
        epoll_set_fit(set, watch, handle, fd, held);
        return;
    }
    watch->rings = (held[SENDING] != NULL) + (held[RECEIVING] != NULL);
    watch->due = watch->events & EPOLLET ? has_edge(watch, held) : watch->level != 0;
}

static bool has_rings(const struct watch *watch)
{
    return watch->attached[SENDING] || watch->attached[RECEIVING] ||
           atomic_load(&watch->handle->sides[SENDING].held) ||
           atomic_load(&watch->handle->sides[RECEIVING].held);
}

/* The handle behind a watch whose rings are worth a look, to be given back; else NULL. A handle's
 * memory stays, so the first look needs no care. */
static struct handle *handle_with_rings(const struct watch *watch, int fd)
{
    struct handle *handle = watch && has_rings(watch) ? handle_get(fd) : NULL;

    if (!handle || handle == watch->handle)
        return handle;
    handle_put(handle);
    return NULL;
}

/* Returns how many streams are to be told of. */
static int look_at_all(struct epoll_set *set)
{
    unsigned rings = 0;
    int due = 0;

    for (int fd = 0; fd < set->count; fd++) {
        struct watch *watch = set->watches[fd];
        struct handle *handle = handle_with_rings(watch, fd);

        if (watch) {
            watch->due = false;
            watch->level = 0;
            watch->rings = 0;
        }
        if (!handle)
            continue;
        look_at_rings(set, watch, handle, fd);
        handle_put(handle);
        due += watch->due;
        rings += watch->rings;
    }
    set->rings = rings;
    return due;
}

/* ---- telling ---- */

static void tell(struct watch *watch, uint32_t events, struct epoll_event *event)
{
    event->events = events;
    event->data = watch->data;
    watch->due = false;
    watch->armed = !(watch->events & EPOLLONESHOT);
    watch->told_index = watch->index;
    if (events & EPOLL_ONE_OUT)
        watch->told_starved = watch->starved;
}

static struct watch *behind(const struct epoll_set *set, uint64_t token)
{
    return token >> 16 == epoll_set_token(set, 0) >> 16
               ? epoll_set_find(set, (int)(token & UINT16_MAX))
               : NULL;
}

static bool is_ours(const struct epoll_set *set, uint64_t token)
{
    return token >> 16 == epoll_set_token(set, 0) >> 16 || token == epoll_set_wake_token(set);
}

/* Whether the kernel's event is one for the program. */
static bool translate(const struct epoll_set *set, struct epoll_event *event)
{
    uint64_t token = event->data.u64;
    struct watch *watch = behind(set, token);
    uint32_t events = event->events;

    if (!is_ours(set, token))
        return true;
    if (!watch || !watch->armed)
        return false;
    if (watch->attached[SENDING])
        events &= ~(uint32_t)EPOLL_ONE_OUT;
    events |= watch->level;
    if (events)
        tell(watch, events, event);
    return events != 0;
}

static int tell_kernels(const struct epoll_set *set, struct epoll_event *events, int count)
{
    int told = 0;

    for (int i = 0; i < count; i++)
        if (translate(set, &events[i]))
            events[told++] = events[i];
    return told;
}

int epoll_translate(struct epoll_set *set, struct epoll_event *events, int count)
{
    critical_lock(&set->lock);
    count = tell_kernels(set, events, count);
    critical_unlock(&set->lock);
    return count;
}

static int tell_rings(struct epoll_set *set, struct epoll_event *events, int max)
{
    int told = 0, at = set->first;

    for (int i = 0; i < set->count && told < max; i++, at++) {
        struct watch *watch = set->watches[at %= set->count];

        if (watch && watch->due)
            tell(watch, watch->level, &events[told++]);
    }
    set->first = at;
    return told;
}

static int tell_all(struct epoll_set *set, struct epoll_event *events, int count, int max)
{
    int told = tell_kernels(set, events, count);

    return told + tell_rings(set, events + told, max - told);
}

/* Neither source may starve the other. */
static int room_for_kernels(struct epoll_set *set, int max, int due)
{
    int half = (max + (int)(due ? set->turn++ & 1 : 0)) / 2;

    return max - due > half ? max - due : half;
}

/* An eventfd of ours may have taken the only place from an event that is for the program. */
static int look_behind_our_own(struct epoll_set *set, struct epoll_event *events, int max, int room)
{
    int count, told, ours = set->count;

    do {
        count = real()->epoll_wait(set->epoll, events, room, 0);
        told = count < 0 ? count : tell_all(set, events, count, max);
    } while (count > 0 && !told && ours--);
    return told;
}

int epoll_look(struct epoll_set *set, struct epoll_event *events, int max)
{
    int due, room, told;

    critical_lock(&set->lock);
    due = look_at_all(set);
    room = room_for_kernels(set, max, due);
    told = room ? look_behind_our_own(set, events, max, room) : tell_all(set, events, 0, max);
    critical_unlock(&set->lock);
    return told;
}

/* ---- sleeping ---- */

/* False: look again, there is something. */
static bool may_sleep_on(const struct watch *watch, const struct handle *handle)
{
    struct held *in = atomic_load(&handle->sides[RECEIVING].held);
    struct held *out = atomic_load(&handle->sides[SENDING].held);
    bool edge = watch->events & EPOLLET, starved = watch->told_starved != watch->starved;

    if (in && watch->events & EPOLL_ONE_IN &&
        direct_watch_rx(&in->ends, edge ? &watch->told_index : NULL) < 0)
        return false;
    return !out || !(watch->events & EPOLL_ONE_OUT) || (edge && !starved) ||
           direct_watch_tx(&out->ends) == 0;
}

static bool may_sleep(const struct epoll_set *set)
{
    bool may = true;

    for (int fd = 0; fd < set->count && may; fd++) {
        const struct watch *watch = set->watches[fd];
        struct handle *handle = handle_with_rings(watch, fd);

        if (!handle)
            continue;
        may = !watch->armed || may_sleep_on(watch, handle);
        handle_put(handle);
    }
    return may;
}

int epoll_sleep(struct epoll_set *set, struct epoll_event *events, int max, int timeout_ms,
                const sigset_t *mask)
{
    bool may;
    int count;

    critical_lock(&set->lock);
    look_at_all(set);
    may = may_sleep(set);
    set->sleepers += may;
    critical_unlock(&set->lock);
    if (!may)
        return 0;
    count = real()->epoll_pwait(set->epoll, events, max, timeout_ms, mask);
    critical_lock(&set->lock);
    set->sleepers--;
    if (count > 0) {
        int error = errno;

        look_at_all(set);
        count = tell_all(set, events, count, max);
        errno = error;
    }
    critical_unlock(&set->lock);
    return count;
}
