/* Moving bytes: every stream gets its turn with one quantum for each of its four steps, so that
 * neither a fast stream nor a stalled program holds up the others. */
#include "link/direct.h"
#include "link/internal.h"

#define LINK_RECHECK_US 200000u /* a lost kick costs no more than this */
#define LINK_RECHECK_MAX_US 3200000u
#define LINK_LONELY_US 50000u /* on shm with no connection to be kicked through */
#define LINK_HOLD_US 40000u
#define LINK_ROUND (256u << 10) /* of DATA, for all streams together */
#define LINK_TURN_US 4000u      /* between two looks for messages */
#define LINK_UNSETTLED_US 100000u
#define LINK_SHARE_MIN 4096u

/* What is queued before a stream is what it waits for: with many streams each one has less of it at
 * a time, and comes by more often. */
uint32_t link_piece(const struct link *link)
{
    uint32_t share = LINK_ROUND / link->count;

    if (share < LINK_SHARE_MIN)
        return LINK_SHARE_MIN;
    return share < STREAM_QUANTUM ? share : STREAM_QUANTUM;
}

/* A handover is on, or has begun just now: what the old path had is there all at once. */
static bool unsettled(const struct link *link)
{
    uint64_t since_us = link->loop->now_us - link->attempt.started_us;

    return handover_running(&link->handover) ||
           (link->attempt.started_us && since_us < LINK_UNSETTLED_US);
}

/* Who has voted says in its RESYNC what it has received, and hears then whether the ring counts: it
 * takes nothing more out of it in between. A peer that was put back to an older state sends other
 * bytes from there on. */
static bool in_doubt(const struct link *link)
{
    return link->handover.phase == HANDOVER_VOTED && link->carrier && !link->synced;
}

/* In a handover and right behind it programs are given less at a time: each stream comes by sooner,
 * and so do the acknowledgements of all. */
static enum stream_result receive(struct link *link, struct stream *stream)
{
    uint32_t most = unsettled(link) ? link_piece(link) : STREAM_QUANTUM;
    enum stream_result taken = STREAM_STILL, written;

    if (direct_holds_rx(stream))
        return STREAM_STILL;
    if (!link->region_lost && !in_doubt(link))
        taken = stream_take_ring(stream, &link->view, most);
    if (taken == STREAM_BROKEN)
        return STREAM_BROKEN;
    written = stream_write_program(stream, most);
    return written == STREAM_STILL ? taken : written;
}

static void acknowledge(struct link *link, struct stream *stream)
{
    struct wire_header header = {.magic = WIRE_MAGIC, .type = WIRE_ACK, .stream = stream->id};
    bool by_message = stream->rx.path == WIRE_PATH_TCP || stream->rx.fin_delivered;

    if (stream->rx.path == WIRE_PATH_SHM)
        stream_publish_delivered(stream, &link->kick_due);
    if (by_message && !link->synced)
        return; /* stays due */
    stream->rx.ack_due = false;
    if (!by_message)
        return;
    header.offset = stream->rx.fifo.start;
    header.flags = stream->rx.fin_delivered ? WIRE_ACK_FIN : 0;
    header.epoch = link->handover.epoch;
    link->carrier->ops->send(link->carrier, &header, NULL, 0);
}

/* For how long no DATA is sent. On the way to shared memory the FENCE comes behind all that is
 * queued; the peer has that to deliver meanwhile. */
static uint64_t hold_us(const struct link *link)
{
    const struct handover *handover = &link->handover;
    bool fence_due = handover->phase == HANDOVER_PREPARING || handover->phase == HANDOVER_PREPARED;
    uint64_t since_us = link->loop->now_us - link->attempt.started_us;

    if (!fence_due || handover->to != WIRE_PATH_SHM || since_us >= LINK_HOLD_US)
        return 0;
    return LINK_HOLD_US - since_us;
}

/* With a region a handover to it is near, whose messages come behind all DATA: then no stream has
 * more of it on the way than its share. */
