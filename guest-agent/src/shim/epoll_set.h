/* What one epoll watches of ours, beside the kernel's own list.
 *
 * The kernel's epoll stays what it is, and is what a program sleeps in. Of each stream that may
 * have rings it watches the socket, as the program asked: but for EPOLLOUT while the program holds
 * the sending end, because the socket, which nobody uses then, could always be written to. It
 * watches the stream's eventfd, too, which tells of the rings. What the rings say is added here to
 * what the kernel says.
 *
 * An event of the kernel's carries a token in place of the program's data, which leads to the watch
 * here: so both sources become one event, and EPOLLONESHOT is one event, whoever had it first.
 *
 * What cannot be followed becomes the kernel's alone ("forsaken"): its streams leave their rings
 * for good, and tokens become the program's data again. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "shim/handles.h"

#define EPOLL_ONE_IN (EPOLLIN | EPOLLRDNORM)
#define EPOLL_ONE_OUT (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)

struct watch {
    struct handle *handle; /* known by its descriptor, not held */
    uint32_t events;       /* as the program asked */
    epoll_data_t data;
    uint32_t asked;        /* of the kernel, for the socket */
    bool armed;            /* EPOLLONESHOT: not told yet */
    uint64_t attached[2];  /* the serial number of the end whose eventfd is watched; 0: none */
    uint64_t told_index;   /* by edge: what had been published, how often there was no room, */
    unsigned told_starved; /* when it was last told */
    /* what the last look found */
    uint32_t level; /* ready by ring */
    bool due;       /* and to be told */
    unsigned rings; /* ends that are held */
    uint64_t index;
    unsigned starved;
};

struct epoll_set {
    struct epoll_set *next;
    pthread_mutex_t lock;
    pid_t process; /* which has made it; another one has but a copy of all this */
    int epoll;     /* one of its descriptors */
    atomic_bool forsaken;
    atomic_uint rings;       /* ends that were held at the last look */
    unsigned sleepers;       /* threads */
    atomic_uint patience_us; /* how long it pays to look before sleeping */
    atomic_uint vain;        /* how often it did not */
    unsigned turn;           /* where there is room for one event only */
    int first;               /* of the watches, at the next look */
    int count;               /* places for watches, by descriptor */
    struct watch **watches;
};

struct epoll_set *epoll_set_new(int epoll);
struct epoll_set *epoll_set_free(struct epoll_set *set);
/* epoll_ctl(); returns 0 or a negative errno. `handle` is the descriptor's, or NULL. */
int epoll_set_control(struct epoll_set *set, struct handle *handle, int operation, int fd,
                      struct epoll_event *event);
void epoll_set_forsake(struct epoll_set *set);
/* The one behind this descriptor, if it is one. */
void epoll_forsake(int fd);

/* ---- another thread may sleep in an epoll that watches this stream ---- */

/* The program has got an end of a ring, or has found no room in one. */
void epoll_set_stir(struct handle *handle);
/* The descriptor is about to be closed. */
void epoll_set_closing(struct handle *handle, int fd);

/* ---- inside ---- */

static inline uint64_t epoll_set_token(const struct epoll_set *set, int fd)
{
    return (uint64_t)(uintptr_t)set << 16 | (unsigned)fd; /* nobody's pointer, nor a small number */
}

static inline uint64_t epoll_set_wake_token(const struct epoll_set *set)
{
    return ((uint64_t)(uintptr_t)set + 1) << 16;
}

static inline struct watch *epoll_set_find(const struct epoll_set *set, int fd)
{
    return fd >= 0 && fd < set->count ? set->watches[fd] : NULL;
}

/* Makes what the kernel watches fit to who holds the ends now; held gets them. Under the lock. */
void epoll_set_fit(struct epoll_set *set, struct watch *watch, struct handle *handle, int fd,
                   struct held *held[2]);
