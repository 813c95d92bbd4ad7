/* The relay's lines without file descriptors: frames among garbage, frames that are almost right,
 * ports that are opened again with half a frame in them. */
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/loop.h"
#include "check.h"
#include "path/relay_line.h"
#include "pick.h"

#define SEEDS 40u
#define FRAMES 500

/* ---- frames ---- */

static size_t make_frame(uint8_t *bytes, const struct relay_sums *sums, uint32_t length)
{
    struct relay_frame frame = {.kind = RELAY_DATA, .length = length, .source = 3, .target = 4};

    memset(bytes + sizeof(frame), 'x', length);
    relay_frame_sum(sums, &frame, bytes + sizeof(frame));
    memcpy(bytes, &frame, sizeof(frame));
    return sizeof(frame) + length;
}

static void a_frame_is_whole_or_refused(void)
{
    struct relay_sums sums = {0};
    struct relay_frame frame;
    uint8_t bytes[sizeof(frame) + 100];
    size_t length = make_frame(bytes, &sums, 100);

    for (size_t cut = 0; cut < length; cut++)
        CHECK(relay_frame_parse(&sums, bytes, cut, &frame) == 0);
    CHECK(relay_frame_parse(&sums, bytes, length, &frame) == (int)length);
    CHECK(frame.source == 3 && frame.length == 100);
    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= 1;
        CHECK(relay_frame_parse(&sums, bytes, length, &frame) == -EBADMSG);
        bytes[at] ^= 1;
    }
}

static void a_frame_between_hosts_comes_once_and_in_order(void)
{
    struct relay_sums ours = {.key = "0123456789abcde"}, other = {.key = "0123456789abcdf"};
    struct relay_sums next = {.key = "0123456789abcde", .count = 1};
    struct relay_frame frame;
    uint8_t bytes[sizeof(frame) + 10];
    size_t length = make_frame(bytes, &ours, 10);

    CHECK(relay_frame_parse(&ours, bytes, length, &frame) == (int)length);
    CHECK(relay_frame_parse(&next, bytes, length, &frame) == -EBADMSG);
    CHECK(relay_frame_parse(&other, bytes, length, &frame) == -EBADMSG);
}

/* ---- lines ---- */

struct ear {
    struct relay_line line;
    unsigned ups, resets, frames;
    uint64_t bytes;
};

static void ear_up(struct relay_line *line)
{
    container_of(line, struct ear, line)->ups++;
}

static void ear_reset(struct relay_line *line)
{
    container_of(line, struct ear, line)->resets++;
}

static void ear_frame(struct relay_line *line, const struct relay_frame *frame,
                      const uint8_t *payload)
{
    struct ear *ear = container_of(line, struct ear, line);

    (void)payload;
    ear->frames++;
    ear->bytes += frame->length;
}

static const struct relay_line_user ear_ops = {
    .up = ear_up, .reset = ear_reset, .frame = ear_frame};

static void feed(struct relay_line *to, const uint8_t *bytes, size_t length)
{
    while (length) {
        size_t some = length < 1000 ? length : 1000;
        uint8_t *room = relay_line_room(to, some);

        CHECK(room != NULL);
        memcpy(room, bytes, some);
        relay_line_received(to, some);
        bytes += some;
        length -= some;
    }
}

/* Carries what waits; of the last `lose` bytes nothing arrives. */
static void carry(struct relay_line *from, struct relay_line *to, size_t lose)
{
    size_t length = queue_length(&from->out);

    CHECK(length >= lose);
    feed(to, queue_head(&from->out), length - lose);
    queue_drop(&from->out, length);
}

static void settle(struct ear *a, struct ear *b)
{
    while (queue_length(&a->line.out) || queue_length(&b->line.out)) {
        carry(&a->line, &b->line, 0);
        carry(&b->line, &a->line, 0);
    }
}

static void make_lines(struct ear ears[2])
{
    for (int i = 0; i < 2; i++) {
        ears[i] = (struct ear){0};
        relay_line_init(&ears[i].line, false, &ear_ops);
    }
    for (int i = 0; i < 2; i++)
        relay_line_open(&ears[i].line);
    settle(&ears[0], &ears[1]);
    CHECK(ears[0].line.up && ears[1].line.up);
}

static void say(struct relay_line *line, uint32_t length)
{
    static uint8_t payload[RELAY_PAYLOAD_MAX];
    struct relay_frame frame = {.kind = RELAY_DATA, .length = length, .source = 3, .target = 4};

    memset(payload, 'x', sizeof(payload));
    CHECK(line->way.send(&line->way, &frame, payload) == 0);
}

/* Whichever side opens again, however much of its last frame is missing, and whether or not the
 * other one has seen it: they find together, and nothing of before is taken for new. */
static void a_port_opened_again_with_half_a_frame(void)
{
    for (size_t lose = 0; lose <= sizeof(struct relay_frame) + RELAY_PAYLOAD_MAX; lose += 97) {
        struct ear ears[2];

        make_lines(ears);
        say(&ears[0].line, 10);
        say(&ears[0].line, RELAY_PAYLOAD_MAX);
        carry(&ears[0].line, &ears[1].line, lose);
        CHECK(ears[1].frames == (lose ? 1 : 2));
        say(&ears[1].line, 20); /* on the way to an opening that is no more */
        relay_line_open(&ears[0].line);
        settle(&ears[0], &ears[1]);
        CHECK(ears[0].line.up && ears[1].line.up && !ears[0].frames);
        CHECK(ears[1].resets > 1 && ears[1].frames == (lose ? 1 : 2));
        say(&ears[0].line, 30);
        say(&ears[1].line, 30);
        settle(&ears[0], &ears[1]);
        CHECK(ears[0].bytes == 30 && ears[1].frames == (lose ? 2 : 3));
        relay_line_deinit(&ears[0].line);
        relay_line_deinit(&ears[1].line);
    }
}

