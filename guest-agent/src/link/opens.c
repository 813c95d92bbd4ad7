/* Opening streams. The opener proposes a window; the acceptor may lower it, for both directions.
 * The lower domain id gives out the slot: in OPEN if it opens, else in OPENED. OPENED is the last
 * word: with no slot in it the stream travels by tcp. */
#include "link/internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"

#define BACKLOG_PATIENCE_US 5000000u
#define LISTEN_PATIENCE_US 200000u /* a server binds first and listens a moment later */

static uint32_t next_window(const struct link *link)
{
    const struct budget *budget = link->budget;

    return slots_window(link->count,
                        budget->used < budget->limit ? budget->limit - budget->used : 0);
}

/* While a handover to shm is under way nothing opens: it would miss the train and stay on tcp. */
bool link_may_open(const struct link *link)
{
    bool boarding = handover_running(&link->handover) && link->handover.to == WIRE_PATH_SHM &&
                    link->handover.phase != HANDOVER_COMMITTED;

    return link->synced && !boarding;
}

static bool on_shm(const struct link *link)
{
    return link->handover.path == WIRE_PATH_SHM &&
           (!handover_running(&link->handover) || link->handover.phase == HANDOVER_COMMITTED);
}

static void take_slot(struct link *link, struct stream *stream)
{
    if (!link->lower || !on_shm(link) || stream->slot.size || link->region_lost)
        return;
    if (slots_take(&link->slots, stream->window, &stream->slot) < 0)
        return; /* no room: by tcp, then */
    ring_clear(&link->view, stream->slot.ring[0]);
    ring_clear(&link->view, stream->slot.ring[1]);
}

static void became_open(struct link *link, struct stream *stream)
{
    stream->state = STREAM_OPEN;
    if (stream->slot.size) {
        stream_attach(stream, &link->view, link->lower);
        stream->tx.path = WIRE_PATH_SHM;
        stream->rx.path = WIRE_PATH_SHM;
    }
    link->user_ops->stream(link->user, stream, STREAM_OPENED, "");
}

static struct wire_open describe(const struct stream *stream)
{
    return (struct wire_open){.window = stream->window,
                              .ring = {stream->slot.ring[0], stream->slot.ring[1]}};
}

static void send_open(struct link *link, struct stream *stream)
{
    struct wire_open open;
    struct iovec pieces[2] = {{&open, sizeof(open)}, {stream->name, strlen(stream->name)}};

    take_slot(link, stream);
    open = describe(stream);
    link_send_pieces(link, WIRE_OPEN, stream->id, pieces, 2);
    stream->state = STREAM_OPENING;
}

void link_confirm_open(struct link *link, const struct stream *stream)
{
    struct wire_open open = describe(stream);

    link_send(link, WIRE_OPENED, stream->id, 0, &open, sizeof(open));
}

static void send_opened(struct link *link, struct stream *stream)
{
    if (!on_shm(link))
        stream->slot = (struct slot){0};
    take_slot(link, stream);
    became_open(link, stream);
    link_confirm_open(link, stream);
}

static bool worth_retrying(const struct link *link, const struct stream *stream, int error)
{
    uint64_t tried_us = link->loop->now_us - stream->asked_us;

    return (error == -EAGAIN && tried_us < BACKLOG_PATIENCE_US) ||
           (error == -ECONNREFUSED && tried_us < LISTEN_PATIENCE_US);
}

static void try_connect(struct link *link, struct stream *stream)
{
    int fd = link->user_ops->connect(link->user, stream->name);

    if (worth_retrying(link, stream, fd)) {
        loop_arm(link->loop, &link->retry, LINK_RETRY_US);
        return;
    }
    if (fd >= 0 && stream_adopt(stream, fd) == 0)
        stream->state = STREAM_CONNECTED;
    else
        link_reset(link, stream, fd == -EAGAIN ? "the server does not accept" : "refused");
}

static void advance(struct link *link, struct stream *stream)
{
    if (stream->state == STREAM_CONNECTING && !stream->dead)
        try_connect(link, stream);
    if (stream->dead || !link_may_open(link))
        return;
    if (stream->state == STREAM_UNSENT)
        send_open(link, stream);
    else if (stream->state == STREAM_CONNECTED)
        send_opened(link, stream);
}

