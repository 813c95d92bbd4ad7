/* A line on a file descriptor: a guest's port, the host's end of one, a connection of two hosts. */
#pragma once

#include "base/loop.h"
#include "path/relay_line.h"

struct relay_pipe {
    struct relay_line line;
    struct loop_source source; /* fd < 0: closed */
    struct loop_timer failure; /* fires at once after what must not be told from within a call */
    struct loop *loop;
    bool is_port; /* a guest's: its other side may close and open while it stays */
    bool hung_up; /* that is closed now */
    const char *failed;
    void (*ended)(struct relay_pipe *pipe, const char *reason); /* it is closed by then */
};

void relay_pipe_init(struct relay_pipe *pipe, struct loop *loop, bool strict,
                     const struct relay_line_user *user_ops,
                     void (*ended)(struct relay_pipe *pipe, const char *reason));
void relay_pipe_deinit(struct relay_pipe *pipe);
/* Takes the file descriptor: a connected socket, or with `is_port` a guest's port. */
int relay_pipe_open(struct relay_pipe *pipe, int fd, bool is_port);
void relay_pipe_close(struct relay_pipe *pipe);
/* Writes what its line has to say, which it does by itself for what is sent by its way. */
void relay_pipe_flush(struct relay_pipe *pipe);
