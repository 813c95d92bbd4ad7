#include "path/relay_pipe.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PIPE_CHUNK (2u * RELAY_PAYLOAD_MAX)
#define PIPE_READ_PER_TURN (256u << 10)
#define PIPE_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

static void fail(struct relay_pipe *pipe, const char *reason)
{
    if (pipe->failed)
        return;
    pipe->failed = reason;
    loop_arm(pipe->loop, &pipe->failure, 0);
}

/* ---- writing ---- */

void relay_pipe_flush(struct relay_pipe *pipe)
{
    struct queue *out = &pipe->line.out;

    while (pipe->source.fd >= 0 && !pipe->hung_up && !pipe->failed && queue_length(out)) {
        ssize_t put = write(pipe->source.fd, queue_head(out), queue_length(out));

        if (put > 0)
            queue_drop(out, (size_t)put);
        else if (put == 0 || errno == EAGAIN)
            break;
        else if (errno != EINTR && !pipe->is_port)
            fail(pipe, strerror(errno));
        else if (errno != EINTR)
            break; /* whether its other side is there, the next event tells */
    }
    queue_shrink(out);
    if (pipe->line.broken)
        fail(pipe, "the other end broke the rules, or does not read");
}

static void wake(struct relay_line *line)
{
    relay_pipe_flush(container_of(line, struct relay_pipe, line));
}

/* ---- reading ---- */

/* Nonzero: it is over. */
static int receive_chunk(struct relay_pipe *pipe, size_t *got)
{
    uint8_t *room = relay_line_room(&pipe->line, PIPE_CHUNK);
    ssize_t count = room ? read(pipe->source.fd, room, PIPE_CHUNK) : 0;

    *got = count > 0 ? (size_t)count : 0;
    if (count > 0)
        relay_line_received(&pipe->line, (size_t)count);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    return count ? 0 : -EPIPE;
}

static void receive(struct relay_pipe *pipe)
{
    size_t total = 0, got = 1;

    while (got && total < PIPE_READ_PER_TURN && !pipe->line.broken) {
        int error = receive_chunk(pipe, &got);

        total += got;
        if (error && !pipe->is_port)
            fail(pipe, error == -EPIPE ? "the other side closed it" : strerror(-error));
    }
    if (got) /* edge-triggered: ask again, there may be more */
        loop_change(pipe->loop, &pipe->source, PIPE_EVENTS);
}

static bool is_hung_up(const struct relay_pipe *pipe)
{
    struct pollfd state = {.fd = pipe->source.fd, .events = POLLIN};

    return poll(&state, 1, 0) > 0 && (state.revents & POLLHUP);
}

static void note_hang_up(struct relay_pipe *pipe)
{
    bool hung_up = is_hung_up(pipe);

    if (hung_up != pipe->hung_up && hung_up)
        relay_line_close(&pipe->line);
    else if (hung_up != pipe->hung_up)
        relay_line_open(&pipe->line);
    pipe->hung_up = hung_up;
}

static void pipe_ready(struct loop_source *source, uint32_t events)
{
    struct relay_pipe *pipe = container_of(source, struct relay_pipe, source);

    (void)events;
    if (pipe->is_port)
        note_hang_up(pipe);
    if (!pipe->hung_up)
        receive(pipe);
    relay_pipe_flush(pipe);
}

/* ---- its life ---- */

static void failure_due(struct loop_timer *timer)
{
    struct relay_pipe *pipe = container_of(timer, struct relay_pipe, failure);
    const char *reason = pipe->failed;

    relay_pipe_close(pipe);
    pipe->ended(pipe, reason);
}

void relay_pipe_init(struct relay_pipe *pipe, struct loop *loop, bool strict,
                     const struct relay_line_user *user_ops,
                     void (*ended)(struct relay_pipe *pipe, const char *reason))
{
    *pipe = (struct relay_pipe){.source = {.fd = -1, .ready = pipe_ready},
                                .failure.expired = failure_due,
                                .loop = loop,
                                .ended = ended};
    relay_line_init(&pipe->line, strict, user_ops);
    pipe->line.wake = wake;
}

void relay_pipe_deinit(struct relay_pipe *pipe)
{
    relay_pipe_close(pipe);
    relay_line_deinit(&pipe->line);
}

int relay_pipe_open(struct relay_pipe *pipe, int fd, bool is_port)
{
    relay_pipe_close(pipe);
    pipe->source.fd = fd;
    pipe->is_port = is_port;
    pipe->hung_up = is_port && is_hung_up(pipe);
    pipe->failed = NULL;
    pipe->line.broken = false;
    if (!pipe->line.strict && !pipe->hung_up)
        relay_line_open(&pipe->line);
    return loop_add(pipe->loop, &pipe->source, PIPE_EVENTS);
}

void relay_pipe_close(struct relay_pipe *pipe)
{
    loop_disarm(pipe->loop, &pipe->failure);
    if (pipe->source.fd < 0)
        return;
    loop_remove(pipe->loop, &pipe->source);
    close(pipe->source.fd);
    pipe->source.fd = -1;
    relay_line_close(&pipe->line);
}
