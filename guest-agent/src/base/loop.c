#include "base/loop.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"

int loop_init(struct loop *loop)
{
    *loop = (struct loop){
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC), .clock = clock_now_us, .now_us = clock_now_us()};
    return loop->epoll_fd < 0 ? -errno : 0;
}

void loop_deinit(struct loop *loop)
{
    close(loop->epoll_fd);
    loop->epoll_fd = -1;
}

static int control(struct loop *loop, int operation, struct loop_source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = source};

    return epoll_ctl(loop->epoll_fd, operation, source->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
    return control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_change(struct loop *loop, struct loop_source *source, uint32_t events)
{
    return control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    control(loop, EPOLL_CTL_DEL, source, 0);
    for (int i = 0; i < loop->batch_count; i++)
        if (loop->batch[i].data.ptr == source)
            loop->batch[i].data.ptr = NULL;
}

void loop_arm(struct loop *loop, struct loop_timer *timer, uint64_t delay_us)
{
    struct loop_timer **at = &loop->timers;

    loop_disarm(loop, timer);
    timer->due_us = loop->clock() + delay_us;
    timer->armed = true;
    while (*at && (*at)->due_us <= timer->due_us)
        at = &(*at)->next;
    timer->next = *at;
    *at = timer;
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
    if (!timer->armed)
        return;
    for (struct loop_timer **at = &loop->timers; *at; at = &(*at)->next) {
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    }
    timer->armed = false;
}

static int timeout_ms(const struct loop *loop, uint64_t limit_us)
{
    uint64_t now_us = loop->clock();
    uint64_t wait_us = limit_us;

    if (loop->timers) {
        uint64_t due_us = loop->timers->due_us;
        uint64_t until_us = due_us > now_us ? due_us - now_us : 0;

        wait_us = until_us < wait_us ? until_us : wait_us;
    }
    if (wait_us == LOOP_FOREVER)
        return -1;
    return wait_us > 3600000000u ? 3600000 : (int)((wait_us + 999) / 1000);
}

static void serve_events(struct loop *loop)
{
    for (int i = 0; i < loop->batch_count; i++) {
        struct loop_source *source = loop->batch[i].data.ptr;

        if (source)
            source->ready(source, loop->batch[i].events);
    }
    loop->batch_count = 0;
}

static void serve_timers(struct loop *loop)
{
    /* A timer that arms itself again at once must not keep the loop here. */
    uint64_t until_us = loop->now_us;

    while (loop->timers && loop->timers->due_us <= until_us) {
        struct loop_timer *timer = loop->timers;

        loop_disarm(loop, timer);
        timer->expired(timer);
    }
}

int loop_turn(struct loop *loop, uint64_t limit_us)
{
    int count = epoll_wait(loop->epoll_fd, loop->batch, LOOP_BATCH, timeout_ms(loop, limit_us));

    if (count < 0 && errno != EINTR)
        return -errno;
    loop->now_us = loop->clock();
    loop->batch_count = count < 0 ? 0 : count;
    serve_events(loop);
    serve_timers(loop);
    return 0;
}
