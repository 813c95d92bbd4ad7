/* One epoll loop: file descriptors with a callback, and timers. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_FOREVER UINT64_MAX
#define LOOP_BATCH 64

struct loop_source {
    int fd;
    void (*ready)(struct loop_source *source, uint32_t events);
};

struct loop_timer {
    struct loop_timer *next;
    uint64_t due_us;
    bool armed;
    void (*expired)(struct loop_timer *timer);
};

struct loop {
    int epoll_fd;
    uint64_t (*clock)(void); /* tests bring their own */
    uint64_t now_us;         /* read once per turn */
    struct loop_timer *timers;
    struct epoll_event batch[LOOP_BATCH];
    int batch_count;
};

int loop_init(struct loop *loop);
void loop_deinit(struct loop *loop);

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);
int loop_change(struct loop *loop, struct loop_source *source, uint32_t events);
/* The source's callback is not called again, not even for an event already fetched. */
void loop_remove(struct loop *loop, struct loop_source *source);

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t delay_us);
void loop_disarm(struct loop *loop, struct loop_timer *timer);

/* Waits for events and timers, at most limit_us, and serves them. */
int loop_turn(struct loop *loop, uint64_t limit_us);

#define container_of(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
