/* A stream's way over the paths: everything here is by absolute offset. */
#include "link/stream.h"

#include <string.h>

/* With room left in the window nobody waits, and an idle ring is looked at only now and then:
 * shorter waits than this are not seen, and are nobody's stall. */
#define STALL_UNSEEN_US 250000u

static enum stream_result broken(struct stream *stream, const char *fault)
{
    stream->fault = fault;
    return STREAM_BROKEN;
}

/* ---- receiving ---- */

static void copy_from_ring(struct stream *stream, uint64_t offset, uint32_t length)
{
    struct iovec pieces[2];
    int count = fifo_pieces(&stream->rx.fifo, offset, length, pieces);

    for (int i = 0; i < count; i++) {
        ring_rx_copy(&stream->rx.ring, offset, pieces[i].iov_base, (uint32_t)pieces[i].iov_len);
        offset += pieces[i].iov_len;
    }
}

/* Copies [received, to) out of the ring; the bytes count only if the view is right afterwards. If
 * not, the link will notice: nothing is lost, the peer still has the bytes. */
static enum stream_result take(struct stream *stream, const struct view *view, uint64_t to)
{
    struct fifo *fifo = &stream->rx.fifo;

    if (to == fifo->end)
        return STREAM_STILL;
    copy_from_ring(stream, fifo->end, (uint32_t)(to - fifo->end));
    if (!view_trusted(view))
        return STREAM_STILL;
    fifo->end = to;
    return STREAM_MOVED;
}

enum stream_result stream_take_ring(struct stream *stream, const struct view *view, uint32_t most)
{
    struct stream_rx *rx = &stream->rx;
    uint64_t to;

    if (rx->path != WIRE_PATH_SHM)
        return STREAM_STILL;
    if (ring_rx_look(&rx->ring) == RING_VIOLATION)
        return view_trusted(view) ? broken(stream, "the peer's producer index is impossible")
                                  : STREAM_STILL;
    to = rx->ring.produced;
    if (to <= rx->fifo.end)
        return STREAM_STILL;
    if (rx->fin_known && to > rx->fin && view_trusted(view))
        return broken(stream, "the peer sent bytes after the end it had announced");
    if (rx->ring.asleep)
        ring_rx_sleep(&rx->ring, false);
    if (to - rx->fifo.end > most)
        to = rx->fifo.end + most;
    return take(stream, view, to);
}

enum stream_result stream_receive(struct stream *stream, uint64_t offset, const uint8_t *bytes,
                                  uint32_t length)
{
    struct fifo *fifo = &stream->rx.fifo;
    uint64_t known;

    if (stream->rx.path != WIRE_PATH_TCP)
        return broken(stream, "data came on a path that the stream does not use");
    if (offset > fifo->end && stream->rx.missing)
        return STREAM_STILL;
    if (offset > fifo->end)
        return broken(stream, "a gap: bytes are missing before the received data");
    if (length > fifo->size || offset + length > fifo->start + fifo->size)
        return broken(stream, "the peer sent more than it was allowed to");
    if (stream->rx.fin_known && offset + length > stream->rx.fin)
        return broken(stream, "the peer sent bytes after the end it had announced");
    known = fifo->end - offset;
    if (known >= length)
        return STREAM_STILL;
    fifo_append(fifo, bytes + known, length - (uint32_t)known);
    return STREAM_MOVED;
}

enum stream_result stream_fin(struct stream *stream, uint64_t offset, bool closed)
{
    struct stream_rx *rx = &stream->rx;

    if (offset < rx->fifo.end || (rx->fin_known && rx->fin != offset))
        return broken(stream, "the peer ended the stream before bytes it had sent");
    rx->fin_known = true;
    rx->closed = closed;
    rx->fin = offset;
    return STREAM_MOVED;
}

void stream_publish_delivered(struct stream *stream, bool *kick)
{
    ring_rx_advance(&stream->rx.ring, stream->rx.fifo.start);
    *kick = *kick || ring_rx_other_asleep(&stream->rx.ring);
}

/* ---- sending ---- */

