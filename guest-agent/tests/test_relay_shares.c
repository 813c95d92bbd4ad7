/* A connection of two hosts that does not move: whoever keeps the rules of his channels keeps them
 * all, however many others there are, and whatever one of them does. */
#include <sodium.h>
#include <string.h>

#include "base/loop.h"
#include "check.h"
#include "path/relay_switch.h"

#define GUESTS (RELAY_HOST_CHANNELS_MAX / RELAY_CHANNELS_MAX)
#define FIRST_GUEST 3u
#define FAR_AWAY 1000u
#define DEAF 900u
#define FLOOD 300000u
#define MIB (1u << 20)

struct port {
    struct relay_way way;
    unsigned closes;
};

static struct port ports[GUESTS];
static struct relay_line trunk, deaf;
static struct relay_switch host;

static int port_send(struct relay_way *way, const struct relay_frame *frame, const uint8_t *payload)
{
    (void)payload;
    container_of(way, struct port, way)->closes += frame->kind == RELAY_CLOSE;
    return 0;
}

static struct relay_way *find_way(void *user, uint32_t domain)
{
    (void)user;
    if (domain == FAR_AWAY)
        return &trunk.way;
    if (domain == DEAF)
        return &deaf.way;
    return domain - FIRST_GUEST < GUESTS ? &ports[domain - FIRST_GUEST].way : NULL;
}

static void nothing(struct relay_line *line)
{
    (void)line;
}

static void start(void)
{
    static const struct relay_line_user user = {.reset = nothing};

    host = (struct relay_switch){.find = find_way};
    relay_line_init(&trunk, true, &user);
    relay_line_init(&deaf, false, &user);
    trunk.up = deaf.up = true;
    for (unsigned i = 0; i < GUESTS; i++)
        ports[i] = (struct port){.way.send = port_send};
}

static void stop(void)
{
    relay_switch_deinit(&host);
    relay_line_deinit(&trunk);
    relay_line_deinit(&deaf);
}

static void pass(unsigned guest, enum relay_kind kind, uint64_t channel, uint32_t length)
{
    static const uint8_t payload[RELAY_PAYLOAD_MAX];
    struct relay_frame frame = {.kind = kind,
                                .length = length,
                                .source = FIRST_GUEST + guest,
                                .target = FAR_AWAY,
                                .channel = channel};

    relay_switch_pass(&host, &ports[guest].way, &frame, payload);
}

static void open_and_fill(unsigned guest, uint64_t channel)
{
    uint32_t left = RELAY_WINDOW;

    pass(guest, RELAY_OPEN, channel, 0);
    while (left > sizeof(struct relay_frame)) {
        uint32_t length = left - (uint32_t)sizeof(struct relay_frame);

        length = length < RELAY_PAYLOAD_MAX ? length : RELAY_PAYLOAD_MAX;
        pass(guest, RELAY_DATA, channel, length);
        left -= length + (uint32_t)sizeof(struct relay_frame);
    }
}

static void fill_all(unsigned guests)
{
    for (unsigned guest = 0; guest < guests; guest++)
        for (unsigned i = 0; i < RELAY_CHANNELS_MAX; i++)
            open_and_fill(guest, i);
}

static unsigned closes(unsigned guests)
{
    unsigned count = 0;

    for (unsigned guest = 0; guest < guests; guest++)
        count += ports[guest].closes;
    return count;
}

static void all_channels_of_a_host_may_be_full(void)
{
    start();
    fill_all(GUESTS);
    CHECK(host.count == RELAY_HOST_CHANNELS_MAX && !closes(GUESTS) && !trunk.broken);
    stop();
}

/* What an ended channel had sent waits for as long as what others send. */
static void one_that_opens_and_fills_again_and_again(void)
{
    start();
    fill_all(GUESTS - 1);
    for (uint64_t i = 0; i < 3000; i++) {
        open_and_fill(GUESTS - 1, i);
        pass(GUESTS - 1, RELAY_CLOSE, i, 0);
    }
    CHECK(ports[GUESTS - 1].closes && !closes(GUESTS - 1) && !trunk.broken);
    CHECK(queue_length(&trunk.out) < (GUESTS - 1) * 8 * MIB + 21 * MIB);
    stop();
}

static void one_that_floods_with_what_costs_nothing(void)
{
    start();
    pass(0, RELAY_OPEN, 1, 0);
    for (uint64_t i = 0; i < FLOOD; i++) {
        pass(1, RELAY_OPEN, i, 0);
        pass(1, RELAY_PROBE, i, 0);
        pass(1, RELAY_CLOSE, i, 0);
    }
    CHECK(!trunk.broken && ports[1].closes && queue_length(&trunk.out) < 3 * MIB);
    pass(0, RELAY_PROBE, 1, 0);
    open_and_fill(0, 2);
    CHECK(host.count == 2 && !ports[0].closes);
    stop();
}

/* It asks for channels that are not there, each with another domain, and does not hear the answers.
 */
static void one_that_does_not_hear_how_often_it_is_refused(void)
{
    struct relay_frame stray = {.kind = RELAY_PROBE, .source = DEAF};

    start();
    for (uint32_t i = 0; i < FLOOD && !deaf.broken; i++) {
        stray.target = FAR_AWAY + i;
        relay_switch_pass(&host, &deaf.way, &stray, NULL);
    }
    CHECK(deaf.broken && queue_length(&deaf.out) < 5 * MIB);
    stop();
}

static void take(size_t length)
{
    queue_drop(&trunk.out, length < queue_length(&trunk.out) ? length : queue_length(&trunk.out));
}

/* A line that moves is never empty, and nobody's share is used up by what has gone. */
static void what_has_gone_does_not_count(void)
{
    struct relay_frame credit = {.kind = RELAY_CREDIT, .amount = RELAY_CREDIT_MIN, .source = 3};

    start();
    open_and_fill(0, 1);
    for (unsigned i = 0; i < FLOOD; i++) {
        CHECK(trunk.way.send(&trunk.way, &credit, NULL) == 0);
        take(sizeof(credit));
    }
    CHECK(!trunk.broken && queue_length(&trunk.out) > RELAY_WINDOW / 2);
    stop();
}

static const struct check_test tests[] = {
    {"all channels of a host may be full", all_channels_of_a_host_may_be_full},
    {"one that opens and fills again and again", one_that_opens_and_fills_again_and_again},
    {"one that floods with what costs nothing", one_that_floods_with_what_costs_nothing},
    {"one that does not hear how often it is refused",
     one_that_does_not_hear_how_often_it_is_refused},
    {"what has gone does not count", what_has_gone_does_not_count},
};

int main(void)
{
    CHECK(sodium_init() >= 0);
    return check_run(tests, sizeof(tests) / sizeof(tests[0]));
}
