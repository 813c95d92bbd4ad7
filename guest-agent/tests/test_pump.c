/* Whose turn it is: between two links, with a clock that stands still unless it is told. */
#include <sys/ioctl.h>

#include "two_links.h"

#define HOLD_US 40000u
#define ROUND (256u << 10)
#define TURN_US 4000u
#define UNSETTLED_US 100000u

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
