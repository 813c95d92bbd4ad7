/* The relay without file descriptors: frames among garbage, ports that are opened again with half a
 * frame in them, channels that are held to their credit, and ends that say anything.
 * `test_relay SEED [COUNT]` runs more of the last. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "check.h"
#include "path/relay_end.h"
#include "path/relay_switch.h"

#define SEEDS 40u
#define FRAMES 2000

static uint64_t state;

static uint32_t pick(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

/* ---- frames ---- */

static size_t make_frame(uint8_t *bytes, const struct relay_seal *seal, uint32_t length)
{
    struct relay_frame frame = {.kind = RELAY_DATA, .length = length, .source = 3, .target = 4};

    memset(bytes + sizeof(frame), 'x', length);
    relay_frame_seal(seal, &frame, bytes + sizeof(frame));
    memcpy(bytes, &frame, sizeof(frame));
    return sizeof(frame) + length;
}

static void a_frame_is_whole_or_refused(void)
{
    struct relay_seal seal = {0};
    struct relay_frame frame;
    uint8_t bytes[sizeof(frame) + 100];
    size_t length = make_frame(bytes, &seal, 100);

    for (size_t cut = 0; cut < length; cut++)
        CHECK(relay_frame_parse(&seal, bytes, cut, &frame) == 0);
    CHECK(relay_frame_parse(&seal, bytes, length, &frame) == (int)length);
    CHECK(frame.source == 3 && frame.length == 100);
    for (size_t at = 0; at < length; at++) {
        bytes[at] ^= 1;
        CHECK(relay_frame_parse(&seal, bytes, length, &frame) == -EBADMSG);
        bytes[at] ^= 1;
    }
}

static void a_sealed_frame_comes_once_and_in_order(void)
{
    struct relay_seal ours = {.key = "0123456789abcde"}, other = {.key = "0123456789abcdf"};
    struct relay_seal next = {.key = "0123456789abcde", .count = 1};
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
    struct relay_seal seal = {0};

    relay_line_init(&ear.line, true, &ear_ops);
    make_frame(bytes, &seal, 0);
    feed(&ear.line, bytes, sizeof(bytes));
    CHECK(ear.frames == 1 && !ear.line.broken);
    feed(&ear.line, bytes, sizeof(bytes)); /* once more: it is not the next one */
    CHECK(ear.frames == 1 && ear.line.broken);
    relay_line_deinit(&ear.line);
}

/* ---- a host with three guests ---- */

#define GUESTS 3u

struct sink {
    struct relay_way way;
    unsigned frames, closes;
    uint64_t waiting; /* bytes of DATA */
};

static struct sink sinks[GUESTS];
static struct relay_switch host;
static bool absent[GUESTS];

static int sink_send(struct relay_way *way, const struct relay_frame *frame,
                     const uint8_t *payload)
{
    struct sink *sink = container_of(way, struct sink, way);

    (void)payload;
    sink->frames++;
    sink->closes += frame->kind == RELAY_CLOSE;
    sink->waiting += frame->length;
    return 0;
}

static struct relay_way *find_sink(void *user, uint32_t domain)
{
    (void)user;
    return domain >= 3 && domain < 3 + GUESTS && !absent[domain - 3] ? &sinks[domain - 3].way
                                                                      : NULL;
}

static void start_host(void)
{
    host = (struct relay_switch){.find = find_sink};
    memset(absent, 0, sizeof(absent));
    for (unsigned i = 0; i < GUESTS; i++)
        sinks[i] = (struct sink){.way.send = sink_send};
}

static void pass(uint32_t from, enum relay_kind kind, uint32_t to, uint64_t channel,
                 uint32_t amount)
{
    static const uint8_t payload[RELAY_PAYLOAD_MAX];
    struct relay_frame frame = {.kind = kind,
                                .length = kind == RELAY_DATA ? amount : 0,
                                .source = from,
                                .target = to,
                                .amount = kind == RELAY_DATA ? 0 : amount,
                                .channel = channel};

    relay_switch_pass(&host, &sinks[from - 3].way, &frame, payload);
}

