#include "path/relay_line.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/loop.h"

#define LINE_IN_MAX (4u * (RELAY_PAYLOAD_MAX + sizeof(struct relay_frame)))
#define LINE_OUT_MAX (2u * RELAY_HOST_CHANNELS_MAX * RELAY_WINDOW)

/* What may wait on a line of one domain's. Its count may be twice as much as there is. */
static const size_t share_max[] = {
    [RELAY_BYTES] = 2u * RELAY_CHANNELS_MAX * RELAY_WINDOW, /* its channels' windows */
    [RELAY_FREE] = 1u << 20,
    [RELAY_DUE] = 4u << 20, /* an end for each channel that is opened, and steps of credit */
};

static enum relay_share_of share_of(const struct relay_frame *frame)
{
    switch (frame->kind) {
    case RELAY_OPEN:
    case RELAY_PROBE:
        return RELAY_FREE;
    case RELAY_CLOSE:
    case RELAY_CREDIT:
    case RELAY_HELLO:
        return RELAY_DUE;
    default:
        return RELAY_BYTES;
    }
}

static void settle(const struct relay_line *line, struct relay_share *share)
{
    if (line->said - queue_length(&line->out) < share->mark)
        return;
    memcpy(share->before, share->since, sizeof(share->before));
    memset(share->since, 0, sizeof(share->since));
    share->mark = line->said;
}

/* What is due to a guest it has brought about itself, whoever is named as its source. */
static struct relay_share *find_share(struct relay_line *line, const struct relay_frame *frame)
{
    bool by_target = !line->strict && share_of(frame) == RELAY_DUE;

    return &line->shares[(by_target ? frame->target : frame->source) % RELAY_SHARES];
}

/* Whoever fills a line has filled his own share only. */
static bool has_share(struct relay_line *line, const struct relay_frame *frame)
{
    struct relay_share *share = find_share(line, frame);
    enum relay_share_of of = share_of(frame);

    settle(line, share);
    if (share->before[of] + share->since[of] + relay_frame_cost(frame) > share_max[of])
        return false;
    share->since[of] += relay_frame_cost(frame);
    return true;
}

static void commit(struct relay_line *line, size_t length)
{
    queue_commit(&line->out, length);
    line->said += length;
}

static int put(struct relay_line *line, struct relay_frame frame, const uint8_t *payload)
{
    size_t length = relay_frame_cost(&frame);
    uint8_t *room = has_share(line, &frame) ? queue_reserve(&line->out, length) : NULL;

    if (!room)
        return -ENOBUFS;
    relay_frame_sum(&line->sums_out, &frame, payload);
    line->sums_out.count += line->strict;
    memcpy(room, &frame, sizeof(frame));
    if (frame.length)
        memcpy(room + sizeof(frame), payload, frame.length);
    commit(line, length);
    return 0;
}

static int line_send(struct relay_way *way, const struct relay_frame *frame, const uint8_t *payload)
{
    struct relay_line *line = container_of(way, struct relay_line, way);
    struct relay_frame own = *frame;
    int error;

    if (!line->up) /* nobody is there: it is lost */
        return frame->kind == RELAY_OPEN ? -ENOTCONN : 0;
    own.opening = line->theirs;
    error = put(line, own, payload);
    if (error && share_of(frame) == RELAY_DUE)
        line->broken = true;
    if (line->wake)
        line->wake(line);
    return error;
}

void relay_line_init(struct relay_line *line, bool strict, const struct relay_line_user *user_ops)
{
    *line = (struct relay_line){.way.send = line_send, .user_ops = user_ops, .strict = strict};
    queue_init(&line->in, LINE_IN_MAX);
    queue_init(&line->out, LINE_OUT_MAX);
}

void relay_line_deinit(struct relay_line *line)
{
    queue_deinit(&line->in);
    queue_deinit(&line->out);
}

static void lose(struct relay_line *line)
{
    line->up = false;
    line->user_ops->reset(line);
}

void relay_line_close(struct relay_line *line)
{
    queue_clear(&line->in);
    queue_clear(&line->out);
    line->theirs = 0;
    line->other = 0;
    lose(line);
}

static void say_hello(struct relay_line *line)
{
    struct relay_frame hello = {
        .kind = RELAY_HELLO, .source = line->self, .channel = line->own, .opening = line->theirs};

    line->broken |= put(line, hello, NULL) < 0;
}

/* The last frame of an earlier opening may be torn, and the other end wait for the rest of it: it
 * gets that, as zeros, and finds the sum wrong. */
static void complete_torn_frame(struct relay_line *line)
{
    size_t length = sizeof(struct relay_frame) + RELAY_PAYLOAD_MAX;
    uint8_t *room = queue_reserve(&line->out, length);

    line->broken = !room;
    if (!room)
        return;
    memset(room, 0, length);
    commit(line, length);
}

void relay_line_open(struct relay_line *line)
{
    relay_line_close(line);
    complete_torn_frame(line);
    randombytes_buf(&line->own, sizeof(line->own));
    say_hello(line);
}

static void on_hello(struct relay_line *line, const struct relay_frame *hello)
{
    bool is_new = hello->channel != line->theirs, known = hello->opening == line->own;

    if (is_new) {
        line->theirs = hello->channel;
        lose(line);
    }
    line->other = hello->source;
    if (is_new || !known)
        say_hello(line);
    if (known && !line->up) {
        line->up = true;
        line->user_ops->up(line);
    }
}

static void take(struct relay_line *line, const struct relay_frame *frame, const uint8_t *payload)
{
    line->sums_in.count += line->strict;
    if (!line->strict && frame->kind == RELAY_HELLO)
        on_hello(line, frame);
    else if (line->strict || (line->up && frame->opening == line->own))
        line->user_ops->frame(line, frame, payload);
}

/* What is torn was torn by an opening that this side may not know of. Had it been up, something is
 * missing now. */
static void skip(struct relay_line *line)
{
    if (line->strict)
        line->broken = true;
    else if (line->up)
        relay_line_open(line);
    else
        queue_drop(&line->in, relay_frame_seek(queue_head(&line->in), queue_length(&line->in)));
}

uint8_t *relay_line_room(struct relay_line *line, size_t length)
{
    return queue_reserve(&line->in, length);
}

void relay_line_received(struct relay_line *line, size_t length)
{
    queue_commit(&line->in, length);
    while (!line->broken && queue_length(&line->in)) {
        const uint8_t *bytes = queue_head(&line->in);
        struct relay_frame frame;
        int whole = relay_frame_parse(&line->sums_in, bytes, queue_length(&line->in), &frame);

        if (!whole)
            return;
        if (whole < 0) {
            skip(line);
            continue;
        }
        take(line, &frame, bytes + sizeof(frame));
        queue_drop(&line->in, (size_t)whole);
    }
}
