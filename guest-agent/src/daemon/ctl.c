/* Channels: bytes to lines and back. A channel may close at any moment, the port even with bytes
 * queued on it: the reader of a channel skips empty lines, and after a reopen we begin with one, so
 * that both sides find the start of a line again. */
#include "daemon/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"
#include "base/queue.h"
#include "base/serial.h"
#include "base/socket.h"
#include "daemon/opener.h"
#include "daemon/ops.h"

#define CTL_LINE_MAX 65536u
#define CTL_OUT_MAX (4u << 20)
#define CTL_EVENT_ROOM (256u << 10)
#define CTL_CHANNELS_MAX 32
#define CTL_READ_PER_TURN (256u << 10)

struct channel {
    struct channel *next;
    struct ctl *ctl;
    struct loop_source source;
    uint64_t id;
    struct queue in;
    struct queue out;
    bool is_port;
    bool hung_up;  /* the port's other side is closed */
    bool skipping; /* the rest of a line that was too long */
    bool closing;
};

struct ctl {
    struct agent *agent;
    struct loop_source listener;
    struct channel *channels;
    unsigned count;
    uint64_t next_id;
    struct loop_timer port_retry;
};

struct reply {
    struct ctl *ctl;
    uint64_t channel;
    json_t *id;
};

/* ---- writing ---- */

static void channel_flush(struct channel *channel)
{
    while (queue_length(&channel->out) && !channel->hung_up && !channel->closing) {
        ssize_t put =
            write(channel->source.fd, queue_head(&channel->out), queue_length(&channel->out));

        if (put > 0)
            queue_drop(&channel->out, (size_t)put);
        else if (put < 0 && errno == EINTR)
            continue;
        else if (put < 0 && errno != EAGAIN && !channel->is_port)
            channel->closing = true;
        else
            return;
    }
}

static void channel_say(struct channel *channel, const char *line)
{
    if (channel->hung_up)
        return;
    if (queue_append(&channel->out, line, strlen(line)) < 0 ||
        queue_append(&channel->out, "\n", 1) < 0) {
        log_warning("ctl: a channel does not read; it is closed");
        channel->closing = true;
    }
    channel_flush(channel);
}

void ctl_event(struct agent *agent, json_t *event)
{
    char *line = json_dumps(event, JSON_COMPACT);

    json_decref(event);
    if (!line)
        return;
    log_info("event %s", line);
    for (struct channel *c = agent->ctl ? agent->ctl->channels : NULL; c; c = c->next)
        if (queue_length(&c->out) < CTL_EVENT_ROOM)
            channel_say(c, line);
    free(line);
}

/* ---- replies ---- */

static struct channel *find_channel(struct ctl *ctl, uint64_t id)
{
    struct channel *channel = ctl->channels;

    while (channel && channel->id != id)
        channel = channel->next;
    return channel;
}

static void answer(struct reply *reply, json_t *message)
{
    struct channel *channel = find_channel(reply->ctl, reply->channel);
    char *line;

    json_object_set(message, "id", reply->id);
    line = json_dumps(message, JSON_COMPACT);
    if (channel && line) /* else whoever asked has gone */
        channel_say(channel, line);
    free(line);
    json_decref(message);
    json_decref(reply->id);
    free(reply);
}

void reply_ok(struct reply *reply, json_t *fields)
{
    json_t *message = fields ? fields : json_object();

    json_object_set_new(message, "ok", json_true());
    answer(reply, message);
}

void reply_error(struct reply *reply, const char *code, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    text_clean(text); /* a character cut in two would be no JSON, and so no answer */
    answer(reply,
           json_pack("{s:b, s:{s:s, s:s}}", "ok", 0, "error", "code", code, "message", text));
}

static struct reply *reply_new(struct channel *channel, json_t *id)
{
    struct reply *reply = malloc(sizeof(*reply));

    if (reply)
        *reply = (struct reply){channel->ctl, channel->id, id ? json_incref(id) : json_null()};
    return reply;
}

