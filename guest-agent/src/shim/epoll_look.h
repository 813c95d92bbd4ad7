/* Looking what is ready in an epoll that watches streams with rings. */
#pragma once

#include "shim/epoll_set.h"

/* As epoll_wait() without waiting. */
int epoll_look(struct epoll_set *set, struct epoll_event *events, int max);
/* Makes the kernel's events the program's; returns how many there are then. */
int epoll_translate(struct epoll_set *set, struct epoll_event *events, int count);
/* As epoll_pwait(), and wakes up for the rings, too; then it may return 0 before its time. */
int epoll_sleep(struct epoll_set *set, struct epoll_event *events, int max, int timeout_ms,
                const sigset_t *mask);