static uint32_t unsent(const struct stream *stream, uint32_t most)
{
    uint64_t length = stream->tx.fifo.end - stream->tx.sent;

    return (uint32_t)(length < most ? length : most);
}

static void mark_sent(struct stream *stream, uint32_t length)
{
    struct stream_tx *tx = &stream->tx;
    uint64_t to = tx->sent + length;

    if (tx->sent < tx->sent_max)
        tx->resent += (to < tx->sent_max ? to : tx->sent_max) - tx->sent;
    tx->sent = to;
    tx->sent_max = to > tx->sent_max ? to : tx->sent_max;
}

enum stream_result stream_give_ring(struct stream *stream, const struct view *view, uint32_t most,
                                    bool *kick)
{
    struct stream_tx *tx = &stream->tx;
    uint32_t length = unsent(stream, most);
    uint64_t offset = tx->sent;
    struct iovec pieces[2];
    int count;

    if (!length)
        return STREAM_STILL;
    count = fifo_pieces(&tx->fifo, offset, length, pieces);
    for (int i = 0; i < count; i++) {
        ring_tx_copy(&tx->ring, offset, pieces[i].iov_base, (uint32_t)pieces[i].iov_len);
        offset += pieces[i].iov_len;
    }
    if (!view_trusted(view))
        return STREAM_STILL;
    mark_sent(stream, length);
    ring_tx_publish(&tx->ring, tx->sent);
    *kick = *kick || ring_tx_other_asleep(&tx->ring);
    return STREAM_MOVED;
}

enum stream_result stream_give_carrier(struct stream *stream, struct carrier *carrier,
                                       uint32_t most)
{
    uint32_t length = unsent(stream, most);
    size_t room = length ? carrier->ops->room(carrier) : 0;
    struct wire_header header = {.magic = WIRE_MAGIC, .type = WIRE_DATA, .stream = stream->id};
    struct iovec pieces[2];
    int count;

    if (!room)
        return STREAM_STILL;
    length = room < length ? (uint32_t)room : length;
    count = fifo_pieces(&stream->tx.fifo, stream->tx.sent, length, pieces);
    header.length = length;
    header.offset = stream->tx.sent;
    carrier->ops->send(carrier, &header, pieces, count);
    mark_sent(stream, length);
    return STREAM_MOVED;
}

static void note_stall(struct stream_tx *tx, bool full, uint64_t now_us)
{
    uint64_t waited_us = tx->waiting_since_us ? now_us - tx->waiting_since_us : 0;

    if ((full || waited_us > STALL_UNSEEN_US) && waited_us > tx->longest_stall_us)
        tx->longest_stall_us = waited_us;
}

enum stream_result stream_acked(struct stream *stream, uint64_t offset, uint64_t now_us)
{
    struct stream_tx *tx = &stream->tx;

    if (offset > tx->sent_max)
        return broken(stream, "the peer acknowledged bytes that were never sent");
    if (offset > tx->fifo.start) {
        note_stall(tx, !fifo_room(&tx->fifo), now_us);
        tx->fifo.start = offset;
        tx->sent = tx->sent < offset ? offset : tx->sent;
        tx->waiting_since_us = 0;
    }
    if (!fifo_length(&tx->fifo))
        tx->waiting_since_us = 0;
    else if (!tx->waiting_since_us)
        tx->waiting_since_us = now_us;
    return STREAM_STILL;
}

uint64_t stream_stall_us(const struct stream *stream, uint64_t now_us)
{
    struct stream_tx tx = stream->tx;

    note_stall(&tx, !fifo_room(&tx.fifo), now_us);
    return tx.longest_stall_us;
}

/* ---- changing the path ---- */

void stream_attach(struct stream *stream, const struct view *view, bool lower)
{
    const struct slot *slot = &stream->slot;

    ring_tx_attach(&stream->tx.ring, view, slot->ring[lower ? 0 : 1], slot->size, stream->tx.sent);
    ring_rx_attach(&stream->rx.ring, view, slot->ring[lower ? 1 : 0], slot->size,
                   stream->rx.fifo.start);
}

