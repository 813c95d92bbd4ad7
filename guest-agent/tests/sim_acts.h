/* What the programs and agents of a simulation do, each when its turn comes. */
#pragma once

#include "sim_put_back.h"

/* In some runs few programs have much time: those keep the ends of their rings for long. */
static bool leisurely(void)
{
    return seed % 3 == 0;
}

/* The last ones come when a stream has ended, and its ring's place could be theirs. */
static int streams_of_now(void)
{
    if (stopped.hold && stopped.stranded)
        return STREAMS;
    return leisurely() ? STREAMS / 4 : STREAMS - 4;
}

static void open_stream(int which)
{
    int index = open_streams;
    char name[12];
    int pair[2];

    if (index >= streams_of_now() || !link_may_open(sides[which].link))
        return;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    programs[index][0] = (struct program){.fd = pair[1], .side = which};
    programs[index][1] = (struct program){.fd = -1, .side = 1 - which};
    open_streams++;
    /* Opened towards a life of the peer that has ended, unnoticed; or after one side was put back,
     * which the other one may find out still. */
    excused[index] = put_back_side != NO_SIDE ||
                     sides[which].link->peer_incarnation != sides[1 - which].link->incarnation;
    snprintf(name, sizeof(name), "%d", index);
    link_open(sides[which].link, pair[0], name, STREAM_NO_USER);
}

static void serve(int which)
{
    struct side *side = &sides[which];

    /* Past the times after which somebody looks again, now and then. */
    clock_us += pick(leisurely() ? 100 : 4) ? pick(2000) : pick(100000);
    CHECK(loop_turn(&side->loop, 0) == 0);
    link_pump(side->link);
    if (pick(3) == 0)
        link_sleep(side->link);
}

static void serve_or_cut(int which)
{
    serve(which);
    if (wire_of(which))
        check_end(wire_of(which), &wire_of(which)->ends[which]);
}

static void hand_over(int which)
{
    struct link *link = sides[which].link;

    if (link->handover.path == WIRE_PATH_SHM && leisurely() && pick(5))
        return;
    if (link->handover.path == WIRE_PATH_TCP && pick(2))
        meet();
    check_kept(which);
    link_hand_over(link, pick(4) ? 1 - link->handover.path : pick(2), 60000);
    check_kept(which);
}

/* A guest that is suspended, and its agent and programs with it, while time goes on. */
#define SUSPENDED_STEPS 200
#define SUSPENDED_STEP_US 60000u /* at most: some 6 s in all, more than any answer may take */

static struct {
    int side;
    unsigned steps;
} suspended;
static unsigned total_suspended;

static void suspend(int which)
{
    suspended.side = which;
    suspended.steps = SUSPENDED_STEPS;
    total_suspended++;
}

static bool is_suspended(int which)
{
    return suspended.steps && suspended.side == which;
}

static void pass_suspended_time(void)
{
    uint64_t passes_us = suspended.steps ? pick(SUSPENDED_STEP_US) : 0;

    suspended.steps -= suspended.steps > 0;
    clock_us += passes_us;
    sides[suspended.side].suspended_us += passes_us;
}

static void hand_over_both(int which)
{
    hand_over(which);
    if (is_suspended(1 - which))
        return;
    link_hand_over(sides[1 - which].link, 1 - sides[1 - which].link->handover.path, 60000);
}

static void pass_deadline(int which)
{
    struct loop_timer *deadline = &sides[which].link->attempt.deadline;

    if (!deadline->armed)
        return;
    loop_disarm(&sides[which].loop, deadline);
    deadline->expired(deadline);
}

static void cut_wire(int which)
{
    if (wire_of(which))
        cut(wire_of(which));
}

static void any_write(int stream, int which)
{
    if (is_stopped(stream, which))
        return;
    if (!ring_write(stream, which))
        program_write(stream, which);
}

static void any_read(int stream, int which)
{
    if (is_stopped(stream, which))
        return;
    if (!program_read(stream, which))
        ring_read(stream, which);
}

static void some_write(int which)
{
    if (open_streams)
        any_write((int)pick((uint32_t)open_streams), which);
}

static void some_read(int which)
{
    if (open_streams)
        any_read((int)pick((uint32_t)open_streams), which);
}

static void many_ask(int which)
{
    for (int stream = 0; stream < open_streams; stream++)
        ask_for_end(stream, which);
}

static void one_is_killed(int which)
{
    for (int stream = 0; stream < open_streams; stream++)
        if (pick(2) && tear(stream, which))
            return;
}

static void one_is_stopped(int which)
{
    if (open_streams)
        stop((int)pick((uint32_t)open_streams), which);
}

static void it_goes_on(int which)
{
    (void)which;
    if (!stopped.stranded || !pick(8))
        go_on_copying();
}

/* Rarely: most streams must be there at the end. */
static void it_is_reset(int which)
{
    (void)which;
    if (seed % 4 == 3)
        reset_stopped();
}

static void some_shut(int which)
{
    int stream = open_streams ? (int)pick((uint32_t)open_streams) : 0;

    if (open_streams && !is_stopped(stream, which) && past.state == NOT_SAVED)
        program_shut(stream, which);
}

static void some_deliver(int which)
{
    deliver(which);
}
