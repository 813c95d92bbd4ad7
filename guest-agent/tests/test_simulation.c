/* Two links in one process, joined by wires in memory, driven by a seeded random schedule: programs
 * write and read, messages are delivered one at a time, handovers start on either or both sides,
 * deadlines pass, connections are cut with messages under way, views of the region lie, guests
 * move, are suspended or put back, agents die. Every byte is checked against what was written, by
 * offset; no stream may be reset unless an agent has died; and both sides must end in agreement.
 *
 *   test_simulation [--seed FIRST] [--count SEEDS] [--trace] [--table]
 */
#include <getopt.h>

#include "base/log.h"
#include "sim_acts.h"
#include "sim_coverage.h"

#define STEPS 6000
#define SETTLE_TURNS 20000
#define SEEDS 150

static bool trace;
static unsigned total_committed, total_aborted;

/* ---- what can happen ---- */

static const struct happening {
    const char *name;
    uint32_t weight; /* of 1000, roughly */
    void (*happens)(int which);
    bool harms; /* not while nothing else may go wrong */
} happenings[] = {
    {"deliver", 250, some_deliver, false},
    {"serve", 200, serve_or_cut, false},
    {"write", 250, some_write, false},
    {"read", 250, some_read, false},
    {"open", 15, open_stream, false},
    {"hand over", 12, hand_over, false},
    {"both hand over", 3, hand_over_both, false},
    {"deadline", 4, pass_deadline, true},
    {"cut", 3, cut_wire, true},
    {"notice", 5, notice, false},
    {"reconnect", 6, reconnect, false},
    {"lie", 1, lie, true},
    {"ask for ends", 40, many_ask, false},
    {"one is killed", 12, one_is_killed, false},
    {"one is stopped", 30, one_is_stopped, true},
    {"it goes on", 20, it_goes_on, false},
    {"it is reset", 8, it_is_reset, true},
    {"shut", 2, some_shut, false},
};

static void step(int number)
{
    uint32_t total = 0, what, i = 0;
    int which = (int)pick(2);

    for (size_t k = 0; k < sizeof(happenings) / sizeof(happenings[0]); k++)
        total += happenings[k].weight;
    for (what = pick(total); what >= happenings[i].weight; i++)
        what -= happenings[i].weight;
    if (trace)
        fprintf(stderr, "%5d side %d: %s (%s %s)\n", number, which, happenings[i].name,
                handover_phase_name(sides[0].link->handover.phase),
                handover_phase_name(sides[1].link->handover.phase));
    if (!is_suspended(which) && !(happenings[i].harms && calm()))
        happenings[i].happens(which);
    pass_suspended_time();
}

/* Rare, and not in every run: most runs must end with every byte in its place. */
static void disaster(void)
{
    int which = (int)pick(2);

    if (seed % 5 == 1)
        crash(which);
    else if (seed % 5 == 2)
        repeat(which);
    else if (seed % 5 == 3)
        suspend(which);
}

/* ---- the end: everything must arrive, and both must agree ---- */

static bool is_read(int stream)
{
    return excused[stream] || (programs[stream][0].read == programs[stream][1].written &&
                               programs[stream][1].read == programs[stream][0].written);
}

static bool is_over(int stream)
{
    return is_read(stream) &&
           (excused[stream] || (programs[stream][0].ended && programs[stream][1].ended));
}

static bool all_read(void)
{
    for (int stream = 0; stream < open_streams; stream++)
        if (!is_read(stream))
            return false;
    return true;
}

static bool at_rest(const struct link *link)
{
    return link->synced && !handover_running(&link->handover);
}

/* Everything is read, and the senders have the room again. */
static bool all_quiet(void)
{
    if (!at_rest(sides[0].link) || !at_rest(sides[1].link))
        return false;
    for (int i = 0; i < 2 * open_streams; i++) {
        const struct stream *own = programs[i / 2][i % 2].fd < 0 ? NULL : served(i / 2, i % 2);

        if (own && !excused[i / 2] && !is_acknowledged(own))
            return false;
    }
    return all_read();
}

static bool all_over(void)
{
    for (int stream = 0; stream < open_streams; stream++)
        if (!is_over(stream))
            return false;
    return sides[0].link->count == 0 && sides[1].link->count == 0 && at_rest(sides[0].link) &&
           at_rest(sides[1].link) && !sides[0].link->zombies; /* every place is free again */
}

static void settle_turn(bool over)
{
    for (int i = 0; i < 2; i++) {
        notice(i);
        serve_or_cut(i);
        while (deliver(i))
            continue;
    }
    reconnect(0);
    reconnect(1);
    for (int i = 0; i < 2 * open_streams; i++) {
        any_read(i / 2, i % 2);
        if (over)
            program_shut(i / 2, i % 2);
    }
}

