#include "path/relay_end.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_PROBE_US 10000000u
#define END_SOCKET_BUFFER (64 << 10) /* control messages do not wait behind megabytes */

struct relay_channel {
    struct relay_channel *next;
    struct relay_end *end;
    struct loop_source source;
    struct queue out; /* towards the socket; never more than a window */
    uint32_t peer;
    uint64_t number;
    uint32_t credit;
    uint32_t owed; /* of what has come, and has gone on into the socket */
    uint32_t events;
    bool heard; /* since it was probed last */
    bool ended;
};

/* ---- saying ---- */

static int say(struct relay_channel *channel, enum relay_kind kind, const uint8_t *payload,
               uint32_t amount)
{
    struct relay_frame frame = {.kind = kind,
                                .length = payload ? amount : 0,
                                .source = channel->end->self,
                                .target = channel->peer,
                                .amount = payload ? 0 : amount,
                                .channel = channel->number};

    return channel->end->out->send(channel->end->out, &frame, payload);
}

/* Not at once: somebody may be working with it. */
static void end_channel(struct relay_channel *channel, bool tell)
{
    if (channel->ended)
        return;
    channel->ended = true;
    if (tell)
        say(channel, RELAY_CLOSE, NULL, 0);
    loop_arm(channel->end->loop, &channel->end->sweep, 0);
}

/* ---- the socket ---- */

/* How many bytes may follow the next header. */
static uint32_t may_send(const struct relay_channel *channel)
{
    uint32_t header = sizeof(struct relay_frame);
    uint32_t most = channel->credit > header ? channel->credit - header : 0;

    return most < RELAY_PAYLOAD_MAX ? most : RELAY_PAYLOAD_MAX;
}

static void watch(struct relay_channel *channel)
{
    uint32_t events = (may_send(channel) ? (uint32_t)EPOLLIN : 0u) |
                      (queue_length(&channel->out) ? (uint32_t)EPOLLOUT : 0u);

    if (events != channel->events)
        loop_change(channel->end->loop, &channel->source, events);
    channel->events = events;
}

/* In steps: every frame costs the hosts as much work as one that is full. */
static void give_credit(struct relay_channel *channel)
{
    if (channel->owed < RELAY_CREDIT_MIN)
        return;
    say(channel, RELAY_CREDIT, NULL, channel->owed);
    channel->owed = 0;
}

static void write_socket(struct relay_channel *channel)
{
    while (queue_length(&channel->out)) {
        ssize_t put = send(channel->source.fd, queue_head(&channel->out),
                           queue_length(&channel->out), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (put <= 0)
            break; /* that it has ended is seen by reading */
        queue_drop(&channel->out, (size_t)put);
        channel->owed += (uint32_t)put;
    }
    give_credit(channel);
}

static void read_socket(struct relay_channel *channel)
{
    uint8_t bytes[RELAY_PAYLOAD_MAX];

    while (may_send(channel) && !channel->ended) {
        ssize_t got = recv(channel->source.fd, bytes, may_send(channel), MSG_DONTWAIT);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0 || say(channel, RELAY_DATA, bytes, (uint32_t)got) < 0) {
            end_channel(channel, true);
            return;
        }
        channel->credit -= (uint32_t)got + (uint32_t)sizeof(struct relay_frame);
    }
}

static void channel_ready(struct loop_source *source, uint32_t events)
{
    struct relay_channel *channel = container_of(source, struct relay_channel, source);

    if (channel->ended)
        return;
    if (events & EPOLLOUT)
        write_socket(channel);
    if (events & EPOLLIN)
        read_socket(channel);
    if (events & (EPOLLHUP | EPOLLERR) && !(events & EPOLLIN))
        end_channel(channel, true); /* without credit it cannot be read to its end */
    watch(channel);
}

/* ---- channels ---- */

static struct relay_channel *find(const struct relay_end *end, const struct relay_frame *frame)
{
    struct relay_channel *channel = end->channels;

    while (channel &&
           (channel->number != frame->channel || channel->peer != frame->source || channel->ended))
        channel = channel->next;
    return channel;
}

static void sweep(struct loop_timer *timer)
{
    struct relay_end *end = container_of(timer, struct relay_end, sweep);
    struct relay_channel **at = &end->channels;

    while (*at) {
        struct relay_channel *channel = *at;

        if (!channel->ended) {
            at = &channel->next;
            continue;
        }
        *at = channel->next;
        end->count--;
        loop_remove(end->loop, &channel->source);
        close(channel->source.fd);
        queue_deinit(&channel->out);
        free(channel);
    }
    if (!end->count)
        loop_disarm(end->loop, &end->probe);
}