static bool has_its_share(const struct link *link, const struct stream *stream)
{
    bool near = link->attached && link->handover.path == WIRE_PATH_TCP;

    return near && stream->tx.sent - stream->tx.fifo.start >= link_piece(link);
}

static enum stream_result give(struct link *link, struct stream *stream)
{
    if (stream->tx.path == WIRE_PATH_SHM)
        return stream_give_ring(stream, &link->view, STREAM_QUANTUM, &link->kick_due);
    if (!link->synced || hold_us(link) || has_its_share(link, stream))
        return STREAM_STILL;
    return stream_give_carrier(stream, link->carrier, link_piece(link));
}

static enum stream_result look_for_acks(struct link *link, struct stream *stream)
{
    struct stream_tx *tx = &stream->tx;
    uint64_t acked = tx->fifo.start;

    if (tx->path == WIRE_PATH_SHM && fifo_length(&tx->fifo) && !link->region_lost) {
        int seen = ring_tx_look(&tx->ring, tx->sent_max);

        if (seen == RING_VIOLATION && view_trusted(&link->view)) {
            stream->fault = "the peer's consumer index is impossible";
            return STREAM_BROKEN;
        }
        acked = seen == RING_VIOLATION || !view_trusted(&link->view) ? acked : tx->ring.consumed;
    }
    return stream_acked(stream, acked, link->loop->now_us);
}

static void send_fin(struct link *link, struct stream *stream)
{
    struct wire_header header = {.type = WIRE_FIN,
                                 .flags = stream->tx.closed ? WIRE_FIN_CLOSED : 0,
                                 .stream = stream->id,
                                 .offset = stream->tx.fifo.end};

    link_send_message(link, header, NULL, 0);
    stream->tx.fin_sent = true;
}

static enum stream_result transmit(struct link *link, struct stream *stream)
{
    enum stream_result got, given;

    if (direct_holds_tx(stream))
        return STREAM_STILL;
    if (look_for_acks(link, stream) == STREAM_BROKEN)
        return STREAM_BROKEN;
    if (stream->tx.ring.asleep && fifo_room(&stream->tx.fifo))
        ring_tx_sleep(&stream->tx.ring, false); /* awake: no more kicks */
    got = stream_read_program(stream);
    if (got == STREAM_BROKEN)
        return STREAM_BROKEN;
    given = give(link, stream);
    if (stream->tx.ended && !stream->tx.fin_sent && link->synced) {
        send_fin(link, stream);
    }
    return given == STREAM_STILL ? got : given;
}

static bool pump_stream(struct link *link, struct stream *stream)
{
    enum stream_result in, out;

    if (stream->state != STREAM_OPEN || stream->dead)
        return false;
    if (stream->direct && direct_pump(link, stream))
        return true;
    in = receive(link, stream);
    out = in == STREAM_BROKEN ? STREAM_STILL : transmit(link, stream);
    if (in == STREAM_BROKEN || out == STREAM_BROKEN) {
        link_reset(link, stream, stream->fault);
        return true;
    }
    if (stream->rx.ack_due)
        acknowledge(link, stream);
    if (stream_finished(stream))
        link_close(link, stream);
    /* An end counts, too: connections may have waited for the place. */
    return stream->dead || in == STREAM_MOVED || out == STREAM_MOVED;
}

static void kick(struct link *link)
{
    link->kick_due = false;
    if (!link->synced)
        return;
    link_send(link, WIRE_KICK, 0, link_beat(link), NULL, 0);
    link->kicks_sent++;
    link->kicked_us = link->loop->now_us;
}

/* When the agents look for each other's messages again. In a handover as soon as a stream has
 * moved: each message would else wait for a round of copying. On tcp often enough that nobody waits
 * for an acknowledgement who could send. On shm after a round: nobody waits for a message, and one
 * kick is enough for all. */
