/* The relay's channels: a host that holds them to their credit, and ends that say anything.
 * `test_relay_switch SEED [COUNT]` runs more of the last. */
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "base/loop.h"
#include "check.h"
#include "path/relay_end.h"
#include "path/relay_switch.h"
#include "pick.h"

#define SEEDS 40u
#define FRAMES 2000

/* ---- a host with three guests ---- */

#define GUESTS 3u

struct sink {
    struct relay_way way;
    unsigned frames, closes;
    bool full;        /* for what costs no credit */
    uint64_t waiting; /* bytes of DATA */
};

static struct sink sinks[GUESTS];
static struct relay_switch host;
static bool absent[GUESTS];

static int sink_send(struct relay_way *way, const struct relay_frame *frame, const uint8_t *payload)
{
    struct sink *sink = container_of(way, struct sink, way);

    (void)payload;
    if (sink->full && (frame->kind == RELAY_OPEN || frame->kind == RELAY_PROBE))
        return -ENOBUFS;
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

/* Frames of that size, as many as a window has room for; returns how many. */
static uint32_t fill_window(uint32_t from, uint32_t to, uint64_t channel, uint32_t length)
{
    uint32_t count = RELAY_WINDOW / (length + (uint32_t)sizeof(struct relay_frame));

    for (uint32_t i = 0; i < count; i++)
        pass(from, RELAY_DATA, to, channel, length);
    return count;
}

static void a_stopped_receiver_holds_up_nobody(void)
{
    uint32_t frames;

    start_host();
    pass(3, RELAY_OPEN, 4, 1, 0);
    pass(3, RELAY_OPEN, 5, 2, 0);
    frames = fill_window(3, 4, 1, RELAY_PAYLOAD_MAX);
    CHECK(sinks[1].waiting == frames * RELAY_PAYLOAD_MAX && !sinks[1].closes);
    pass(3, RELAY_DATA, 5, 2, 100);
    CHECK(sinks[2].waiting == 100);
    pass(3, RELAY_DATA, 4, 1, RELAY_PAYLOAD_MAX); /* one more than it was given */
    CHECK(sinks[1].closes == 1 && sinks[0].closes == 1 && sinks[1].frames == frames + 2);
    pass(3, RELAY_DATA, 5, 2, 100);
    CHECK(sinks[2].waiting == 200 && !sinks[2].closes);
    relay_switch_deinit(&host);
}

/* A window is so much of the host's memory, whatever it is filled with. */
static void headers_count(void)
{
    start_host();
    pass(3, RELAY_OPEN, 4, 1, 0);
    CHECK(fill_window(3, 4, 1, 1) < RELAY_WINDOW / sizeof(struct relay_frame));
    CHECK(!sinks[1].closes);
    pass(3, RELAY_DATA, 4, 1, 1);
    CHECK(sinks[1].closes == 1);
    relay_switch_deinit(&host);
}

static void credit_that_nobody_has_used_is_refused(void)
{
    start_host();
    pass(3, RELAY_OPEN, 4, 1, 0);
    fill_window(3, 4, 1, RELAY_PAYLOAD_MAX);
    pass(4, RELAY_CREDIT, 3, 1, RELAY_WINDOW - RELAY_CREDIT_MIN);
    CHECK(!sinks[0].closes);
    pass(4, RELAY_CREDIT, 3, 1, RELAY_CREDIT_MIN);
    CHECK(sinks[0].closes == 1 && sinks[1].closes == 1);
    relay_switch_deinit(&host);
}

/* Else one window could be given back by as many frames as it has bytes. */
static void credit_in_small_change_is_refused(void)
{
    start_host();
    pass(3, RELAY_OPEN, 4, 1, 0);
    fill_window(3, 4, 1, RELAY_PAYLOAD_MAX);
    pass(4, RELAY_CREDIT, 3, 1, RELAY_CREDIT_MIN);
    CHECK(!sinks[0].closes);
    pass(4, RELAY_CREDIT, 3, 1, RELAY_CREDIT_MIN - 1);
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

static void who_floods_another_harms_nobody(void)
{
    start_host();
    pass(5, RELAY_OPEN, 4, 1, 0);
    sinks[1].full = true;
    for (uint64_t i = 0; i < 1000; i++)
        pass(3, RELAY_OPEN, 4, i, 0);
    CHECK(sinks[0].closes == 1000 && !sinks[1].closes && host.count == 1);
    pass(5, RELAY_PROBE, 4, 1, 0); /* is lost */
    pass(5, RELAY_DATA, 4, 1, 100);
    CHECK(sinks[1].waiting == 100 && host.count == 1);
    pass(5, RELAY_DATA, 4, 1, 0); /* costs no credit, so there could be any number */
    CHECK(sinks[1].closes == 1 && sinks[2].closes == 1 && host.count == 0);
    relay_switch_deinit(&host);
}

/* ---- an end ---- */

static struct loop loop;
static int called_fds[2 * RELAY_CHANNELS_MAX];
static unsigned called_count;

static bool expects(void *user, uint32_t source)
{
    (void)user;
    return source != 2;
}

static void called(void *user, int fd)
{
    (void)user;
    if (called_count < 2 * RELAY_CHANNELS_MAX)
        called_fds[called_count++] = fd;
    else
        close(fd);
}

#define SMALL 100u
#define SMALL_FRAMES 5000u

struct creditor {
    struct relay_way way;
    unsigned credits;
    uint32_t lent; /* cost of what was sent to the end, and not given back */
};

static int creditor_send(struct relay_way *way, const struct relay_frame *frame,
                         const uint8_t *payload)
{
    struct creditor *creditor = container_of(way, struct creditor, way);

    (void)payload;
    if (frame->kind != RELAY_CREDIT)
        return 0;
    CHECK(frame->amount >= RELAY_CREDIT_MIN && frame->amount <= creditor->lent);
    creditor->credits++;
    creditor->lent -= frame->amount;
    return 0;
}

static void read_all(int fd)
{
    uint8_t bytes[SMALL];

    CHECK(loop_turn(&loop, 0) == 0);
    while (read(fd, bytes, sizeof(bytes)) > 0)
        continue;
}

/* As much as it may, into an end whose program reads. */
static void an_end_gives_credit_in_steps(void)
{
    static const uint8_t payload[SMALL];
    struct creditor creditor = {.way.send = creditor_send};
    struct relay_frame frame = {.kind = RELAY_OPEN, .source = 4, .target = 3, .channel = 1};
    const uint32_t limit = RELAY_WINDOW - SMALL - (uint32_t)sizeof(frame);
    struct relay_end end;

    relay_end_init(&end, &loop, 3, &creditor.way);
    end.expects = expects;
    end.called = called;
    end.way.send(&end.way, &frame, NULL);
    frame.kind = RELAY_DATA;
    frame.length = SMALL;
    for (unsigned i = 0; i < SMALL_FRAMES; i++) {
        creditor.lent += relay_frame_cost(&frame);
        CHECK(creditor.lent <= RELAY_WINDOW);
        end.way.send(&end.way, &frame, payload);
        for (int turn = 0; turn < 1000 && creditor.lent > limit; turn++)
            read_all(called_fds[0]);
    }
    CHECK(creditor.credits > SMALL_FRAMES * SMALL / RELAY_WINDOW);
    relay_end_deinit(&end);
    close(called_fds[--called_count]);
}

/* ---- anything ---- */

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

    pick_state = seed;
    start_host();
    relay_end_init(&end, &loop, 3, &out.way);
    end.expects = expects;
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
    CHECK(out.frames && host.count <= RELAY_HOST_CHANNELS_MAX && end.count <= RELAY_CHANNELS_MAX);
    relay_end_deinit(&end);
    relay_switch_deinit(&host);
    while (called_count)
        close(called_fds[--called_count]);
}

/* A guest that floods its host with calls takes no channel away from the host's own. */
static void nothing_is_kept_for_who_is_not_expected(void)
{
    struct relay_frame call = {.kind = RELAY_OPEN, .source = 2, .target = 3};
    struct sink out = {.way.send = sink_send};
    struct relay_end end;
    int fd;

    relay_end_init(&end, &loop, 3, &out.way);
    end.expects = expects;
    for (call.channel = 0; call.channel < 2 * RELAY_CHANNELS_MAX; call.channel++)
        end.way.send(&end.way, &call, NULL);
    CHECK(end.count == 0 && out.closes == 2 * RELAY_CHANNELS_MAX);
    fd = relay_end_dial(&end, 4);
    CHECK(fd >= 0);
    close(fd);
    relay_end_deinit(&end);
}

static void whatever_is_said_nothing_is_left(void)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++)
        hear_anything(seed);
}

static const struct check_test tests[] = {
    {"a stopped receiver holds up nobody", a_stopped_receiver_holds_up_nobody},
    {"headers count", headers_count},
    {"credit that nobody has used is refused", credit_that_nobody_has_used_is_refused},
    {"credit in small change is refused", credit_in_small_change_is_refused},
    {"nobody speaks for another domain", nobody_speaks_for_another_domain},
    {"nobody is there", nobody_is_there},
    {"a domain that moved away ends its channels", a_domain_that_moved_away_ends_its_channels},
    {"one domain does not take all channels", one_domain_does_not_take_all_channels},
    {"who floods another harms nobody", who_floods_another_harms_nobody},
    {"nothing is kept for who is not expected", nothing_is_kept_for_who_is_not_expected},
    {"an end gives credit in steps", an_end_gives_credit_in_steps},
    {"whatever is said, nothing is left", whatever_is_said_nothing_is_left},
};

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    CHECK(sodium_init() >= 0 && loop_init(&loop) == 0);
    if (argc > 1) {
        for (uint64_t seed = first; seed < first + count; seed++)
            hear_anything(seed);
        return 0;
    }
    return check_run(tests, sizeof(tests) / sizeof(tests[0]));
}