static void a_stopped_receiver_holds_up_nobody(void)
{
    start_host();
    pass(3, RELAY_OPEN, 4, 1, 0);
    pass(3, RELAY_OPEN, 5, 2, 0);
    for (uint32_t sent = 0; sent < RELAY_WINDOW; sent += RELAY_PAYLOAD_MAX)
        pass(3, RELAY_DATA, 4, 1, RELAY_PAYLOAD_MAX);
    CHECK(sinks[1].waiting == RELAY_WINDOW && !sinks[1].closes);
    pass(3, RELAY_DATA, 5, 2, 100);
    CHECK(sinks[2].waiting == 100);
    pass(3, RELAY_DATA, 4, 1, 1); /* one byte more than it was given */
    CHECK(sinks[1].closes == 1 && sinks[0].closes == 1 && sinks[1].waiting == RELAY_WINDOW);
    pass(3, RELAY_DATA, 5, 2, 100);
    CHECK(sinks[2].waiting == 200 && !sinks[2].closes);
    relay_switch_deinit(&host);
}

static void credit_that_nobody_has_used_is_refused(void)
{
    start_host();
    pass(3, RELAY_OPEN, 4, 1, 0);
    pass(3, RELAY_DATA, 4, 1, 1000);
    pass(4, RELAY_CREDIT, 3, 1, 1000);
    CHECK(!sinks[0].closes);
    pass(4, RELAY_CREDIT, 3, 1, 1);
    CHECK(sinks[0].closes == 1 && sinks[1].closes == 1);
    relay_switch_deinit(&host);
}

static void nobody_speaks_for_another_domain(void)
{
    struct relay_frame frame = {.kind = RELAY_OPEN, .source = 4, .target = 5, .channel = 1};

    start_host();
    relay_switch_pass(&host, &sinks[0].way, &frame, NULL);
    CHECK(!sinks[2].frames && !sinks[0].frames && !host.count);
    pass(4, RELAY_OPEN, 5, 1, 0);
    frame.kind = RELAY_CLOSE;
    relay_switch_pass(&host, &sinks[0].way, &frame, NULL);
    CHECK(host.count == 1);
    relay_switch_deinit(&host);
}

static void nobody_is_there(void)
{
    start_host();
    pass(3, RELAY_OPEN, 77, 1, 0);
    CHECK(sinks[0].closes == 1);
    pass(3, RELAY_DATA, 4, 9, 10); /* no such channel */
    CHECK(sinks[0].closes == 2 && !sinks[1].frames);
    relay_switch_deinit(&host);
}

static void a_domain_that_moved_away_ends_its_channels(void)
{
    start_host();
    pass(3, RELAY_OPEN, 4, 1, 0);
    pass(3, RELAY_OPEN, 5, 2, 0);
    absent[1] = true;
    relay_switch_settle(&host);
    CHECK(sinks[0].closes == 1 && host.count == 1 && !sinks[2].closes);
    relay_switch_reset(&host, &sinks[2].way); /* its agent was started anew */
    CHECK(sinks[0].closes == 2 && host.count == 0);
    relay_switch_deinit(&host);
}

static void one_domain_does_not_take_all_channels(void)
{
    start_host();
    for (uint64_t i = 0; i <= RELAY_CHANNELS_MAX; i++)
        pass(3, RELAY_OPEN, 4, i, 0);
    CHECK(host.count == RELAY_CHANNELS_MAX && sinks[0].closes == 1);
    pass(5, RELAY_OPEN, 4, 1, 0);
    CHECK(host.count == RELAY_CHANNELS_MAX + 1);
    relay_switch_deinit(&host);
}

/* ---- anything ---- */

static struct loop loop;
static int called_fds[2 * RELAY_CHANNELS_MAX];
static unsigned called_count;