static void what_was_meant_for_another_opening_is_dropped(void)
{
    struct relay_frame frame = {.kind = RELAY_DATA, .source = 3, .target = 4};
    struct ear ears[2];
    uint8_t bytes[sizeof(frame)];

    make_lines(ears);
    for (uint64_t off = 0; off < 2; off++) {
        frame.opening = ears[1].line.own + off;
        relay_frame_sum(&ears[1].line.sums_in, &frame, NULL);
        memcpy(bytes, &frame, sizeof(frame));
        feed(&ears[1].line, bytes, sizeof(bytes));
        CHECK(ears[1].frames == 1);
    }
    relay_line_deinit(&ears[0].line);
    relay_line_deinit(&ears[1].line);
}

/* A guest that has moved knows its new host before anything can be said to it. */
static void a_host_says_which_domain_it_is(void)
{
    struct ear ears[2];

    make_lines(ears);
    CHECK(ears[0].line.other == 0 && ears[1].line.other == 0);
    for (uint32_t host = 1000; host < 1002; host++) {
        ears[0].line.self = host;
        relay_line_close(&ears[1].line);
        CHECK(ears[1].line.other == 0);
        relay_line_open(&ears[0].line);
        relay_line_open(&ears[1].line);
        settle(&ears[0], &ears[1]);
        CHECK(ears[1].line.up && ears[1].line.other == host);
        CHECK(ears[0].line.up && ears[0].line.other == 0);
    }
    relay_line_deinit(&ears[0].line);
    relay_line_deinit(&ears[1].line);
}

static void garbage_is_skipped(void)
{
    struct ear ears[2];
    uint8_t garbage[5000];

    make_lines(ears);
    for (size_t i = 0; i < sizeof(garbage); i++)
        garbage[i] = "DSRY"[i % 4]; /* full of magic numbers */
    feed(&ears[1].line, garbage, sizeof(garbage));
    settle(&ears[0], &ears[1]);
    CHECK(ears[0].line.up && ears[1].line.up && !ears[1].line.broken);
    say(&ears[0].line, 30);
    settle(&ears[0], &ears[1]);
    CHECK(ears[1].bytes == 30);
    relay_line_deinit(&ears[0].line);
    relay_line_deinit(&ears[1].line);
}

static void a_strict_line_ends_with_the_first_wrong_byte(void)
{
    struct ear ear = {0};
    uint8_t bytes[sizeof(struct relay_frame)];
    struct relay_sums sums = {0};

    relay_line_init(&ear.line, true, &ear_ops);
    make_frame(bytes, &sums, 0);
    feed(&ear.line, bytes, sizeof(bytes));
    CHECK(ear.frames == 1 && !ear.line.broken);
    feed(&ear.line, bytes, sizeof(bytes)); /* once more: it is not the next one */
    CHECK(ear.frames == 1 && ear.line.broken);
    relay_line_deinit(&ear.line);
}

/* ---- anything ---- */

static void bytes_that_are_almost_frames(uint64_t seed)
{
    struct ear ears[2];
    uint8_t bytes[2 * sizeof(struct relay_frame)];

    pick_state = seed;
    make_lines(ears);
    for (int i = 0; i < FRAMES; i++) {
        struct relay_frame frame = {.kind = pick(8),
                                    .length = pick(sizeof(frame)),
                                    .channel = pick(100),
                                    .opening = pick(2) ? ears[1].line.own : 0};

        memset(bytes, 0, sizeof(bytes));
        relay_frame_sum(&ears[1].line.sums_in, &frame, bytes + sizeof(frame));
        memcpy(bytes, &frame, sizeof(frame));
        bytes[pick(sizeof(bytes))] ^= (uint8_t)(1u << pick(8));
        feed(&ears[1].line, bytes, 1 + pick(sizeof(bytes) - 1));
        if (!pick(10))
            settle(&ears[0], &ears[1]);
    }
    relay_line_open(&ears[0].line);
    settle(&ears[0], &ears[1]);
    CHECK(ears[0].line.up && ears[1].line.up);
    relay_line_deinit(&ears[0].line);
    relay_line_deinit(&ears[1].line);
}

static void whatever_comes_the_ends_find_together(void)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        bytes_that_are_almost_frames(seed);
}

static const struct check_test tests[] = {
    {"a frame is whole or refused", a_frame_is_whole_or_refused},
    {"a frame between hosts comes once and in order",
     a_frame_between_hosts_comes_once_and_in_order},
    {"a port opened again with half a frame", a_port_opened_again_with_half_a_frame},
    {"what was meant for another opening is dropped",
     what_was_meant_for_another_opening_is_dropped},
    {"a host says which domain it is", a_host_says_which_domain_it_is},
    {"garbage is skipped", garbage_is_skipped},
    {"a strict line ends with the first wrong byte", a_strict_line_ends_with_the_first_wrong_byte},
    {"whatever comes, the ends find together", whatever_comes_the_ends_find_together},
};

CHECK_MAIN(tests)