void stream_detach(struct stream *stream)
{
    stream->slot = (struct slot){0};
    stream->tx.path = WIRE_PATH_TCP;
    stream->rx.path = WIRE_PATH_TCP;
    stream->tx.ring = (struct ring_tx){0};
    stream->rx.ring = (struct ring_rx){0};
}

/* Everything before a fence was published before the fence was sent. A view that does not show it
 * is not the peer's region any more, right nonce or not: a private copy, perhaps. */
static enum stream_result drain(struct stream *stream, const struct view *view, uint64_t to)
{
    if (ring_rx_look(&stream->rx.ring) == RING_VIOLATION || stream->rx.ring.produced < to)
        return STREAM_STILL;
    return take(stream, view, to);
}

uint64_t stream_switch_tx(struct stream *stream, enum wire_path to)
{
    if (to == WIRE_PATH_SHM)
        ring_tx_publish(&stream->tx.ring, stream->tx.sent);
    stream->tx.path = to;
    return stream->tx.sent;
}

enum stream_result stream_switch_rx(struct stream *stream, enum wire_path to, uint64_t offset,
                                    const struct view *view, uint64_t *drained)
{
    struct fifo *fifo = &stream->rx.fifo;

    if (stream->rx.path == to)
        return STREAM_STILL;
    if (offset > fifo->start + fifo->size)
        return broken(stream, "the peer changed the path at an impossible offset");
    if (to == WIRE_PATH_SHM && offset > fifo->end && !stream->rx.missing)
        return broken(stream, "a gap: bytes are missing before the change of path");
    if (to == WIRE_PATH_TCP && offset > fifo->end) {
        *drained += offset - fifo->end;
        stream->rx.missing |= drain(stream, view, offset) != STREAM_MOVED;
    }
    if (to == WIRE_PATH_SHM)
        ring_rx_advance(&stream->rx.ring, fifo->start);
    stream->rx.path = to;
    stream->rx.ack_due = true;
    return STREAM_MOVED;
}

/* What went by tcp since the fence goes into the ring again: the peer may still be reading there,
 * not having seen the fence, and must not find a hole; or tcp may have lost it. The peer trims. */
static void resume_ring(struct stream_tx *tx)
{
    if (tx->path == WIRE_PATH_TCP)
        tx->sent = tx->ring.produced > tx->fifo.start ? tx->ring.produced : tx->fifo.start;
    tx->path = WIRE_PATH_SHM;
}

uint64_t stream_return_tx(struct stream *stream, enum wire_path to)
{
    uint64_t offset = stream->tx.sent;

    if (to == WIRE_PATH_SHM)
        resume_ring(&stream->tx);
    else
        stream->tx.path = WIRE_PATH_TCP;
    return offset;
}

void stream_roll_back(struct stream *stream, enum wire_path to)
{
    if (to == WIRE_PATH_TCP) {
        stream_detach(stream);
        return;
    }
    resume_ring(&stream->tx);
    if (stream->rx.path == WIRE_PATH_SHM)
        return; /* a program may hold this end, and have read further than the agent knows */
    stream->rx.path = WIRE_PATH_SHM;
    ring_rx_advance(&stream->rx.ring, stream->rx.fifo.start);
}

enum stream_result stream_resume(struct stream *stream, uint64_t received, uint64_t delivered,
                                 uint64_t now_us)
{
    struct stream_tx *tx = &stream->tx;

    if (received > tx->sent_max || delivered > received)
        return broken(stream, "the peer reports offsets that cannot be");
    /* By a ring that is in use the peer may have acknowledged more since it wrote this; else it
     * cannot. */
    if (tx->path == WIRE_PATH_TCP && received < tx->fifo.start)
        return broken(stream, "the peer has less than it had: it was put back to an older state");
    if (stream_acked(stream, delivered, now_us) == STREAM_BROKEN)
        return STREAM_BROKEN;
    if (tx->path == WIRE_PATH_TCP)
        tx->sent = received > tx->fifo.start ? received : tx->fifo.start;
    return STREAM_MOVED;
}
