/* Programs of a simulation in direct mode: they hold an end of a ring as the shim does, and lose it
 * at any moment. A program sees the region through its agent's view: it is one device. */
#pragma once

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "base/turn.h"
#include "link/direct.h"
#include "ring/direct.h"
#include "sim_world.h"

#define NOBODYS_THREAD 0x3fffffffu /* the kernel counts threads up to 0x400000 */

#define KEPT_SAMPLES 200

/* One end of a ring in a program's hands. */
struct hold {
    struct direct ends;
    int kick;
    bool giving_back;
};

static struct hold holds[STREAMS][2][2]; /* [stream][which program][direction] */
static unsigned total_given, total_by_ring, total_torn, total_stopped, total_stranded;

enum { TO_PEER, FROM_PEER };

static struct hold *hold_of(int stream, int which, int direction)
{
    struct hold *hold = &holds[stream][which][direction];

    return hold->ends.page ? hold : NULL;
}

static struct direct_end *end_of(struct hold *hold, int direction)
{
    return direction == TO_PEER ? &hold->ends.page->tx : &hold->ends.page->rx;
}

static void release(struct hold *hold)
{
    munmap(hold->ends.page, REGION_PAGE);
    close(hold->kick);
    *hold = (struct hold){0};
}

static void release_all(void)
{
    for (int i = 0; i < 4 * STREAMS; i++)
        if (hold_of(i / 4, i / 2 % 2, i % 2))
            release(&holds[i / 4][i / 2 % 2][i % 2]);
}

static void *live(void *id)
{
    __atomic_store_n((uint32_t *)id, (uint32_t)gettid(), __ATOMIC_RELEASE);
    while (pause() < 0)
        continue;
    return NULL;
}

static uint32_t living_thread(void)
{
    static uint32_t id;
    pthread_t thread;

    if (!id)
        CHECK(pthread_create(&thread, NULL, live, &id) == 0);
    while (!__atomic_load_n(&id, __ATOMIC_ACQUIRE))
        sched_yield();
    return id;
}

/* ---- getting ---- */

static struct stream *served(int stream, int which)
{
    struct link *link = sides[programs[stream][which].side].link;

    for (uint32_t i = 0; i < link->count; i++)
        if (!link->streams[i]->dead && atoi(link->streams[i]->name) == stream)
            return link->streams[i];
    return NULL;
}

static void map_hold(struct hold *hold, const struct link *link, const struct stream *served)
{
    struct direct_page *page =
        mmap(NULL, REGION_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, served->direct_fd, 0);

    CHECK(page != MAP_FAILED);
    *hold = (struct hold){.kick = dup(link->direct_kick.fd)};
    hold->ends = (struct direct){.page = page,
                                 .header = link->view,
                                 .tx_control = (void *)(link->view.base + page->tx_ring),
                                 .rx_control = (void *)(link->view.base + page->rx_ring),
                                 .size = page->window};
    total_given++;
}

static void ask_for_end(int stream, int which)
{
    int direction = (int)pick(2);
    struct program *program = &programs[stream][which];
    struct stream *own = program->fd < 0 ? NULL : served(stream, which);
    struct link *link = sides[program->side].link;

    if (!own || hold_of(stream, which, direction) || (direction == TO_PEER && program->shut))
        return;
    if (direct_give(link, own, direction == TO_PEER ? DIRECT_TX : DIRECT_RX) == 0)
        map_hold(&holds[stream][which][direction], link, own);
}

static bool is_acknowledged(const struct stream *own)
{
    if (direct_holds_tx(own))
        return own->tx.ring.control->consumer.index == own->direct->tx.index;
    return !fifo_length(&own->tx.fifo);
}

/* What an agent keeps to send again must be what its program wrote, however it came by it. */
static void check_kept(int side)
{
    for (int i = 0; i < 2 * STREAMS; i++) {
        struct stream *own = programs[i / 2][i % 2].side == side ? served(i / 2, i % 2) : NULL;
        uint32_t length = own ? fifo_length(&own->tx.fifo) : 0;
        struct iovec piece[2];

        for (int sample = 0; length && sample < KEPT_SAMPLES; sample++) {
            uint64_t offset = own->tx.fifo.start + pick(length);

            fifo_pieces(&own->tx.fifo, offset, 1, piece);
            CHECK(*(uint8_t *)piece[0].iov_base == written_at(i / 2, i % 2, offset));
        }
    }
}

/* ---- using ---- */

static void kick_agent(const struct hold *hold, bool kick)
{
    uint64_t one = 1;

    if (kick)
        CHECK(write(hold->kick, &one, sizeof(one)) == sizeof(one));
}

/* False: the end is the agent's again, and the socket is what counts. */
static bool still_held(struct hold *hold, int direction)
{
    if (__atomic_load_n(&end_of(hold, direction)->holder, __ATOMIC_ACQUIRE) == DIRECT_PROGRAMS)
        return true;
    release(hold);
    return false;
}

static void note_failure(struct hold *hold, ssize_t error)
{
    CHECK(error == -EAGAIN || error == -EIO);
    if (error != -EIO)
        return;
    __atomic_store_n(&hold->ends.page->give_back, 1, __ATOMIC_RELEASE);
    hold->giving_back = true;
    kick_agent(hold, true);
}

