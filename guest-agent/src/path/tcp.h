/* Messages over one TCP connection. */
#pragma once

#include <stdbool.h>

#include "base/loop.h"
#include "base/queue.h"
#include "path/carrier.h"
#include "path/frame.h"

struct tcp {
    struct carrier carrier;
    struct loop_source source;
    struct loop_timer failure; /* fires at once after fail() */
    struct loop *loop;
    struct queue out;
    struct queue in;
    struct frame_numbers numbers;
    const struct carrier_user *user_ops;
    void *user;
    const char *failed;
    bool writable;
};

/* Takes the connected (or connecting) socket. */
struct tcp *tcp_new(struct loop *loop, int fd, const struct carrier_user *user_ops, void *user);
struct tcp *tcp_free(struct tcp *tcp);
