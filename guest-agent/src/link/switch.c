/* What a handover does to the streams of a link: who gets which slot, and at which offset each
 * direction changes the path. */
#include "link/internal.h"

#include <errno.h>
#include <string.h>

/* One thread, and the messages of a handover are built and read one at a time. */
static struct wire_slot slot_buffer[WIRE_STREAMS_MAX];
static struct wire_mark mark_buffer[WIRE_STREAMS_MAX];

/* ---- slots ---- */

static size_t give_slots(struct link *link)
{
    size_t count = 0;

    for (uint32_t i = 0; i < link->count; i++) {
        struct stream *stream = link->streams[i];

        if (stream->state != STREAM_OPEN || stream->dead ||
            slots_take(&link->slots, stream->window, &stream->slot) < 0)
            continue;
        slot_buffer[count++] = (struct wire_slot){
            stream->id, stream->slot.size, {stream->slot.ring[0], stream->slot.ring[1]}};
    }
    return count;
}

/* The lower id's agent describes the slots; the higher one's says nothing. */
struct iovec link_offer_slots(struct link *link)
{
    size_t count = 0;

    if (link->lower && link->handover.to == WIRE_PATH_SHM) {
        slots_deinit(&link->slots);
        if (slots_init(&link->slots, link->view.size) == 0)
            count = give_slots(link);
    }
    return (struct iovec){slot_buffer, count * sizeof(slot_buffer[0])};
}

static int take_offered(struct link *link, const struct wire_slot *offered)
{
    struct stream *stream = link_find(link, offered->stream);

    if (!ring_place_valid(link->view.size, offered->ring[0], offered->size) ||
        !ring_place_valid(link->view.size, offered->ring[1], offered->size))
        return -EPROTO;
    if (!stream || stream->state != STREAM_OPEN)
        return 0; /* ended meanwhile; the peer will hear of it */
    if (stream->window != offered->size)
        return -EPROTO;
    stream->slot = (struct slot){offered->size, 0, {offered->ring[0], offered->ring[1]}};
    return 0;
}

int link_take_slots(struct link *link, enum wire_path to, const uint8_t *bytes, size_t length)
{
    size_t count = length / sizeof(slot_buffer[0]);
    int error = 0;

    if (length % sizeof(slot_buffer[0]) || count > WIRE_STREAMS_MAX ||
        (count && (link->lower || to != WIRE_PATH_SHM)))
        return -EPROTO;
    memcpy(slot_buffer, bytes, length);
    for (size_t i = 0; i < count && !error; i++)
        error = take_offered(link, &slot_buffer[i]);
    return error;
}

/* Writes this side's ends into the region. Not before the peer is known to have settled what was
 * before: after an abort it may for a moment still read rings that lay in the same places. */
void link_attach_rings(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++) {
        struct stream *stream = link->streams[i];

        if (stream->state == STREAM_OPEN && stream->slot.size && !stream->tx.ring.control)
            stream_attach(stream, &link->view, link->lower);
    }
}

/* ---- marks: where each stream changes the path ---- */

struct iovec link_switch_all(struct link *link, enum wire_path to)
{
    bool forward = to == link->handover.to;
    size_t count = 0;

    for (uint32_t i = 0; i < link->count; i++) {
        struct stream *stream = link->streams[i];

        if (stream->dead || stream->state != STREAM_OPEN || !stream->slot.size ||
            stream->tx.path == to)
            continue;
        if (to == WIRE_PATH_TCP)
            link->attempt.report.bytes_in_ring += stream->tx.sent - stream->tx.fifo.start;
        mark_buffer[count++] = (struct wire_mark){.stream = stream->id,
                                                  .offset = forward ? stream_switch_tx(stream, to)
                                                                    : stream_return_tx(stream, to)};
        stream->handovers += forward;
    }
    return (struct iovec){mark_buffer, count * sizeof(mark_buffer[0])};
}

static void obey_mark(struct link *link, const struct wire_mark *mark, enum wire_path to)
{
    struct stream *stream = link_find(link, mark->stream);
    uint64_t *drained = &link->attempt.report.bytes_in_ring;

    if (!stream || stream->state != STREAM_OPEN)
        return;
    if (!stream->slot.size)
        link_reset(link, stream, "the peer changed the path of a stream that has no ring");
    else if (stream_switch_rx(stream, to, mark->offset, &link->view, drained) == STREAM_BROKEN)
        link_reset(link, stream, stream->fault);
}

int link_obey_marks(struct link *link, const uint8_t *bytes, size_t length, enum wire_path to)
{
    size_t count = length / sizeof(mark_buffer[0]);

    if (length % sizeof(mark_buffer[0]) || count > WIRE_STREAMS_MAX)
        return -EPROTO;
    memcpy(mark_buffer, bytes, length);
    for (size_t i = 0; i < count; i++)
        obey_mark(link, &mark_buffer[i], to);
    link_reap(link);
    return 0;
}