static void settle_until(bool (*settled)(void), bool over)
{
    for (int turns = 0; !settled() && turns < SETTLE_TURNS; turns++)
        settle_turn(over);
    CHECK(settled());
}

/* Nobody comes after those who are killed in the end, and goes on where they were. */
static void many_are_killed(void)
{
    if (sides[0].link->handover.path == WIRE_PATH_TCP)
        hand_over(0);
    settle_until(all_quiet, false);
    for (int i = 0; i < 8 * open_streams; i++)
        ask_for_end(i / 2 % open_streams, i % 2);
    for (int i = 0; i < 4 * open_streams; i++)
        tear(i / 2 % open_streams, i % 2);
}

static void stop_any(void)
{
    for (int i = 0; i < 8 * open_streams; i++)
        ask_for_end(i / 2 % open_streams, i % 2);
    for (int i = 0; i < 2 * open_streams; i++)
        stop(i / 2, i % 2);
}

static void newcomers_write(void)
{
    int first = open_streams;

    for (int i = 0; i < 4; i++)
        open_stream(i % 2);
    for (int turns = 0; turns < 50; turns++)
        settle_turn(false);
    for (int i = 0; i < 100; i++)
        for (int stream = first; stream < open_streams; stream++)
            any_write(stream, i % 2);
}

/* Who comes after a stream whose program is in the middle of a copy is not written over by it. */
static void one_lingers(void)
{
    if (seed % 4 != 3)
        return;
    if (sides[0].link->handover.path == WIRE_PATH_TCP)
        hand_over(0);
    settle_until(all_quiet, false);
    stop_any();
    reset_stopped();
    for (int turns = 0; turns < 50; turns++)
        settle_turn(false);
    newcomers_write();
    for (int turns = 0; turns < 4; turns++)
        serve(turns % 2);
    go_on_copying();
}

/* What was written comes even if nobody does anything more but read. */
static void settle(void)
{
    const struct link *a = sides[0].link, *b = sides[1].link;

    go_on_copying();
    settle_until(all_quiet, false);
    one_lingers();
    settle_until(all_quiet, false);
    many_are_killed();
    settle_until(all_quiet, false);
    settle_until(all_over, true);
    CHECK(a->handover.epoch == b->handover.epoch && a->handover.path == b->handover.path);
    CHECK(a->handover.path == WIRE_PATH_TCP || (a->attached && b->attached));
}

static void run(uint32_t this_seed)
{
    seed = this_seed;
    pick_state = this_seed * 2654435761u + 1;
    start_world();
    suspended.steps = 0;
    if (seed % 5 == 4)
        save_soon((int)pick(2));
    for (int i = 0; i < STEPS; i++) {
        step(i);
        pass_a_step();
        if (i % 1500 == 1499)
            disaster();
    }
    forget_the_past();
    settle();
    total_committed += sides[0].handovers;
    total_aborted += sides[0].aborts + sides[1].aborts;
    release_all();
    finish_world();
}

static void summary(uint32_t count)
{
    printf("   %u seeds: %d streams, %u handovers, %u aborts, %u cuts (%u with messages that came "
           "late), views that lied: %u zeros, %u others, %u copies; %u moves, %u crashes, "
           "%u put back, %u suspended, %u repeated: no byte wrong\n",
           count, accepted, total_committed, total_aborted, total_cuts, total_late, total_lies[0],
           total_lies[1], total_lies[2], total_moves, total_crashes, total_put_back,
           total_suspended, total_repeats);
    printf("   direct mode: %u ends given, %u writes by ring, %u killed in their turn, %u stopped, "
           "%u of "
           "them when their stream ended\n",
           total_given, total_by_ring, total_torn, total_stopped, total_stranded);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"table", no_argument, NULL, 'r'},
                                            {0}};
    uint32_t first = 1, count = SEEDS;
    bool table = false;
    int missed;

    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        first = option == 's' ? (uint32_t)strtoul(optarg, NULL, 10) : first;
        count = option == 'c' ? (uint32_t)strtoul(optarg, NULL, 10) : option == 's' ? 1 : count;
        trace |= option == 't';
        table |= option == 'r';
        if (option == '?')
            return 2;
    }
    if (!trace)
        log_open("/dev/null"); /* resets and lost regions are the daily bread here */
    for (uint32_t i = 0; i < count; i++)
        run(first + i);
    summary(count);
    missed = coverage_report();
    if (table)
        coverage_table();
    if (count < SEEDS)
        return 0;
    CHECK(total_committed > count && total_aborted > count / 2 && total_cuts > count);
    CHECK(total_lies[A_COPY] > count / 2 && total_by_ring > 5 * count && total_torn > count / 4);
    CHECK(total_stopped > count / 2 && total_stranded > count / 8);
    CHECK(total_put_back > count / 10 && total_suspended > count / 2);
    CHECK(missed == 0);
    return 0;
}
