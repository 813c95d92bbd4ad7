/* After every new connection both sides say what they have received of each stream, and resume.
 *
 * On the tcp path a sender goes back to what the peer has received; on the shm path nothing was
 * lost with the connection. FIN, ACK, OPEN and OPENED are said again: all are idempotent. The epoch
 * tells a responder that had voted how the handover ended. */
#include "link/direct.h"
#include "link/internal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

static struct wire_stream_state state_of(const struct stream *stream)
{
    bool opening = stream->state == STREAM_UNSENT || stream->state == STREAM_OPENING;

    return (struct wire_stream_state){.stream = stream->id,
                                      .life = opening ? WIRE_STREAM_OPENING : WIRE_STREAM_OPEN,
                                      .received = stream->rx.fifo.end,
                                      .delivered = stream->rx.fifo.start};
}

/* LINGERING_MAX sees to it that all have room. */
static uint32_t list_held(const struct link *link, struct wire_stream_state *states, uint32_t count)
{
    for (const struct lingerer *l = link->lingering->first; l && count < WIRE_STATES_MAX;
         l = l->next)
        if (l->link == link)
            states[count++] =
                (struct wire_stream_state){.stream = l->stream, .life = WIRE_STREAM_HELD};
    return count;
}

/* Who hears how much was delivered sends as much more by the ring, at once: the ring has to say so,
 * too, or this side would find more there than there can be. */
static void publish_delivered(struct link *link, struct stream *stream)
{
    if (stream->rx.path == WIRE_PATH_SHM && !direct_holds_rx(stream))
        stream_publish_delivered(stream, &link->kick_due);
}

void resync_send(struct link *link)
{
    static struct wire_stream_state states[WIRE_STATES_MAX]; /* one thread; 64 KiB */
    uint32_t count = 0;

    for (uint32_t i = 0; i < link->count; i++) {
        if (link->streams[i]->dead)
            continue;
        publish_delivered(link, link->streams[i]);
        states[count++] = state_of(link->streams[i]);
    }
    count = list_held(link, states, count);
    link_send(link, WIRE_RESYNC, 0, 0, states, count * sizeof(states[0]));
}

static const struct wire_stream_state *find_state(const struct wire_stream_state *states,
                                                  size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (states[i].stream == id)
            return &states[i];
    return NULL;
}

/* The peer has no such stream: it was finished or reset there, or its OPEN was lost. */
static void missing(struct link *link, struct stream *stream)
{
    if (stream->state == STREAM_UNSENT)
        return;
    if (stream->state == STREAM_OPENING) {
        stream->state = STREAM_UNSENT;
        return;
    }
    stream->peer_let_go = true;
    link_peer_forgot(link, stream);
    link_say_closed(link, stream->id); /* it keeps the slot for us */
}

/* The opener has not heard that it is open, and has read nothing. It would read another stream's
 * bytes in a ring that this side does not see any more: then it travels by tcp, from its first
 * byte. */
static void confirm_again(struct link *link, struct stream *stream)
{
    if (link->region_lost) {
        slots_give_back(&link->slots, &stream->slot);
        stream_detach(stream);
    }
    link_confirm_open(link, stream);
}

/* A program that was stopped in the middle of a copy has kept its ends of the rings: it knows where
 * they are, and nothing of them was lost with the connection. */
static void resume_open(struct link *link, struct stream *stream,
                        const struct wire_stream_state *state)
{
    if (state->life == WIRE_STREAM_OPENING && !stream->opener)
        confirm_again(link, stream);
    if (!direct_holds_tx(stream) && stream_resume(stream, state->received, state->delivered,
                                                  link->loop->now_us) == STREAM_BROKEN)
        link_reset(link, stream, stream->fault);
    stream->tx.fin_sent = false;
    stream->rx.ack_due = !direct_holds_rx(stream);
}

static void resume(struct link *link, struct stream *stream, const struct wire_stream_state *states,
                   size_t count)
{
    const struct wire_stream_state *state = find_state(states, count, stream->id);

    if (stream->dead)
        return;
    if (!state)
        missing(link, stream);
    else if (state->life == WIRE_STREAM_HELD)
        link_peer_forgot(link, stream); /* but not its rings */
    else if (stream->state == STREAM_OPEN)
        resume_open(link, stream, state);
}

static void bury_unlisted(struct link *link, const struct wire_stream_state *states, size_t count)
{
    struct zombie *next;

    for (struct zombie *zombie = link->zombies; zombie; zombie = next) {
        next = zombie->next;
        if (!find_state(states, count, zombie->id))
            link_bury(link, zombie->id);
    }
}

/* It ended here after our own RESYNC had still listed it: the peer would wait for it for ever. */
static void tell_of_ended(struct link *link, const struct wire_stream_state *states, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (states[i].life != WIRE_STREAM_OPEN || link_find(link, states[i].stream))
            continue;
        if (link_is_held(link, states[i].stream))
            link_send(link, WIRE_RST, states[i].stream, 0, LINK_HELD_RING, strlen(LINK_HELD_RING));
        else
            link_say_closed(link, states[i].stream);
    }
}

int on_resync(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    static struct wire_stream_state states[WIRE_STATES_MAX]; /* one thread; 64 KiB */
    size_t count = header->length / sizeof(*states);
    struct handover_event sync = {.input = HANDOVER_SYNC, .peer_epoch = header->epoch};

    if (header->length % sizeof(*states) || count > WIRE_STATES_MAX)
        return -EPROTO;
    if (!handover_expects(&link->handover, sync)) {
        log_error("link %u: epochs %u and %u do not fit together: one side was put back to an "
                  "older state; the link begins anew",
                  link->peer_id, link->handover.epoch, header->epoch);
        link_begin_anew(link);
        return -EPROTO;
    }
    memcpy(states, payload, header->length);
    link_handover_step(link, sync);
    link->synced = true;
    for (uint32_t i = 0; i < link->count; i++)
        resume(link, link->streams[i], states, count);
    bury_unlisted(link, states, count);
    tell_of_ended(link, states, count);
    link_reap(link);
    link->user_ops->up(link->user);
    link_advance_opens(link);
    link_handover_begin(link);
    link->kick_due |= link->handover.path == WIRE_PATH_SHM; /* the peer compares */
    return 0;
}
