/* Whose turn it is: between two links, with a clock that stands still unless it is told. */
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/region_header.h"
#include "check.h"
#include "link/link.h"
#include "path/mem.h"

#define STREAMS 16
#define REGION_SIZE (8u << 20)
#define HOLD_US 40000u
#define ROUND (256u << 10)
#define TURN_US 4000u
#define UNSETTLED_US 100000u

static struct loop loops[2];
static struct link *links[2];
static struct mem_end ends[2];
static struct budget budget = {.limit = 64u << 20};
static struct lingering lingering;
static int programs[STREAMS]; /* of the lower domain */
static int servers[STREAMS], served;
static bool ending;
static uint64_t now_us = 1, look_us; /* what a look at the clock takes */

static uint64_t stopped_clock(void)
{
    return now_us += look_us;
}

static int serve(void *user, const struct stream *stream)
{
    int pair[2];

    (void)user, (void)stream;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    servers[served++] = pair[1];
    return pair[0];
}

static void hear_nothing(void *user)
{
    (void)user;
}

static void hear_of_stream(void *user, const struct stream *stream, enum stream_event event,
                           const char *reason)
{
    (void)user, (void)stream, (void)reason;
    CHECK(event == STREAM_OPENED || ending);
}

static void hear_of_handover(void *user, const struct handover_report *report)
{
    (void)user;
    CHECK(report->committed);
}

static const struct link_user link_user = {.connect = serve,
                                           .up = hear_nothing,
                                           .stream = hear_of_stream,
                                           .handed_over = hear_of_handover,
                                           .exports_synced = hear_nothing};

static int pass_message(void *link, const struct wire_header *header, const uint8_t *payload)
{
    return link_message(link, header, payload);
}

static const struct carrier_user carrier_user = {.message = pass_message};

static void deliver_all(void)
{
    while (mem_deliver(&ends[0]) || mem_deliver(&ends[1]))
        continue;
    CHECK(!ends[0].failed && !ends[1].failed);
}

static void attach(struct link *link, int fd, const struct region_identity *identity)
{
    char path[32], why[REGION_WHY_MAX];
    struct view view;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK(shm_map(&view, dup(fd), path, identity->nonce, why) == 0);
    link_attach(link, &view, 0);
}

static void share_memory(void)
{
    struct region_identity identity = {.size = REGION_SIZE, .lower_id = 3, .higher_id = 4};
    struct region_header header;
    int fd = memfd_create("region", 0);

    region_header_make(&header, &identity);
    CHECK(ftruncate(fd, REGION_SIZE) == 0 && write(fd, &header, sizeof(header)) == sizeof(header));
    attach(links[0], fd, &identity);
    attach(links[1], fd, &identity);
    close(fd);
}

static void open_streams(void)
{
    char name[2] = "0";
    int pair[2];

    for (int i = 0; i < STREAMS; i++, name[0]++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
        link_open(links[0], pair[0], name, STREAM_NO_USER);
        programs[i] = pair[1];
    }
    deliver_all();
    CHECK(served == STREAMS);
}

static void begin(void)
{
    mem_pair_init(ends);
    served = 0;
    ending = false;
    log_open("/dev/null"); /* the streams are reset in the end */
    for (int i = 0; i < 2; i++) {
        CHECK(loop_init(&loops[i]) == 0);
        loops[i].clock = stopped_clock;
        loops[i].now_us = now_us;
        links[i] = link_new(&loops[i], &budget, &lingering, 3u + (uint32_t)i, 4u - (uint32_t)i,
                            &link_user, NULL);
        ends[i].user_ops = &carrier_user;
        ends[i].user = links[i];
    }
    for (int i = 0; i < 2; i++)
        link_up(links[i], &ends[i].carrier, links[1 - i]->incarnation);
    deliver_all();
    open_streams();
    share_memory();
}

static void finish(void)
{
    ending = true;
    for (int i = 0; i < STREAMS; i++)
        close(programs[i]), close(servers[i]);
    for (int i = 0; i < 2; i++) {
        link_free(links[i]);
        loop_deinit(&loops[i]);
    }
    mem_pair_deinit(ends);
}

static void all_write(const int fds[STREAMS], int reader)
{
    for (int i = 0; i < STREAMS; i++)
        CHECK(write(fds[i], "words", 5) == 5);
    CHECK(loop_turn(&loops[reader], 0) == 0);
}

static unsigned given(int side)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < links[side]->count; i++)
        count += links[side]->streams[i]->tx.sent > 0;
    return count;
}

static const uint8_t much[64 << 10];

static void all_write_much(void)
{
    for (int i = 0; i < STREAMS; i++)
        CHECK(write(programs[i], much, sizeof(much)) == sizeof(much));
    CHECK(loop_turn(&loops[0], 0) == 0);
}

/* How much at most one of the servers has to read. */
static int most_delivered(void)
{
    int most = 0, length;

    for (int i = 0; i < STREAMS; i++) {
        CHECK(ioctl(servers[i], FIONREAD, &length) == 0);
        most = length > most ? length : most;
    }
    return most;
}

static unsigned heard(const int fds[STREAMS])
{
    unsigned count = 0;
    char word;

    for (int i = 0; i < STREAMS; i++)
        count += recv(fds[i], &word, sizeof(word), MSG_PEEK | MSG_DONTWAIT) > 0;
    return count;
}

static void a_round_is_for_all(void)
{
    begin();
    all_write(programs, 0);
    CHECK(link_pump(links[0]) && given(0) == STREAMS);
    CHECK(!link_pump(links[0]));
    finish();
}