/* ---- reading ---- */

static void serve_line(struct channel *channel, const char *line, size_t length)
{
    json_error_t error;
    json_t *request = json_loadb(line, length, 0, &error);
    struct reply *reply = reply_new(channel, json_object_get(request, "id"));

    if (!reply)
        log_error("ctl: out of memory; a request is dropped");
    else if (!request)
        reply_error(reply, "bad-json", "the request is not JSON: %s (column %d)", error.text,
                    error.column);
    else if (!json_is_object(request))
        reply_error(reply, "bad-request", "the request is not a JSON object");
    else
        ops_serve(channel->ctl->agent, request, reply);
    json_decref(request);
}

static void refuse_long_line(struct channel *channel)
{
    struct reply *reply = reply_new(channel, NULL);

    if (reply)
        reply_error(reply, "line-too-long", "a request is one line of at most %u bytes",
                    CTL_LINE_MAX);
    queue_clear(&channel->in);
    channel->skipping = true;
}

static void serve_lines(struct channel *channel)
{
    while (queue_length(&channel->in)) {
        const char *start = (const char *)queue_head(&channel->in);
        const char *newline = memchr(start, '\n', queue_length(&channel->in));
        size_t length = newline ? (size_t)(newline - start) : 0;

        if (!newline)
            break;
        if (length && !channel->skipping)
            serve_line(channel, start, length);
        channel->skipping = false;
        queue_drop(&channel->in, length + 1);
    }
    if (channel->skipping)
        queue_clear(&channel->in);
    else if (queue_length(&channel->in) >= CTL_LINE_MAX)
        refuse_long_line(channel);
}

/* Returns how read() ended. */
static ssize_t channel_read(struct channel *channel)
{
    size_t total = 0;

    while (total < CTL_READ_PER_TURN && !channel->closing) {
        uint8_t *room = queue_reserve(&channel->in, CTL_LINE_MAX);
        ssize_t got = room ? read(channel->source.fd, room, CTL_LINE_MAX) : 0;

        if (got <= 0)
            return got < 0 ? -errno : 0;
        queue_commit(&channel->in, (size_t)got);
        total += (size_t)got;
        serve_lines(channel);
    }
    /* Edge-triggered: ask again, there may be more. */
    loop_change(&channel->ctl->agent->loop, &channel->source, EPOLLIN | EPOLLOUT | EPOLLET);
    return -EAGAIN;
}

/* ---- a channel's life ---- */

static void channel_free(struct channel *channel)
{
    struct ctl *ctl = channel->ctl;
    struct channel **at = &ctl->channels;

    while (*at != channel)
        at = &(*at)->next;
    *at = channel->next;
    ctl->count--;
    loop_remove(&ctl->agent->loop, &channel->source);
    close(channel->source.fd);
    queue_deinit(&channel->in);
    queue_deinit(&channel->out);
    if (channel->is_port)
        loop_arm(&ctl->agent->loop, &ctl->port_retry, SERIAL_RETRY_US);
    free(channel);
}

static void port_hung_up(struct channel *channel, bool hung_up)
{
    if (hung_up) {
        queue_clear(&channel->in);
        queue_clear(&channel->out);
        channel->skipping = false;
        loop_arm(&channel->ctl->agent->loop, &channel->ctl->port_retry, SERIAL_RETRY_US);
    }
    if (channel->hung_up == hung_up)
        return;
    channel->hung_up = hung_up;
    log_info("ctl: the port's other side is %s", hung_up ? "closed" : "open");
    if (!hung_up)
        channel_say(channel, "");
}

static void channel_ready(struct loop_source *source, uint32_t events)
{
    struct channel *channel = container_of(source, struct channel, source);
    ssize_t end;

    if (channel->is_port)
        port_hung_up(channel, (events & EPOLLHUP) != 0);
    if (channel->hung_up)
        return;
    end = events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? channel_read(channel) : -EAGAIN;
    channel_flush(channel);
    if (channel->closing || (end != -EAGAIN && end != -EINTR && !channel->is_port))
        channel_free(channel);
}