void link_advance_opens(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++)
        advance(link, link->streams[i]);
    link_reap(link);
}

void link_open(struct link *link, int fd, const char *name)
{
    uint32_t id = (++link->opened << 1) | (link->lower ? 0 : 1);
    struct stream *stream = link_add_stream(link, id, next_window(link), name, strlen(name));

    if (!stream || stream_adopt(stream, fd) < 0) {
        log_error("link %u: no room for another stream to %s", link->peer_id, name);
        if (stream)
            stream->dead = true;
        else
            close(fd);
        link_reap(link);
        return;
    }
    stream->opener = true;
    stream->state = STREAM_UNSENT;
    advance(link, stream);
}

/* ---- from the peer ---- */

static bool peer_opened(const struct link *link, uint32_t id)
{
    return id && (id & 1) == (link->lower ? 1u : 0u);
}

static bool window_valid(uint32_t window)
{
    return window >= RING_SIZE_MIN && window <= RING_SIZE_MAX && !(window & (window - 1));
}

static bool slot_valid(const struct link *link, const struct wire_open *open)
{
    uint64_t distance = open->ring[0] > open->ring[1] ? open->ring[0] - open->ring[1]
                                                      : open->ring[1] - open->ring[0];

    return link->attached && distance >= REGION_PAGE + (uint64_t)open->window &&
           ring_place_valid(link->view.size, open->ring[0], open->window) &&
           ring_place_valid(link->view.size, open->ring[1], open->window);
}

static void accept_open(struct link *link, uint32_t id, const struct wire_open *open,
                        const char *name, size_t name_length)
{
    uint32_t window = next_window(link);
    struct stream *stream;

    window = open->window < window ? open->window : window;
    stream = link_add_stream(link, id, window, name, name_length);
    if (!stream) {
        link_send(link, WIRE_RST, id, 0, "too many streams", strlen("too many streams"));
        return;
    }
    if (!link->lower && open->ring[0] && slot_valid(link, open))
        stream->slot = (struct slot){window, 0, {open->ring[0], open->ring[1]}};
    stream->state = STREAM_CONNECTING;
    stream->asked_us = link->loop->now_us;
    advance(link, stream);
    link_reap(link);
}

int on_open(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct wire_open open;
    size_t name_length = header->length - sizeof(open);
    const char *name = (const char *)payload + sizeof(open);

    if (header->length < sizeof(open) || !peer_opened(link, header->stream))
        return -EPROTO;
    memcpy(&open, payload, sizeof(open));
    if (!window_valid(open.window))
        return -EPROTO;
    if (link_find(link, header->stream))
        return 0;
    if (export_name_fault(name, name_length))
        link_send(link, WIRE_RST, header->stream, 0, "no such name", strlen("no such name"));
    else
        accept_open(link, header->stream, &open, name, name_length);
    return 0;
}

/* The opener with the lower id gave a slot and gets it back or confirmed; else it is given one. */
static int settle_slot(struct link *link, struct stream *stream, const struct wire_open *open)
{
    struct slot offered = stream->slot;

    if (!open->ring[0]) {
        if (link->lower)
            slots_give_back(&link->slots, &offered);
        stream->slot = (struct slot){0};
        return 0;
    }
    if (!slot_valid(link, open))
        return -EPROTO;
    if (link->lower && (open->ring[0] != offered.ring[0] || open->ring[1] != offered.ring[1]))
        return -EPROTO;
    stream->slot = (struct slot){open->window, offered.units, {open->ring[0], open->ring[1]}};
    return 0;
}

static int open_confirmed(struct link *link, struct stream *stream, const struct wire_open *open)
{
    if (!window_valid(open->window) || open->window > stream->window ||
        settle_slot(link, stream, open) < 0)
        return -EPROTO;
    link->budget->used -= 2ull * (stream->window - open->window);
    stream_shrink(stream, open->window);
    became_open(link, stream);
    return 0;
}

int on_opened(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct stream *stream = link_find(link, header->stream);
    struct wire_open open;

    if (header->length != sizeof(open) || peer_opened(link, header->stream))
        return -EPROTO;
    if (!stream || stream->state != STREAM_OPENING)
        return 0; /* closed meanwhile, or said twice */
    memcpy(&open, payload, sizeof(open));
    return open_confirmed(link, stream, &open);
}
