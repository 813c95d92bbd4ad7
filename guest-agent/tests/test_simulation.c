/* Two links in one process, joined by wires in memory, driven by a seeded random schedule: programs
 * write and read, messages are delivered one at a time, handovers start on either or both sides,
 * deadlines pass, connections are cut with messages under way, views of the region lie, guests
 * move, agents die. Every byte is checked against what was written, by offset; no stream may be
 * reset unless an agent has died; and both sides must end in agreement.
 *
 *   test_simulation [--seed FIRST] [--count SEEDS] [--trace] [--table]
 */
#include <errno.h>
#include <getopt.h>

#include "base/log.h"
#include "sim_coverage.h"
#include "sim_faults.h"

#define STEPS 6000
#define SETTLE_TURNS 20000
#define SEEDS 150

static bool trace;
static unsigned total_committed, total_aborted;

/* In some runs few programs have much time: those keep the ends of their rings for long. */
static bool leisurely(void)
{
    return seed % 3 == 0;
}

/* ---- what can happen ---- */

static void open_stream(int which)
{
    int index = open_streams;
    char name[12];
    int pair[2];

    if (index >= (leisurely() ? STREAMS / 4 : STREAMS) || !link_may_open(sides[which].link))
        return;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    programs[index][0] = (struct program){.fd = pair[1], .side = which};
    programs[index][1] = (struct program){.fd = -1, .side = 1 - which};
    open_streams++;
    /* Opened towards a life of the peer that has ended, unnoticed. */
    excused[index] = sides[which].link->peer_incarnation != sides[1 - which].link->incarnation;
    snprintf(name, sizeof(name), "%d", index);
    link_open(sides[which].link, pair[0], name, STREAM_NO_USER);
}

static void serve(int which)
{
    struct side *side = &sides[which];

    /* Past a handover's first rest, often. */
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

static void hand_over_both(int which)
{
    hand_over(which);
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
    go_on_copying();
}

static void some_shut(int which)
{
    int stream = open_streams ? (int)pick((uint32_t)open_streams) : 0;

    if (open_streams && !is_stopped(stream, which))
        program_shut(stream, which);
}

static void some_deliver(int which)
{
    deliver(which);
}

static const struct happening {
    const char *name;
    uint32_t weight; /* of 1000, roughly */
    void (*happens)(int which);
} happenings[] = {
    {"deliver", 250, some_deliver},
    {"serve", 200, serve_or_cut},
    {"write", 250, some_write},
    {"read", 250, some_read},
    {"open", 15, open_stream},
    {"hand over", 12, hand_over},
    {"both hand over", 3, hand_over_both},
    {"deadline", 4, pass_deadline},
    {"cut", 3, cut_wire},
    {"notice", 5, notice},
    {"reconnect", 6, reconnect},
    {"lie", 1, lie},
    {"ask for ends", 40, many_ask},
    {"one is killed", 12, one_is_killed},
    {"one is stopped", 30, one_is_stopped},
    {"it goes on", 20, it_goes_on},
    {"shut", 2, some_shut},
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
    happenings[i].happens(which);
}

/* Rare, and not in every run: most runs must end with every byte in its place. */
static void disaster(void)
{
    int which = (int)pick(2);

    if (seed % 5 == 1)
        crash(which);
    else if (seed % 5 == 2)
        repeat(which);
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
           at_rest(sides[1].link);
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

/* What was written comes even if nobody does anything more but read. */
static void settle(void)
{
    const struct link *a = sides[0].link, *b = sides[1].link;

    go_on_copying();
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
    for (int i = 0; i < STEPS; i++) {
        step(i);
        if (i % 1500 == 1499)
            disaster();
    }
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
           "%u repeated: no byte wrong\n",
           count, accepted, total_committed, total_aborted, total_cuts, total_late, total_lies[0],
           total_lies[1], total_lies[2], total_moves, total_crashes, total_repeats);
    printf(
        "   direct mode: %u ends given, %u writes by ring, %u killed in their turn, %u stopped\n",
        total_given, total_by_ring, total_torn, total_stopped);
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
    CHECK(total_stopped > count / 2);
    CHECK(missed == 0);
    return 0;
}
