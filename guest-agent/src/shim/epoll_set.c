#include "shim/epoll_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/critical.h"
#include "shim/real.h"

#define NEVER_TOLD UINT64_MAX
#define PLACES_MIN 64
#define PATIENCE_AT_FIRST_US 50u

static struct epoll_set *sets;
static pthread_mutex_t sets_lock = PTHREAD_MUTEX_INITIALIZER; /* taken before a set's own */

/* A child has copies, of things that belong to its parent; it frees them with its descriptors. */
static void forked(void)
{
    for (struct epoll_set *set = sets; set; set = set->next)
        pthread_mutex_init(&set->lock, NULL);
    sets = NULL;
    pthread_mutex_init(&sets_lock, NULL);
}

static __attribute__((constructor)) void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

static int control(const struct epoll_set *set, int operation, int fd, uint32_t events,
                   uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};

    return real()->epoll_ctl(set->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

/* ---- making and ending ---- */

struct epoll_set *epoll_set_new(int epoll)
{
    struct epoll_set *set = calloc(1, sizeof(*set));

    if (!set)
        return NULL;
    set->epoll = epoll;
    set->process = handles_process();
    set->patience_us = PATIENCE_AT_FIRST_US;
    pthread_mutex_init(&set->lock, NULL);
    critical_lock(&sets_lock);
    set->next = sets;
    sets = set;
    critical_unlock(&sets_lock);
    return set;
}

static void drop(struct epoll_set *set, int fd)
{
    struct watch *watch = epoll_set_find(set, fd);
    struct handle *handle = watch ? handle_get(fd) : NULL;

    if (handle && handle == watch->handle)
        atomic_fetch_sub(&handle->watches, 1);
    if (handle)
        handle_put(handle);
    if (!watch)
        return;
    set->watches[fd] = NULL;
    free(watch);
}

static void unlist(const struct epoll_set *set)
{
    struct epoll_set **at = &sets;

    critical_lock(&sets_lock);
    while (*at && *at != set)
        at = &(*at)->next;
    if (*at)
        *at = set->next;
    critical_unlock(&sets_lock);
}

struct epoll_set *epoll_set_free(struct epoll_set *set)
{
    if (!set)
        return NULL;
    unlist(set);
    for (int fd = 0; fd < set->count; fd++)
        drop(set, fd);
    free(set->watches);
    free(set);
    return NULL;
}

static bool make_place(struct epoll_set *set, int fd)
{
    int count = set->count ? set->count : PLACES_MIN;
    struct watch **places;

    while (count <= fd)
        count *= 2;
    if (count == set->count)
        return true;
    places = realloc(set->watches, (size_t)count * sizeof(struct watch *));
    if (!places)
        return false;
    memset(places + set->count, 0, (size_t)(count - set->count) * sizeof(struct watch *));
    set->watches = places;
    set->count = count;
    return true;
}

/* ---- what the kernel watches ---- */

static void detach(struct epoll_set *set, struct watch *watch, const struct handle *handle)
{
    for (enum direction direction = SENDING; direction <= RECEIVING; direction++) {
        const struct held *held = atomic_load(&handle->sides[direction].held);

        if (held && held->serial == watch->attached[direction])
            control(set, EPOLL_CTL_DEL, held->wake, 0, 0);
        watch->attached[direction] = 0;
    }
}

static void must_be_told_again(struct watch *watch, const struct handle *handle)
{
    watch->told_index = NEVER_TOLD;
    watch->told_starved = atomic_load(&handle->sides[SENDING].starved) - 1;
}

/* An end that the program had before it was watched has no eventfd: it goes back, to be had anew.
 */
static struct held *held_to_watch(struct handle *handle, enum direction direction)
{
    struct held *held = atomic_load(&handle->sides[direction].held);

    if (!held || held->wake >= 0)
        return held;
    held_give_back(handle, direction, held);
    return NULL;
}

void epoll_set_fit(struct epoll_set *set, struct watch *watch, struct handle *handle, int fd,
                   struct held *held[2])
{
    uint32_t wanted = watch->events;

    for (enum direction direction = SENDING; direction <= RECEIVING; direction++) {
        uint64_t serial;

        held[direction] = held_to_watch(handle, direction);
        serial = held[direction] ? held[direction]->serial : 0;
        if (serial == watch->attached[direction])
            continue;
        watch->attached[direction] = serial;
        must_be_told_again(watch, handle);
        if (serial)
            control(set, EPOLL_CTL_ADD, held[direction]->wake, EPOLLIN | EPOLLET,
                    epoll_set_wake_token(set));
    }
    if (held[SENDING])
        wanted &= ~(uint32_t)EPOLL_ONE_OUT;
    if (wanted == watch->asked || !watch->armed)
        return;
    if (control(set, EPOLL_CTL_MOD, fd, wanted, epoll_set_token(set, fd)) == 0)
        watch->asked = wanted;
}

static void wake_by(const struct held *held)
{
    uint64_t one = 1;

    if (held && real()->write(held->wake, &one, sizeof(one)) < 0)
        return; /* the count is full: there is reason enough to look */
}

/* Who sleeps shall look at the stream. */
static void stir(struct epoll_set *set, struct watch *watch, struct handle *handle, int fd)
{
    struct held *held[2];

    if (!set->sleepers)
        return;
    epoll_set_fit(set, watch, handle, fd, held);
    wake_by(held[SENDING]);
    wake_by(held[RECEIVING]);
}

/* ---- epoll_ctl() ---- */

static bool is_watched_otherwise(const struct epoll_set *set, const struct handle *handle, int fd)
{
    for (int other = 0; other < set->count && atomic_load(&handle->watches); other++)
        if (other != fd && set->watches[other] && set->watches[other]->handle == handle)
            return true;
    return false;
}

/* Only these may ever have rings. */
static bool may_be_direct(const struct handle *handle)
{
    return !handle->packets && (handle->stream || handle->state < HANDLE_LISTENING ||
                                handle->state == HANDLE_CONNECTING);
}

static int add_plain(struct epoll_set *set, struct handle *handle, int fd,
                     struct epoll_event *event)
{
    if (real()->epoll_ctl(set->epoll, EPOLL_CTL_ADD, fd, event) < 0)
        return -errno;
    if (handle)
        held_renounce(handle);
    drop(set, fd); /* of a descriptor that was closed unseen */
    return 0;
}

static int add(struct epoll_set *set, struct handle *handle, int fd, struct epoll_event *event)
{
    struct watch *watch;
    int error;

    if (!handle || !event || !may_be_direct(handle) || event->events & EPOLLEXCLUSIVE ||
        is_watched_otherwise(set, handle, fd))
        return add_plain(set, handle, fd, event);
    watch = make_place(set, fd) ? calloc(1, sizeof(*watch)) : NULL;
    if (!watch)
        return -ENOMEM;
    error = control(set, EPOLL_CTL_ADD, fd, event->events, epoll_set_token(set, fd));
    if (error) {
        free(watch);
        return error;
    }
    *watch = (struct watch){.handle = handle,
                            .events = event->events,
                            .asked = event->events,
                            .data = event->data,
                            .armed = true};
    must_be_told_again(watch, handle);
    drop(set, fd);
    set->watches[fd] = watch;
    atomic_fetch_add(&handle->watches, 1);
    atomic_store(&handle->watched, true);
    stir(set, watch, handle, fd);
    return 0;
}

static int modify(struct epoll_set *set, struct watch *watch, struct handle *handle, int fd,
                  const struct epoll_event *event)
{
    uint32_t asked = event->events;
    int error;

    if (watch->attached[SENDING])
        asked &= ~(uint32_t)EPOLL_ONE_OUT;
    error = control(set, EPOLL_CTL_MOD, fd, asked, epoll_set_token(set, fd));
    if (error)
        return error;
    watch->events = event->events;
    watch->asked = asked;
    watch->data = event->data;
    watch->armed = true;
    must_be_told_again(watch, handle);
    stir(set, watch, handle, fd);
    return 0;
}

static int control_locked(struct epoll_set *set, struct handle *handle, int operation, int fd,
                          struct epoll_event *event)
{
    struct watch *watch = epoll_set_find(set, fd);

    if (operation == EPOLL_CTL_ADD)
        return add(set, handle, fd, event);
    if (!watch || watch->handle != handle || (operation == EPOLL_CTL_MOD && !event))
        return real()->epoll_ctl(set->epoll, operation, fd, event) < 0 ? -errno : 0;
    if (operation == EPOLL_CTL_MOD)
        return modify(set, watch, handle, fd, event);
    if (real()->epoll_ctl(set->epoll, operation, fd, event) < 0)
        return -errno;
    detach(set, watch, handle);
    drop(set, fd);
    return 0;
}

int epoll_set_control(struct epoll_set *set, struct handle *handle, int operation, int fd,
                      struct epoll_event *event)
{
    int error;

    critical_lock(&set->lock);
    error = control_locked(set, handle, operation, fd, event);
    critical_unlock(&set->lock);
    return error;
}

/* ---- other threads ---- */

static void each_watch_of(struct handle *handle,
                          void (*visit)(struct epoll_set *, struct watch *, struct handle *, int))
{
    if (!atomic_load(&handle->watches))
        return;
    critical_lock(&sets_lock);
    for (struct epoll_set *set = sets; set; set = set->next) {
        critical_lock(&set->lock);
        for (int fd = 0; fd < set->count; fd++)
            if (set->watches[fd] && set->watches[fd]->handle == handle)
                visit(set, set->watches[fd], handle, fd);
        critical_unlock(&set->lock);
    }
    critical_unlock(&sets_lock);
}

void epoll_set_stir(struct handle *handle)
{
    each_watch_of(handle, stir);
}

/* From now on the kernel tells the program itself. One that was told once stays silent. */
static void restore(struct epoll_set *set, struct watch *watch, struct handle *handle, int fd)
{
    detach(set, watch, handle);
    if (watch->armed)
        control(set, EPOLL_CTL_MOD, fd, watch->events, watch->data.u64);
}

/* The kernel goes on watching a description that another descriptor or process still has. */
void epoll_set_closing(struct handle *handle, int fd)
{
    if (!atomic_load(&handle->watches))
        return;
    critical_lock(&sets_lock);
    for (struct epoll_set *set = sets; set; set = set->next) {
        struct watch *watch;

        critical_lock(&set->lock);
        watch = epoll_set_find(set, fd);
        if (watch && watch->handle == handle) {
            restore(set, watch, handle, fd);
            drop(set, fd);
        }
        critical_unlock(&set->lock);
    }
    critical_unlock(&sets_lock);
}

void epoll_set_forsake(struct epoll_set *set)
{
    critical_lock(&set->lock);
    for (int fd = 0; fd < set->count && !set->forsaken; fd++) {
        struct watch *watch = set->watches[fd];
        struct handle *handle = watch ? handle_get(fd) : NULL;

        if (handle && handle == watch->handle) {
            restore(set, watch, handle, fd);
            held_renounce(handle);
        }
        if (handle)
            handle_put(handle);
    }
    set->forsaken = true;
    critical_unlock(&set->lock);
}

void epoll_forsake(int fd)
{
    struct handle *handle = handle_get_epoll(fd);

    if (!handle)
        return;
    epoll_set_forsake(handle->epoll);
    handle_put(handle);
}
