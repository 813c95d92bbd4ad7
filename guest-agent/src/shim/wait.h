/* Waiting for a ring: a short look while the peer is likely to be at work, then sleep. */
#pragma once

#include "shim/held.h"

/* 0: look again (which is no promise); -EINTR: a signal handler wants to be noticed; -EAGAIN: the
 * time is over. `until_us` is of clock_now_us(). */
int wait_ring(struct held *held, enum direction direction, uint64_t until_us);
