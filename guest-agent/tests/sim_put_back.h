/* A guest of a simulation that is put back to an older state, with its agent and its programs, and
 * nobody tells its agent. From then on its programs write other bytes than they did the first time.
 *
 * It is saved while no region is attached: QEMU saves it at no other time. In between nothing else
 * goes wrong: docs/protocol.md promises no more. */
#pragma once

#include "link/internal.h"
#include "sim_faults.h"

#define LATER 400 /* steps */

/* One of the saved side's streams, and its program. */
struct saved_stream {
    struct stream stream;
    uint8_t *sent, *received; /* its fifos */
    struct program program;
};

static struct {
    enum { NOT_SAVED, TO_BE_SAVED, SAVED, PUT_BACK } state;
    int which;
    unsigned steps; /* since it was saved */
    uint64_t incarnation, peer_incarnation;
    struct handover handover;
    uint32_t opened;
    struct saved_stream streams[STREAMS];
} past;
static unsigned total_put_back;

/* Whether nothing else may go wrong now. */
static bool calm(void)
{
    return past.state == SAVED || past.state == PUT_BACK;
}

static uint8_t *copy_of(const struct fifo *fifo)
{
    uint8_t *bytes = malloc(fifo->size);

    CHECK(bytes);
    return memcpy(bytes, fifo->bytes, fifo->size);
}

static bool may_be_saved(int which)
{
    const struct link *link = sides[which].link;
    bool good = link->synced && !link->attached && !handover_running(&link->handover) &&
                link->count > 2 && !stopped.hold;

    for (uint32_t i = 0; good && i < link->count; i++)
        good = link->streams[i]->state == STREAM_OPEN && !link->streams[i]->dead &&
               !link->streams[i]->direct_tx && !link->streams[i]->direct_rx &&
               !link->streams[i]->rx.fin_known && !link->streams[i]->tx.ended;
    return good;
}

static void save_program(int stream, int which)
{
    struct program *program = &programs[stream][which];
    struct saved_stream *saved = &past.streams[stream];
    struct stream *own = program->fd < 0 ? NULL : served(stream, which);

    if (program->side != past.which || !own)
        return;
    saved->program = *program;
    saved->stream = *own;
    saved->sent = copy_of(&own->tx.fifo);
    saved->received = copy_of(&own->rx.fifo);
}

static void save_when_possible(void)
{
    const struct link *link = sides[past.which].link;

    if (past.state != TO_BE_SAVED || !may_be_saved(past.which))
        return;
    for (int i = 0; i < 2 * open_streams; i++)
        save_program(i / 2, i % 2);
    past.state = SAVED;
    past.steps = 0;
    past.incarnation = link->incarnation;
    past.peer_incarnation = link->peer_incarnation;
    past.handover = link->handover;
    past.opened = link->opened;
}

static void save_soon(int which)
{
    past.state = TO_BE_SAVED;
    past.which = which;
}

static void forget_the_past(void)
{
    for (int i = 0; i < STREAMS; i++) {
        free(past.streams[i].sent);
        free(past.streams[i].received);
        past.streams[i] = (struct saved_stream){0};
    }
    past.state = NOT_SAVED;
}

/* What was under way between a program and its agent, and is so again. */
static void say_again(int fd, int stream, int writer, uint64_t from, uint64_t to)
{
    static uint8_t bytes[65536];

    while (from < to) {
        size_t length = to - from < sizeof(bytes) ? (size_t)(to - from) : sizeof(bytes);

        for (size_t i = 0; i < length; i++)
            bytes[i] = byte_at(stream, writer, from + i);
        CHECK(send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length);
        from += length;
    }
}

static void remember(struct stream *stream, const struct saved_stream *saved)
{
    struct stream empty = *stream;

    *stream = saved->stream;
    stream->next = empty.next;
    stream->source = empty.source;
    stream->direct = NULL;
    stream->lingerer = NULL;
    stream->tx.fifo.bytes = memcpy(empty.tx.fifo.bytes, saved->sent, stream->tx.fifo.size);
    stream->rx.fifo.bytes = memcpy(empty.rx.fifo.bytes, saved->received, stream->rx.fifo.size);
}

/* The program has lived through nothing since: its reader may have had more of it. */
static void begin_again(int stream, int which, const struct saved_stream *saved)
{
    struct link *link = sides[past.which].link;
    const struct stream *was = &saved->stream;
    struct stream *own = link_add_stream(link, was->id, was->window, was->name, strlen(was->name));
    int pair[2];

    CHECK(own && socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    remember(own, saved);
    programs[stream][which] = saved->program;
    programs[stream][which].fd = pair[1];
    say_again(pair[1], stream, which, was->tx.fifo.end, saved->program.written);
    say_again(pair[0], stream, 1 - which, saved->program.read, was->rx.fifo.start);
    write_otherwise(stream, which);
    CHECK(stream_adopt(own, pair[0]) == 0);
}

static void lose_program(int stream, int which)
{
    for (int direction = 0; direction < 2; direction++)
        if (hold_of(stream, which, direction))
            release(hold_of(stream, which, direction));
    if (programs[stream][which].fd >= 0)
        close(programs[stream][which].fd);
    programs[stream][which] = (struct program){.fd = -1, .side = past.which};
}

static void put_back(void)
{
    struct link *link;

    end_life(past.which);
    link = sides[past.which].link;
    link->incarnation = past.incarnation;
    link->peer_incarnation = past.peer_incarnation;
    link->handover = past.handover;
    link->opened = past.opened;
    for (int i = 0; i < 2 * open_streams; i++) {
        if (programs[i / 2][i % 2].side != past.which)
            continue;
        lose_program(i / 2, i % 2);
        if (past.streams[i / 2].sent)
            begin_again(i / 2, i % 2, &past.streams[i / 2]);
    }
    past.state = PUT_BACK;
    put_back_side = past.which;
    total_put_back++;
}

static void pass_a_step(void)
{
    save_when_possible();
    if (past.state == SAVED && past.steps++ > LATER)
        put_back();
    else if (past.state == PUT_BACK && sides[0].link->synced && sides[1].link->synced)
        forget_the_past();
}
