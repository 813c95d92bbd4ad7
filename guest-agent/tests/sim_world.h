/* The world of a simulation: two agents' links, the wires between them, and a clock.
 *
 * A wire is one connection. After a cut its ends may still get, late, what was under way then, but
 * nothing that is said afterwards. One side may be on the next wire already while the other one is
 * still on the old one: so there are three. */
#pragma once

#include <string.h>
#include <unistd.h>

#include "check.h"
#include "link/link.h"
#include "path/mem.h"
#include "programs.h"

#define WIRES 3
#define NO_WIRE (-1)
#define NO_SIDE (-1)

struct side {
    struct loop loop;
    struct budget budget;
    struct lingering lingering;
    struct link *link;
    int wire;
    unsigned handovers;
    unsigned aborts;
    uint64_t suspended_us; /* so long in all */
};

struct wire {
    struct mem_end ends[2]; /* [i] is read by side i */
    bool cut;
    bool repeated;  /* a message comes twice: it may be refused */
    size_t late[2]; /* bytes that still come after the cut */
};

static struct side sides[2];
static struct wire wires[WIRES];
static int open_streams;
static int accepted;
static uint64_t clock_us = 1;
static unsigned total_cuts, total_late;
static int put_back_side; /* NO_SIDE: none was put back to an older state */

/* A guest's clock stands still while it is suspended. */
static uint64_t clock_of_0(void)
{
    return clock_us - sides[0].suspended_us;
}

static uint64_t clock_of_1(void)
{
    return clock_us - sides[1].suspended_us;
}

/* ---- what the links need ---- */

/* What the server had of a stream that was reset before its opener heard that it was open: the
 * opener asks again, and nothing of the first attempt has reached it. */
static void forget_server(int stream)
{
    struct program *server = &programs[stream][1];

    if (server->fd < 0)
        return;
    CHECK(excused[stream] && programs[stream][0].read == 0);
    close(server->fd);
    *server = (struct program){.fd = -1, .side = server->side};
}

/* The name of a stream is its index here. */
static int sim_connect(void *user, const struct stream *stream)
{
    struct program *server = &programs[atoi(stream->name)][1];
    int pair[2];

    (void)user;
    if (pick(4) == 0)
        return -EAGAIN; /* the server's backlog is full for a while */
    if (pick(32) == 0) {
        excused[atoi(stream->name)] = true;
        return -EACCES;
    }
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    forget_server(atoi(stream->name));
    server->fd = pair[1];
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
    const struct side *side = user;

    if (event == STREAM_RESET && side->link->region_lost && strcmp(reason, LINK_HELD_RING) == 0)
        excused[atoi(stream->name)] = true; /* its program is in the middle of a copy */
    if (event != STREAM_RESET || excused[atoi(stream->name)])
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

static void sim_exported(void *user, const char *name, enum export_scope scope)
{
    (void)user, (void)name, (void)scope;
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

static void new_link(int which)
{
    struct side *side = &sides[which];

    side->link = link_new(&side->loop, &side->budget, &side->lingering, 3u + (uint32_t)which,
                          4u - (uint32_t)which, &sim_user, side);
}

/* ---- wires ---- */

static void cut(struct wire *wire)
{
    if (wire->cut)
        return;
    total_cuts++;
    wire->cut = true;
    for (int i = 0; i < 2; i++) {
        wire->late[i] = pick(2) ? queue_length(&wire->ends[i].in) : 0;
        total_late += wire->late[i] > 0;
    }
}

static struct wire *wire_of(int which)
{
    return sides[which].wire == NO_WIRE ? NULL : &wires[sides[which].wire];
}

static void hang_up(int which)
{
    if (wire_of(which))
        cut(wire_of(which));
    sides[which].wire = NO_WIRE;
    link_down(sides[which].link);
}

/* After a cut the sides notice at different times, or not before the next connection. */
static void notice(int which)
{
    if (wire_of(which) && wire_of(which)->cut)
        hang_up(which);
}

/* Nobody is on it, and nothing passes from one connection to the next. */
static int fresh_wire(void)
{
    int index = 0;

    while (index == sides[0].wire || index == sides[1].wire)
        index++;
    for (int i = 0; i < 2; i++) {
        queue_clear(&wires[index].ends[i].in);
        wires[index].ends[i].numbers = (struct frame_numbers){0};
    }
    wires[index].repeated = false;
    wires[index].cut = false;
    return index;
}

static void go_on_by(int which, int index)
{
    sides[which].wire = index;
    link_up(sides[which].link, &wires[index].ends[which].carrier,
            sides[1 - which].link->incarnation);
}

/* One side is on the next connection first; the other one follows when it gets to it. */
static void reconnect(int which)
{
    struct wire *own = wire_of(which), *other = wire_of(1 - which);

    if (other && !other->cut && own != other)
        go_on_by(which, sides[1 - which].wire);
    else if (!own || own->cut)
        go_on_by(which, fresh_wire());
}

/* A link may end its connection only for two reasons, if nothing was said twice, or otherwise. */
static void check_end(struct wire *wire, struct mem_end *end)
{
    bool refused = end->failed;
    const char *gave_up = end->gave_up;

    end->failed = false;
    end->gave_up = NULL;
    if (!refused && !gave_up)
        return;
    CHECK(wire->repeated || put_back_side != NO_SIDE ||
          (!refused &&
           (strcmp(gave_up, LINK_FETCH_MISSING) == 0 || strcmp(gave_up, LINK_UNANSWERED) == 0)));
    cut(wire);
}

/* Hands the next message to a side. Returns false if there was none. */
static bool deliver(int which)
{
    struct wire *wire = wire_of(which);
    struct mem_end *end = wire ? &wire->ends[which] : NULL;
    size_t before = end ? queue_length(&end->in) : 0;
    bool any = end && (!wire->cut || wire->late[which]) && mem_deliver(end);

    if (any && wire->cut && wire->late[which])
        wire->late[which] -= before - queue_length(&end->in);
    if (end && (end->failed || end->gave_up))
        check_end(wire, end);
    return any;
}

/* ---- the beginning and the end ---- */

static void start_world(void)
{
    open_streams = 0;
    clock_us = 1;
    memset(excused, 0, sizeof(excused));
    memset(others, 0, sizeof(others));
    put_back_side = NO_SIDE;
    for (int i = 0; i < WIRES; i++)
        mem_pair_init(wires[i].ends);
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){.budget.limit = 2u << 20, .wire = NO_WIRE};
        CHECK(loop_init(&sides[i].loop) == 0);
        sides[i].loop.clock = i ? clock_of_1 : clock_of_0;
        sides[i].loop.now_us = clock_us;
        new_link(i);
        for (int k = 0; k < WIRES; k++) {
            wires[k].cut = true;
            wires[k].ends[i].user_ops = &sim_carrier;
            wires[k].ends[i].user = &sides[i];
        }
    }
    reconnect(0);
    reconnect(1);
}

static void finish_world(void)
{
    for (int i = 0; i < 2; i++) {
        link_free(sides[i].link);
        CHECK(sides[i].budget.used == 0);
        lingering_deinit(&sides[i].lingering);
        loop_deinit(&sides[i].loop);
    }
    for (int i = 0; i < 2 * open_streams; i++)
        close(programs[i / 2][i % 2].fd);
    for (int i = 0; i < WIRES; i++)
        mem_pair_deinit(wires[i].ends);
}
