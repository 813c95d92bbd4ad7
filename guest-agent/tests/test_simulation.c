/* Two links in one process, joined by memory, driven by a seeded random schedule: programs write
 * and read, messages are delivered one at a time, handovers start on either or both sides,
 * deadlines pass, connections are cut with messages under way. Every byte is checked against what
 * was written, by offset; no stream may ever be reset; and both sides must end in agreement.
 *
 *   test_simulation [FIRST_SEED [COUNT]]
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/region_header.h"
#include "check.h"
#include "link/link.h"
#include "path/mem.h"
#include "path/shm.h"
#include "programs.h"

#define STEPS 6000
#define SETTLE_TURNS 20000
#define REGION_SIZE (4u << 20)
#define SEEDS 150

struct side {
    struct loop loop;
    struct budget budget;
    struct link *link;
    bool up; /* has been told of the current connection */
    unsigned handovers;
    unsigned aborts;
};

static struct side sides[2];
static struct mem_end ends[2];
static int open_streams;
static int accepted;
static int region_fd = -1;
static uint64_t clock_us = 1;
static unsigned total_committed, total_aborted, total_cuts, total_lost;

static uint64_t sim_clock(void)
{
    return clock_us;
}

/* ---- what the links need ---- */

/* The name of a stream is its index here. */
static int sim_connect(void *user, const char *name)
{
    int index = atoi(name);
    int pair[2];

    (void)user;
    if (pick(4) == 0)
        return -EAGAIN; /* the server's backlog is full for a while */
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    programs[index][1].fd = pair[1];
    accepted++;
    return pair[0];
}

static void sim_nothing(void *user)
{
    (void)user;
}

static void sim_stream(void *user, const struct stream *stream, enum stream_event event,
                       const char *reason)
{
    (void)user;
    if (event != STREAM_RESET)
        return;
    fprintf(stderr, "seed %u: stream %s was reset: %s\n", seed, stream->name, reason);
    exit(1);
}

static void sim_handed_over(void *user, const struct handover_report *report)
{
    struct side *side = user;

    side->handovers += report->committed;
    side->aborts += !report->committed;
}

static void sim_exported(void *user, const char *name, bool present)
{
    (void)user, (void)name, (void)present;
}

static const struct link_user sim_user = {.connect = sim_connect,
                                          .up = sim_nothing,
                                          .stream = sim_stream,
                                          .handed_over = sim_handed_over,
                                          .exported = sim_exported,
                                          .exports_synced = sim_nothing};

static int sim_message(void *user, const struct wire_header *header, const uint8_t *payload)
{
    return link_message(((struct side *)user)->link, header, payload);
}

static const struct carrier_user sim_carrier = {.message = sim_message};

/* ---- what can happen ---- */

static void open_stream(void)
{
    struct side *side = &sides[pick(2)];
    int index = open_streams;
    char name[8];
    int pair[2];

    if (index >= STREAMS || !link_may_open(side->link))
        return;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    programs[index][0] = (struct program){.fd = pair[1]};
    programs[index][1] = (struct program){.fd = -1};
    open_streams++;
    snprintf(name, sizeof(name), "%d", index);
    link_open(side->link, pair[0], name);
}

static void serve(struct side *side)
{
    clock_us += pick(4) ? pick(2000) : pick(100000); /* past a handover's first rest, often */
    CHECK(loop_turn(&side->loop, 0) == 0);
    link_pump(side->link);
    if (pick(3) == 0)
        link_sleep(side->link);
}

static void new_region(void)
{
    struct region_identity identity = {.size = REGION_SIZE, .lower_id = 3, .higher_id = 4};
    struct region_header header;
    char path[32], why[SHM_WHY_MAX];
    struct view view;

    for (int i = 0; i < 2; i++)
        if (link_detach(sides[i].link) != 0)
            return;
    if (region_fd >= 0)
        close(region_fd);
    region_fd = memfd_create("region", 0);
    CHECK(ftruncate(region_fd, REGION_SIZE) == 0);
    for (size_t i = 0; i < sizeof(identity.nonce); i++)
        identity.nonce[i] = (uint8_t)pick(256);
    region_header_make(&header, &identity);
    CHECK(pwrite(region_fd, &header, sizeof(header), 0) == sizeof(header));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", region_fd);
    for (int i = 0; i < 2; i++) {
        CHECK(shm_map(&view, path, identity.nonce, why) == 0);
        link_attach(sides[i].link, &view, 0);
    }
}

static void hand_over(void)
{
    struct link *link = sides[pick(2)].link;

    if (link->handover.path == WIRE_PATH_TCP && pick(2))
        new_region();
    link_hand_over(link, pick(4) ? 1 - link->handover.path : pick(2), 60000);
}

static void pass_deadline(struct side *side)
{
    struct loop_timer *deadline = &side->link->attempt.deadline;

    if (!deadline->armed)
        return;
    loop_disarm(&side->loop, deadline);
    deadline->expired(deadline);
}

static void cut(void)
{
    total_cuts++;
    for (int i = 0; i < 2; i++)
        sides[i].up = false;
}

/* After a cut the sides notice at different times, before the next connection. */
static void notice(struct side *side)
{
    if (!side->up)
        link_down(side->link);
}