static uint64_t turn_end(const struct link *link)
{
    if (handover_running(&link->handover))
        return 0;
    if (link->handover.path == WIRE_PATH_SHM)
        return LOOP_FOREVER;
    return link->loop->clock() + LINK_TURN_US;
}

static bool pump_streams(struct link *link)
{
    uint64_t until_us = turn_end(link);
    bool moved = false, over = false;
    uint32_t i;

    for (i = 0; i < link->count && !over; i++) {
        if (!pump_stream(link, link->streams[(link->turn + i) % link->count]))
            continue;
        moved = true;
        over = until_us != LOOP_FOREVER && link->loop->clock() >= until_us;
    }
    link->turn += i < link->count ? i : 1;
    return moved;
}

bool link_pump(struct link *link)
{
    bool moved;

    link_watch_region(link);
    moved = pump_streams(link);
    link_reap(link);
    if (moved)
        link->recheck_us = LINK_RECHECK_US;
    if (link->kick_due)
        kick(link);
    if (link->carrier)
        link->carrier->ops->flush(link->carrier);
    return moved;
}

/* ---- sleeping ---- */

/* Sets the receiver's flag and looks again: true if something came in between. */
static bool rx_interrupted(const struct link *link, struct stream *stream)
{
    struct ring_rx *ring = &stream->rx.ring;

    if (stream->rx.path != WIRE_PATH_SHM || direct_holds_rx(stream) || in_doubt(link))
        return false;
    if (!ring->asleep)
        ring_rx_sleep(ring, true);
    return ring_rx_look(ring) == RING_VIOLATION || ring->produced > stream->rx.fifo.end;
}

/* The sender needs waking only when its window is full. */
static bool tx_interrupted(struct stream *stream)
{
    struct ring_tx *ring = &stream->tx.ring;
    bool full = !fifo_room(&stream->tx.fifo);

    if (stream->tx.path != WIRE_PATH_SHM || direct_holds_tx(stream))
        return false;
    if (ring->asleep != full)
        ring_tx_sleep(ring, full);
    return full && (ring_tx_look(ring, stream->tx.sent_max) == RING_VIOLATION ||
                    ring->consumed > stream->tx.fifo.start);
}

/* While bytes lie in the ring, a kick may have been lost: try again after a while. The longer
 * nothing has moved, the likelier it is that the peer's program just does not read. */
static uint64_t sleep_limit(struct link *link, const struct stream *stream)
{
    if (stream->tx.path != WIRE_PATH_SHM && stream->rx.path != WIRE_PATH_SHM)
        return LOOP_FOREVER;
    if (!link->synced)
        return LINK_LONELY_US;
    if (stream->tx.path != WIRE_PATH_SHM || direct_holds_tx(stream) ||
        !fifo_length(&stream->tx.fifo))
        return LOOP_FOREVER;
    link->kick_due |= link->loop->now_us - link->kicked_us >= link->recheck_us;
    return link->recheck_us;
}

static uint64_t doubled(uint64_t recheck_us)
{
    return 2 * recheck_us < LINK_RECHECK_MAX_US ? 2 * recheck_us : LINK_RECHECK_MAX_US;
}

uint64_t link_sleep(struct link *link)
{
    uint64_t hold = hold_us(link);
    uint64_t limit = hold ? hold : link_watch_limit(link);

    for (uint32_t i = 0; i < link->count; i++) {
        struct stream *stream = link->streams[i];
        uint64_t own;

        if (stream->state != STREAM_OPEN || link->region_lost)
            continue;
        if (rx_interrupted(link, stream) || tx_interrupted(stream))
            return 0;
        own = sleep_limit(link, stream);
        limit = own < limit ? own : limit;
        own = direct_holds_rx(stream) ? direct_sleep(link, stream) : LOOP_FOREVER;
        limit = own < limit ? own : limit;
    }
    if (link->kick_due) {
        kick(link);
        link->recheck_us = doubled(link->recheck_us);
    }
    if (link->carrier)
        link->carrier->ops->flush(link->carrier);
    return limit;
}
