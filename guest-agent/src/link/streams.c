/* Messages about one open stream. */
#include "link/direct.h"
#include "link/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/name.h"

static void settle(struct link *link, struct stream *stream, enum stream_result result)
{
    if (result == STREAM_BROKEN)
        link_reset(link, stream, stream->fault);
    link_reap(link);
}

static struct stream *find_open(struct link *link, uint32_t id)
{
    struct stream *stream = link_find(link, id);

    return stream && stream->state == STREAM_OPEN ? stream : NULL;
}

int on_data(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct stream *stream = find_open(link, header->stream);

    if (stream)
        settle(link, stream, stream_receive(stream, header->offset, payload, header->length));
    return 0;
}

/* How far a program in direct mode has come, its agent knows when it has taken the end back. From a
 * program that is stopped in the middle of a copy it cannot; then the ring will show as much. */
static bool left_to_the_ring(struct link *link, struct stream *stream, uint64_t acked)
{
    uint64_t sent, delivered;

    if (!direct_holds_tx(stream) || acked <= stream->tx.sent_max)
        return false;
    if (direct_take_back(link, stream) == 0)
        return false;
    direct_progress(stream, &sent, &delivered);
    return acked <= sent;
}

int on_ack(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct stream *stream = find_open(link, header->stream);
    enum stream_result result;

    (void)payload;
    if (!stream || left_to_the_ring(link, stream, header->offset) || stream->dead)
        return 0;
    result = stream_acked(stream, header->offset, link->loop->now_us);
    if (header->flags & WIRE_ACK_FIN && stream->tx.ended && header->offset == stream->tx.fifo.end)
        stream->tx.fin_acked = true;
    settle(link, stream, result);
    return 0;
}

int on_fin(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct stream *stream = find_open(link, header->stream);

    (void)payload;
    if (stream)
        settle(link, stream, stream_fin(stream, header->offset, header->flags & WIRE_FIN_CLOSED));
    return 0;
}

/* A peer that forgets a stream in order has delivered and acknowledged everything. */
void link_peer_forgot(struct link *link, struct stream *stream)
{
    stream->peer_forgot = true;
    if (stream->tx.ended && stream->rx.fin_delivered)
        link_close(link, stream);
    else
        link_reset(link, stream, "the peer has ended it");
}

int on_rst(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct stream *stream = link_find(link, header->stream);
    char reason[WIRE_REASON_MAX + 32];
    int length = header->length < WIRE_REASON_MAX ? (int)header->length : (int)WIRE_REASON_MAX;

    if (!stream)
        return 0;
    snprintf(reason, sizeof(reason), "by the peer: %.*s", length, (const char *)payload);
    text_clean(reason);
    stream->peer_forgot = true;
    stream->error = header->flags;
    link_reset(link, stream, reason);
    link_say_closed(link, header->stream);
    link_reap(link);
    return 0;
}

int on_closed(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct stream *stream = link_find(link, header->stream);

    (void)payload;
    link_bury(link, header->stream);
    if (!stream) {
        if (!link->lower) /* whose word the slot waits for; that one answers no more */
            link_say_closed(link, header->stream);
        return 0;
    }
    stream->peer_let_go = true;
    link_peer_forgot(link, stream);
    link_say_closed(link, header->stream); /* the peer keeps its slot for us */
    link_reap(link);
    return 0;
}