static void reconnect(void)
{
    if (sides[0].link->carrier || sides[1].link->carrier)
        return;
    for (int i = 0; i < 2; i++)
        queue_clear(&ends[i].in); /* lost: nothing passes from one connection to the next */
    for (int i = 0; i < 2; i++) {
        sides[i].up = true;
        link_up(sides[i].link, &ends[i].carrier, 100u + (uint64_t)(1 - i));
    }
}

/* One side's mapping shows something else from now on, or the region itself changes. */
static void lose_region(struct side *side)
{
    uint8_t zeros[REGION_NONCE_SIZE] = {0};

    if (!side->link->attached || pick(4))
        return;
    total_lost++;
    if (pick(2))
        side->link->view.nonce[0] ^= 1;
    else
        CHECK(pwrite(region_fd, zeros, sizeof(zeros), offsetof(struct region_header, nonce)) ==
              sizeof(zeros));
}

/* A link may end its connection only for two reasons. */
static void check_end(struct mem_end *end)
{
    CHECK(!end->failed);
    if (!end->gave_up)
        return;
    CHECK(strcmp(end->gave_up, LINK_FETCH_MISSING) == 0 ||
          strcmp(end->gave_up, LINK_UNANSWERED) == 0);
    end->gave_up = NULL;
    cut();
}

/* Nothing is delivered between a cut and its being noticed. */
static void deliver(int which)
{
    if (sides[which].up)
        mem_deliver(&ends[which]);
    check_end(&ends[which]);
}

static void step(void)
{
    int stream = open_streams ? (int)pick((uint32_t)open_streams) : 0;
    int which = (int)pick(2);
    uint32_t what = pick(1000);

    if (what < 250)
        deliver(which);
    else if (what < 450)
        serve(&sides[which]);
    else if (what < 700 && open_streams)
        program_write(stream, which);
    else if (what < 950 && open_streams)
        program_read(stream, which);
    else if (what < 965)
        open_stream();
    else if (what < 980)
        hand_over();
    else if (what < 984)
        pass_deadline(&sides[which]);
    else if (what < 987)
        cut();
    else if (what < 992)
        notice(&sides[which]);
    else if (what < 997)
        reconnect();
    else if (what < 998)
        lose_region(&sides[which]);
    else if (open_streams)
        program_shut(stream, which);
}

/* ---- the end: everything must arrive, and both must agree ---- */

static bool all_arrived(void)
{
    for (int stream = 0; stream < open_streams; stream++)
        for (int which = 0; which < 2; which++)
            if (!programs[stream][which].ended ||
                programs[stream][which].read != programs[stream][1 - which].written)
                return false;
    return sides[0].link->count == 0 && sides[1].link->count == 0;
}

static void settle_turn(void)
{
    for (int i = 0; i < 2; i++) {
        notice(&sides[i]);
        serve(&sides[i]);
        while (sides[i].up && mem_deliver(&ends[i]))
            check_end(&ends[i]);
    }
    reconnect();
    for (int i = 0; i < 2 * open_streams; i++) {
        program_read(i / 2, i % 2);
        program_shut(i / 2, i % 2);
    }
}

static void settle(void)
{
    struct link *a = sides[0].link, *b = sides[1].link;
    int turns = 0;

    while ((!all_arrived() || handover_running(&a->handover) || handover_running(&b->handover)) &&
           turns++ < SETTLE_TURNS)
        settle_turn();
    CHECK(all_arrived());
    CHECK(!handover_running(&a->handover) && !handover_running(&b->handover));
    CHECK(a->handover.epoch == b->handover.epoch && a->handover.path == b->handover.path);
    CHECK(a->handover.path == WIRE_PATH_TCP || (a->attached && b->attached));
}

static void start(void)
{
    mem_pair_init(ends);
    open_streams = 0;
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){.budget.limit = 2u << 20};
        CHECK(loop_init(&sides[i].loop) == 0);
        sides[i].loop.clock = sim_clock;
        sides[i].loop.now_us = clock_us;
        sides[i].link = link_new(&sides[i].loop, &sides[i].budget, 3u + (uint32_t)i,
                                 4u - (uint32_t)i, &sim_user, &sides[i]);
        ends[i].user_ops = &sim_carrier;
        ends[i].user = &sides[i];
    }
    reconnect();
}

static void finish(void)
{
    total_committed += sides[0].handovers;
    total_aborted += sides[0].aborts + sides[1].aborts;
    for (int i = 0; i < 2; i++) {
        link_free(sides[i].link);
        CHECK(sides[i].budget.used == 0);
        loop_deinit(&sides[i].loop);
    }
    for (int i = 0; i < 2 * open_streams; i++)
        close(programs[i / 2][i % 2].fd);
    mem_pair_deinit(ends);
}

static void run(uint32_t this_seed)
{
    seed = this_seed;
    random_state = this_seed * 2654435761u + 1;
    start();
    for (int i = 0; i < STEPS; i++)
        step();
    settle();
    finish();
}

int main(int argc, char **argv)
{
    uint32_t first = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    uint32_t count = argc > 2 ? (uint32_t)atoi(argv[2]) : SEEDS;

    if (argc == 1)
        log_open("/dev/null"); /* resets and lost regions are the daily bread here */
    for (uint32_t i = 0; i < count; i++)
        run(first + i);
    printf("   %u seeds: %d streams, %u handovers, %u aborts, %u cuts, %u regions lost: "
           "no byte wrong\n",
           count, accepted, total_committed, total_aborted, total_cuts, total_lost);
    CHECK(total_committed > count && total_aborted > count / 2 && total_cuts > count);
    return 0;
}