static struct channel *channel_new(struct ctl *ctl, int fd, bool is_port)
{
    struct channel *channel = ctl->count < CTL_CHANNELS_MAX ? calloc(1, sizeof(*channel)) : NULL;

    if (!channel) {
        close(fd);
        return NULL;
    }
    *channel = (struct channel){.next = ctl->channels,
                                .ctl = ctl,
                                .source = {.fd = fd, .ready = channel_ready},
                                .id = ++ctl->next_id,
                                .is_port = is_port};
    queue_init(&channel->in, 2 * CTL_LINE_MAX);
    queue_init(&channel->out, CTL_OUT_MAX);
    ctl->channels = channel;
    ctl->count++;
    if (loop_add(&ctl->agent->loop, &channel->source, EPOLLIN | EPOLLOUT | EPOLLET) < 0)
        channel_free(channel);
    return channel;
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
    struct ctl *ctl = container_of(source, struct ctl, listener);
    int fd = socket_accept(source->fd);

    (void)events;
    if (fd >= 0)
        channel_new(ctl, fd, false);
}

/* ---- the port ---- */

static struct channel *find_port(struct ctl *ctl)
{
    struct channel *channel = ctl->channels;

    while (channel && !channel->is_port)
        channel = channel->next;
    return channel;
}

static void open_port(struct ctl *ctl)
{
    int fd = opener_open_port(ctl->agent, OPENER_CTL);

    if (fd < 0) {
        loop_arm(&ctl->agent->loop, &ctl->port_retry, SERIAL_RETRY_US);
        return;
    }
    log_info("ctl: serving %s", ctl->agent->options.ctl);
    channel_new(ctl, fd, true);
}

/* The driver wakes us when the other side opens the port; this is for when that is missed. */
static void port_retry(struct loop_timer *timer)
{
    struct ctl *ctl = container_of(timer, struct ctl, port_retry);
    struct channel *port = find_port(ctl);
    struct pollfd state = {.fd = port ? port->source.fd : -1, .events = POLLIN};

    if (!port)
        open_port(ctl);
    else if (poll(&state, 1, 0) >= 0 && !(state.revents & POLLHUP))
        channel_ready(&port->source, EPOLLIN);
    else
        loop_arm(&ctl->agent->loop, &ctl->port_retry, SERIAL_RETRY_US);
}

static void socket_path(const struct agent *agent, char path[AGENT_PATH_MAX + 16])
{
    snprintf(path, AGENT_PATH_MAX + 16, "%s/agent.sock", agent->options.run_dir);
}

int ctl_start(struct agent *agent)
{
    char path[AGENT_PATH_MAX + 16];
    struct ctl *ctl = calloc(1, sizeof(*ctl));

    if (!ctl)
        return -ENOMEM;
    *ctl = (struct ctl){
        .agent = agent, .listener.ready = listener_ready, .port_retry.expired = port_retry};
    agent->ctl = ctl;
    socket_path(agent, path);
    ctl->listener.fd = socket_listen_unix(path, 0600);
    if (ctl->listener.fd < 0)
        return ctl->listener.fd;
    if (agent->options.ctl)
        open_port(ctl);
    return loop_add(&agent->loop, &ctl->listener, EPOLLIN);
}

void ctl_stop(struct agent *agent)
{
    struct ctl *ctl = agent->ctl;
    char path[AGENT_PATH_MAX + 16];

    socket_path(agent, path);
    unlink(path);
    while (ctl->channels)
        channel_free(ctl->channels);
    loop_disarm(&agent->loop, &ctl->port_retry);
    loop_remove(&agent->loop, &ctl->listener);
    close(ctl->listener.fd);
    free(ctl);
    agent->ctl = NULL;
}