/* True: the program has written by its ring, or waits for it. */
static bool ring_write(int stream, int which)
{
    struct hold *hold = hold_of(stream, which, TO_PEER);
    struct program *program = &programs[stream][which];
    uint8_t bytes[8192];
    size_t length = 1 + pick(sizeof(bytes));
    bool kick = false;
    ssize_t put;

    if (!hold || program->shut || !still_held(hold, TO_PEER))
        return false;
    if (hold->giving_back)
        return true;
    fill(stream, which, bytes, length);
    put = direct_put(&hold->ends, bytes, length, &kick);
    if (put < 0)
        note_failure(hold, put);
    kick_agent(hold, kick);
    program->written += put > 0 ? (uint64_t)put : 0;
    total_by_ring += put > 0;
    return true;
}

/* What the agent has put into the socket comes first: the caller has found it empty. */
static void ring_read(int stream, int which)
{
    struct hold *hold = hold_of(stream, which, FROM_PEER);
    uint8_t bytes[16384];
    bool kick = false;
    ssize_t got;

    if (!hold || !still_held(hold, FROM_PEER) || hold->giving_back)
        return;
    got = direct_get(&hold->ends, bytes, 1 + pick(sizeof(bytes)), &kick);
    if (got < 0)
        note_failure(hold, got);
    kick_agent(hold, kick);
    program_check(stream, which, bytes, got);
}

/* ---- being stopped ---- */

/* One program at a time is stopped in the middle of a copy: the turn is a thread's that lives. It
 * has mapped the region itself, and keeps that whatever becomes of its stream, agent and link. */
static struct {
    struct hold *hold;
    int stream;
    int which;
    size_t length;
    struct view own;
    bool stranded; /* its stream has ended */
} stopped;

static bool is_stopped(int stream, int which)
{
    return stopped.hold && stopped.stream == stream && stopped.which == which;
}

static bool map_again(const struct view *view)
{
    stopped.own = *view;
    stopped.own.base = mremap(view->base, 0, view->size, MREMAP_MAYMOVE);
    return stopped.own.base != MAP_FAILED; /* what a lying view shows may be nobody's */
}

/* What its agent's view shows now: it is one device. */
static void see_the_same(int side)
{
    if (!stopped.hold || programs[stopped.stream][stopped.which].side != side)
        return;
    munmap(stopped.own.base, stopped.own.size);
    CHECK(map_again(&sides[side].link->view));
}

static void stop(int stream, int which)
{
    struct hold *hold = hold_of(stream, which, TO_PEER);
    struct direct_end *end = hold ? end_of(hold, TO_PEER) : NULL;
    size_t room;

    if (stopped.hold || !hold || programs[stream][which].shut || hold->giving_back ||
        !still_held(hold, TO_PEER))
        return;
    room = hold->ends.size - (size_t)(end->index - hold->ends.tx_control->consumer.index);
    if (!room || room > hold->ends.size || !map_again(&hold->ends.header))
        return;
    stopped.hold = hold;
    stopped.stream = stream;
    stopped.which = which;
    stopped.stranded = false;
    stopped.length = 1 + pick((uint32_t)(room < 8192 ? room : 8192));
    if (stopped.length > room)
        stopped.length = room;
    end->turn = living_thread();
    total_stopped++;
}

/* Its region or its agent goes, or the peer's does: then what it is in the middle of is lost. */
static void strand(void)
{
    if (!stopped.hold)
        return;
    excused[stopped.stream] = true;
    total_stranded += !stopped.stranded;
    stopped.stranded = true;
}

/* It goes on where it was: whatever has happened meanwhile, it is still in its ring. */
static void go_on_copying(void)
{
    struct hold *hold = stopped.hold;
    struct program *program = hold ? &programs[stopped.stream][stopped.which] : NULL;
    struct direct_end *end = hold ? end_of(hold, TO_PEER) : NULL;
    uint8_t *place = hold ? stopped.own.base + hold->ends.page->tx_ring : NULL;
    struct ring_tx ring;
    uint8_t bytes[8192];

    if (!hold)
        return;
    ring = (struct ring_tx){
        .control = (void *)place, .data = place + REGION_PAGE, .size = hold->ends.size};
    fill(stopped.stream, stopped.which, bytes, stopped.length);
    ring_tx_copy(&ring, end->index, bytes, (uint32_t)stopped.length);
    if (view_trusted(&stopped.own)) {
        end->index += stopped.length;
        ring_tx_publish(&ring, end->index);
        program->written += stopped.length;
    }
    turn_give(&end->turn);
    munmap(stopped.own.base, stopped.own.size);
    stopped.hold = NULL;
}

/* ---- being killed ---- */

static bool socket_holds_bytes(const struct program *program)
{
    uint8_t byte;

    return recv(program->fd, &byte, sizeof(byte), MSG_PEEK) >= 0;
}

/* One of two processes that share the stream is killed in its turn: before it has noted how far it
 * is, and its bytes do not count; or before it has published that. The other one goes on. */
static bool tear(int stream, int which)
{
    int direction = (int)pick(2);
    struct hold *hold = hold_of(stream, which, direction);
    struct program *program = &programs[stream][which], before = *program;
    struct direct_end *end;
    struct ring_end *shown;
    uint64_t index, published;

    if (is_stopped(stream, which) || !hold || program->shut || hold->giving_back ||
        !still_held(hold, direction) || (direction == FROM_PEER && socket_holds_bytes(program)))
        return false;
    end = end_of(hold, direction);
    shown =
        direction == TO_PEER ? &hold->ends.tx_control->producer : &hold->ends.rx_control->consumer;
    index = end->index;
    published = shown->index;
    if (direction == TO_PEER)
        ring_write(stream, which);
    else
        ring_read(stream, which);
    shown->index = published;
    if (pick(2)) {
        end->index = index;
        *program = before;
    }
    end->turn = NOBODYS_THREAD;
    total_torn++;
    return true;
}