/* Whoever says nothing for a while is asked; whoever does not answer is gone. */
static void probe(struct loop_timer *timer)
{
    struct relay_end *end = container_of(timer, struct relay_end, probe);

    loop_arm(end->loop, timer, END_PROBE_US);
    for (struct relay_channel *channel = end->channels; channel; channel = channel->next) {
        if (!channel->heard)
            end_channel(channel, true);
        channel->heard = false;
        if (!channel->ended)
            say(channel, RELAY_PROBE, NULL, 0);
    }
}

static int make_pair(int ends[2])
{
    int size = END_SOCKET_BUFFER;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        setsockopt(ends[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return 0;
}

/* Returns the other end of its socket, or a negative errno. */
static int channel_new(struct relay_end *end, uint32_t peer, uint64_t number)
{
    struct relay_channel *channel =
        end->count < RELAY_CHANNELS_MAX ? calloc(1, sizeof(*channel)) : NULL;
    int ends[2], error = channel ? make_pair(ends) : -ENOBUFS;

    if (error) {
        free(channel);
        return error;
    }
    *channel = (struct relay_channel){.next = end->channels,
                                      .end = end,
                                      .source = {.fd = ends[0], .ready = channel_ready},
                                      .peer = peer,
                                      .number = number,
                                      .credit = RELAY_WINDOW,
                                      .events = EPOLLIN,
                                      .heard = true};
    queue_init(&channel->out, RELAY_WINDOW);
    end->channels = channel;
    if (!end->count++)
        loop_arm(end->loop, &end->probe, END_PROBE_US);
    error = loop_add(end->loop, &channel->source, EPOLLIN);
    if (!error)
        return ends[1];
    end_channel(channel, false);
    close(ends[1]);
    return error;
}

/* ---- hearing ---- */

static void on_open(struct relay_end *end, const struct relay_frame *frame)
{
    bool welcome = !find(end, frame) && end->expects(end->user, frame->source);
    int fd = welcome ? channel_new(end, frame->source, frame->channel) : -ECONNREFUSED;
    struct relay_channel unknown = {.end = end, .peer = frame->source, .number = frame->channel};

    if (fd >= 0)
        end->called(end->user, fd);
    else
        say(&unknown, RELAY_CLOSE, NULL, 0);
}

static void on_data(struct relay_channel *channel, const struct relay_frame *frame,
                    const uint8_t *payload)
{
    if (queue_append(&channel->out, payload, frame->length) < 0) {
        end_channel(channel, true); /* more than it was allowed */
        return;
    }
    channel->owed += (uint32_t)sizeof(*frame);
    write_socket(channel);
}

static void on_credit(struct relay_channel *channel, uint32_t amount)
{
    if (amount > RELAY_WINDOW - channel->credit)
        end_channel(channel, true);
    else
        channel->credit += amount;
}

static void hear(struct relay_channel *channel, const struct relay_frame *frame,
                 const uint8_t *payload)
{
    channel->heard = true;
    if (frame->kind == RELAY_DATA)
        on_data(channel, frame, payload);
    else if (frame->kind == RELAY_CREDIT)
        on_credit(channel, frame->amount);
    else if (frame->kind == RELAY_PROBE && !frame->amount)
        say(channel, RELAY_PROBE, NULL, 1);
    else if (frame->kind == RELAY_CLOSE)
        end_channel(channel, false);
    if (!channel->ended)
        watch(channel);
}

static int end_send(struct relay_way *way, const struct relay_frame *frame, const uint8_t *payload)
{
    struct relay_end *end = container_of(way, struct relay_end, way);
    struct relay_channel *channel = find(end, frame);
    struct relay_channel unknown = {.end = end, .peer = frame->source, .number = frame->channel};

    if (frame->target != end->self || frame->source == end->self)
        return 0;
    if (frame->kind == RELAY_OPEN)
        on_open(end, frame);
    else if (channel)
        hear(channel, frame, payload);
    else if (frame->kind != RELAY_CLOSE)
        say(&unknown, RELAY_CLOSE, NULL, 0);
    return 0;
}

/* ---- its life ---- */

void relay_end_init(struct relay_end *end, struct loop *loop, uint32_t self, struct relay_way *out)
{
    *end = (struct relay_end){.way.send = end_send,
                              .out = out,
                              .loop = loop,
                              .self = self,
                              .sweep.expired = sweep,
                              .probe.expired = probe};
}

void relay_end_deinit(struct relay_end *end)
{
    relay_end_hang_up(end);
    loop_disarm(end->loop, &end->sweep);
    sweep(&end->sweep);
}

int relay_end_dial(struct relay_end *end, uint32_t target)
{
    uint64_t number;
    int fd;

    randombytes_buf(&number, sizeof(number));
    fd = channel_new(end, target, number);
    if (fd >= 0 && say(end->channels, RELAY_OPEN, NULL, 0) < 0)
        end_channel(end->channels, false);
    return fd;
}

void relay_end_hang_up(struct relay_end *end)
{
    for (struct relay_channel *channel = end->channels; channel; channel = channel->next)
        end_channel(channel, false);
}
