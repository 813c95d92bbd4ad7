/* Waiting for a ring: a short look while the peer is likely to be at work, then sleep. */
#pragma once

#include "shim/held.h"

/* 0: look again (which is no promise); -EINTR: a signal handler wants to be noticed; -EAGAIN: the
 * time is over; -EREMOTE: nobody would wake us any more, see what the socket says. `until_us` is of
 * clock_now_us(). */
int wait_ring(struct held *held, int fd, enum direction direction, uint64_t until_us);