/* As much as it gets in one go; the carrier has no room for all of it. */
static void many_streams_share_a_round(void)
{
    begin();
    all_write_much();
    CHECK(link_pump(links[0]) && given(0) > STREAMS / 2);
    for (uint32_t i = 0; i < STREAMS; i++)
        CHECK(links[0]->streams[i]->tx.sent <= ROUND / STREAMS);
    finish();
}

/* The peer has not even heard of it: nothing stands still, and messages are looked for in between.
 */
static void on_the_way_to_tcp_one_after_the_other_goes_on(void)
{
    begin();
    CHECK(link_hand_over(links[0], WIRE_PATH_SHM, 1000) == 0);
    deliver_all();
    CHECK(links[0]->handover.path == WIRE_PATH_SHM && !handover_running(&links[0]->handover));
    CHECK(link_hand_over(links[0], WIRE_PATH_TCP, 1000) == 0);
    all_write(programs, 0);
    for (unsigned i = 1; i <= STREAMS; i++)
        CHECK(link_pump(links[0]) && given(0) == i);
    CHECK(!link_pump(links[0]));
    deliver_all();
    CHECK(links[0]->handover.path == WIRE_PATH_TCP && !handover_running(&links[0]->handover));
    finish();
}

static void on_the_way_to_memory_data_is_held_for_a_while(void)
{
    begin();
    all_write(servers, 1);
    CHECK(link_pump(links[1]) && given(1) == STREAMS);
    CHECK(link_hand_over(links[0], WIRE_PATH_SHM, 1000) == 0);
    while (mem_deliver(&ends[0]))
        continue;
    all_write(programs, 0);
    while (link_pump(links[0]))
        continue;
    CHECK(heard(programs) == STREAMS && given(0) == 0); /* what comes is delivered */
    CHECK(link_sleep(links[0]) == HOLD_US);
    now_us += HOLD_US;
    CHECK(loop_turn(&loops[0], 0) == 0);
    while (link_pump(links[0]))
        continue;
    CHECK(given(0) == STREAMS);
    finish();
}

/* Who waits for an acknowledgement hears of it before all others have moved. */
static void on_tcp_a_turn_ends_after_a_while(void)
{
    begin();
    all_write(programs, 0);
    look_us = TURN_US / 2;
    CHECK(link_pump(links[0]) && given(0) == 2);
    look_us = 0;
    CHECK(link_pump(links[0]) && given(0) == STREAMS);
    finish();
}

/* To an agent that gives its programs nothing. */
static void send_all_that_may_be_sent(void)
{
    while (link_pump(links[0]))
        while (mem_deliver(&ends[1]))
            continue;
}

static void on_the_way_is_a_share_once_there_is_a_region(void)
{
    begin();
    all_write_much();
    send_all_that_may_be_sent();
    for (uint32_t i = 0; i < STREAMS; i++)
        CHECK(links[0]->streams[i]->tx.sent / (ROUND / STREAMS) == 1); /* the carrier cuts one */
    links[0]->attached = false;
    send_all_that_may_be_sent();
    for (uint32_t i = 0; i < STREAMS; i++)
        CHECK(links[0]->streams[i]->tx.sent == sizeof(much));
    links[0]->attached = true;
    finish();
}

/* The peer has them all to deliver at once, and the streams wait for nobody's turn; nor does the
 * FENCE for the copying of all that is at hand. */
static void with_the_fence_a_share_is_in_every_ring(void)
{
    begin();
    CHECK(link_hand_over(links[0], WIRE_PATH_SHM, 1000) == 0);
    all_write_much();
    while (link_pump(links[0]))
        continue; /* held: read from the programs only */
    CHECK(given(0) == 0);
    deliver_all();
    CHECK(links[0]->handover.path == WIRE_PATH_SHM);
    for (uint32_t i = 0; i < STREAMS; i++)
        CHECK(links[0]->streams[i]->tx.sent == ROUND / STREAMS);
    finish();
}

static void right_behind_a_handover_a_round_is_for_all(void)
{
    begin();
    CHECK(link_hand_over(links[0], WIRE_PATH_SHM, 1000) == 0);
    deliver_all();
    all_write(programs, 0);
    look_us = TURN_US;
    CHECK(link_pump(links[0]) && given(0) == STREAMS);
    look_us = 0;
    finish();
}

static void right_behind_a_handover_programs_get_a_share_at_a_time(void)
{
    begin();
    CHECK(link_hand_over(links[0], WIRE_PATH_SHM, 1000) == 0);
    deliver_all();
    all_write_much();
    while (link_pump(links[0]))
        continue;
    CHECK(loop_turn(&loops[1], 0) == 0);
    CHECK(link_pump(links[1]) && most_delivered() == ROUND / STREAMS);
    now_us += UNSETTLED_US;
    CHECK(loop_turn(&loops[1], 0) == 0);
    CHECK(link_pump(links[1]) && most_delivered() == sizeof(much));
    finish();
}

static const struct check_test tests[] = {
    {"a round is for all streams", a_round_is_for_all},
    {"many streams share a round", many_streams_share_a_round},
    {"on the way to tcp one stream after the other goes on",
     on_the_way_to_tcp_one_after_the_other_goes_on},
    {"on the way to memory DATA is held for a while",
     on_the_way_to_memory_data_is_held_for_a_while},
    {"on tcp a turn ends after a while", on_tcp_a_turn_ends_after_a_while},
    {"on the way is a share once there is a region", on_the_way_is_a_share_once_there_is_a_region},
    {"with the FENCE a share is in every ring", with_the_fence_a_share_is_in_every_ring},
    {"right behind a handover a round is for all streams",
     right_behind_a_handover_a_round_is_for_all},
    {"right behind a handover programs get a share at a time",
     right_behind_a_handover_programs_get_a_share_at_a_time},
};

CHECK_MAIN(tests)