static void called(void *user, uint32_t source, int fd)
{
    (void)user, (void)source;
    if (called_count < 2 * RELAY_CHANNELS_MAX)
        called_fds[called_count++] = fd;
    else
        close(fd);
}

static void hang_up_some(void)
{
    while (called_count && pick(3))
        close(called_fds[--called_count]);
}

/* Almost right: few domains, few channels, amounts near the limits. */
static struct relay_frame any_frame(void)
{
    static const uint32_t amounts[] = {0, 1, 1000, RELAY_PAYLOAD_MAX, RELAY_WINDOW, UINT32_MAX};
    struct relay_frame frame = {.kind = pick(8),
                                .source = 2 + pick(5),
                                .target = 2 + pick(5),
                                .amount = amounts[pick(6)],
                                .channel = pick(100)};

    frame.length = pick(3) ? 0 : pick(RELAY_PAYLOAD_MAX);
    return frame;
}

static void hear_anything(uint64_t seed)
{
    static const uint8_t payload[RELAY_PAYLOAD_MAX];
    struct relay_end end;
    struct sink out = {.way.send = sink_send};

    state = seed;
    start_host();
    relay_end_init(&end, &loop, 3, &out.way);
    end.called = called;
    for (int i = 0; i < FRAMES; i++) {
        struct relay_frame frame = any_frame();

        relay_switch_pass(&host, &sinks[pick(GUESTS)].way, &frame, payload);
        end.way.send(&end.way, &frame, payload);
        if (!pick(20))
            CHECK(loop_turn(&loop, 0) == 0);
        if (!pick(50))
            hang_up_some();
    }
    CHECK(out.frames && host.count <= SWITCH_CIRCUITS_MAX && end.count <= RELAY_CHANNELS_MAX);
    relay_end_deinit(&end);
    relay_switch_deinit(&host);
    while (called_count)
        close(called_fds[--called_count]);
}

static void bytes_that_are_almost_frames(uint64_t seed)
{
    struct ear ears[2];
    uint8_t bytes[2 * sizeof(struct relay_frame)];

    state = seed;
    make_lines(ears);
    for (int i = 0; i < FRAMES / 4; i++) {
        struct relay_frame frame = any_frame();

        frame.length %= sizeof(struct relay_frame);
        memset(bytes, 0, sizeof(bytes));
        relay_frame_seal(&ears[1].line.seal_in, &frame, bytes + sizeof(frame));
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

static void whatever_is_said_nothing_is_left(void)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        hear_anything(seed);
        bytes_that_are_almost_frames(seed);
    }
}

static const struct check_test tests[] = {
    {"a frame is whole or refused", a_frame_is_whole_or_refused},
    {"a sealed frame comes once and in order", a_sealed_frame_comes_once_and_in_order},
    {"a port opened again with half a frame", a_port_opened_again_with_half_a_frame},
    {"garbage is skipped", garbage_is_skipped},
    {"a strict line ends with the first wrong byte",
     a_strict_line_ends_with_the_first_wrong_byte},
    {"a stopped receiver holds up nobody", a_stopped_receiver_holds_up_nobody},
    {"credit that nobody has used is refused", credit_that_nobody_has_used_is_refused},
    {"nobody speaks for another domain", nobody_speaks_for_another_domain},
    {"nobody is there", nobody_is_there},
    {"a domain that moved away ends its channels", a_domain_that_moved_away_ends_its_channels},
    {"one domain does not take all channels", one_domain_does_not_take_all_channels},
    {"whatever is said, nothing is left", whatever_is_said_nothing_is_left},
};

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    CHECK(sodium_init() >= 0 && loop_init(&loop) == 0);
    if (argc > 1) {
        for (uint64_t seed = first; seed < first + count; seed++)
            hear_anything(seed), bytes_that_are_almost_frames(seed);
        return 0;
    }
    return check_run(tests, sizeof(tests) / sizeof(tests[0]));
}
