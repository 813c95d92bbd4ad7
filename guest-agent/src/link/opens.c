/* Opening streams. The opener proposes a window; the acceptor may lower it, for both directions.
 * The lower domain id gives out the slot: in OPEN if it opens, else in OPENED. OPENED is the last
 * word: with no slot in it the stream travels by tcp. */
#include "link/internal.h"
#include "link/packets.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"

/* No export has a space in its name. */
#define PORT_NAME "port %u"
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

/* A slot that was offered before, in a region that is not used any more: the peer, who may still
 * use it, would find another stream's bytes there. */
static void forget_slot(struct link *link, struct stream *stream)
{
    if (on_shm(link) && !link->region_lost)
        return;
    slots_give_back(&link->slots, &stream->slot);
    stream->slot = (struct slot){0};
}

static void take_slot(struct link *link, struct stream *stream)
{
    forget_slot(link, stream);
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
                              .port = stream->port,
                              .caller_port = stream->caller.port,
                              .caller_user = stream->caller.user + 1, /* STREAM_NO_USER: 0 */
                              .ring = {stream->slot.ring[0], stream->slot.ring[1]}};
}

static uint8_t open_flags(const struct stream *stream)
{
    return (stream->by_port ? WIRE_OPEN_PORT : 0) | (stream->packets ? WIRE_OPEN_PACKETS : 0);
}

static struct caller read_caller(const struct wire_open *open)
{
    return (struct caller){.port = open->caller_port, .user = open->caller_user - 1};
}

static void send_open(struct link *link, struct stream *stream)
{
    struct wire_open open;
    struct iovec pieces[2] = {{&open, sizeof(open)}, {stream->name, strlen(stream->name)}};
    struct wire_header header = {
        .type = WIRE_OPEN, .flags = open_flags(stream), .stream = stream->id};

    take_slot(link, stream);
    open = describe(stream);
    header.offset = link_beat(link);
    link_send_message(link, header, pieces, stream->by_port ? 1 : 2);
    stream->state = STREAM_OPENING;
}

void link_confirm_open(struct link *link, const struct stream *stream)
{
    struct wire_open open = describe(stream);

    link_send(link, WIRE_OPENED, stream->id, link_beat(link), &open, sizeof(open));
}

static void send_opened(struct link *link, struct stream *stream)
{
    take_slot(link, stream);
    became_open(link, stream);
    link_confirm_open(link, stream);
}

/* A path's server is waited for a little; about a port the answer is at once, as the kernel's. */
static bool worth_retrying(const struct link *link, const struct stream *stream, int error)
{
    uint64_t tried_us = link->loop->now_us - stream->asked_us;

    if (stream->by_port)
        return false;
    return (error == -EAGAIN && tried_us < BACKLOG_PATIENCE_US) ||
           (error == -ECONNREFUSED && tried_us < LISTEN_PATIENCE_US);
}

static int connect_to_server(struct link *link, const struct stream *stream)
{
    if (!stream->by_port)
        return link->user_ops->connect(link->user, stream);
    return link->user_ops->call ? link->user_ops->call(link->user, stream) : -ECONNREFUSED;
}

static void try_connect(struct link *link, struct stream *stream)
{
    int fd = connect_to_server(link, stream);

    if (worth_retrying(link, stream, fd)) {
        loop_arm(link->loop, &link->retry, LINK_RETRY_US);
        return;
    }
    stream->error = fd == -EAGAIN ? ECONNRESET : ECONNREFUSED;
    if (fd >= 0 && stream_adopt(stream, fd) == 0)
        stream->state = STREAM_CONNECTED;
    else
        link_reset(link, stream, fd == -EAGAIN ? "the server does not accept" : "refused");
    stream->error = 0;
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

/* NULL: there was no room, and the socket is closed. */
static struct stream *add_opener(struct link *link, int fd, const char *name)
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
        return NULL;
    }
    stream->opener = true;
    stream->state = STREAM_UNSENT;
    return stream;
}

void link_open(struct link *link, int fd, const char *name, uint32_t user)
{
    struct stream *stream = add_opener(link, fd, name);

    if (!stream)
        return;
    stream->caller.user = user;
    advance(link, stream);
}

struct stream *link_call(struct link *link, int fd, uint32_t port, const struct caller *caller,
                         bool packets)
{
    char name[WIRE_NAME_MAX + 1];
    struct stream *stream;

    snprintf(name, sizeof(name), PORT_NAME, port);
    stream = add_opener(link, fd, name);
    if (!stream)
        return NULL;
    stream->by_port = true;
    stream->port = port;
    stream->caller = *caller;
    if (packets && packets_init(stream) < 0)
        link_reset(link, stream, "out of memory");
    advance(link, stream);
    return stream->dead ? NULL : stream;
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

/* The peer has cleared the rings there. Who does not see it must not look at them, nor at those of
 * a peer that has no region to show. */
static bool slot_offered(struct link *link, const struct wire_header *header,
                         const struct wire_open *open)
{
    if (link->lower || !open->ring[0] || !header->offset || !slot_valid(link, open))
        return false;
    link_compare(link, header);
    return !link->region_lost;
}

static void refuse(struct link *link, uint32_t id, const char *reason)
{
    link_send(link, WIRE_RST, id, 0, reason, strlen(reason));
    link_say_closed(link, id);
}

static void accept_open(struct link *link, const struct wire_header *header,
                        const struct wire_open *open, const char *name, size_t name_length)
{
    uint32_t window = next_window(link), id = header->stream;
    bool offered = slot_offered(link, header, open);
    struct stream *stream;

    window = open->window < window ? open->window : window;
    stream = link_add_stream(link, id, window, name, name_length);
    if (!stream) {
        refuse(link, id, "too many streams");
        return;
    }
    if (header->flags & WIRE_OPEN_PACKETS && packets_init(stream) < 0)
        link_reset(link, stream, "out of memory");
    stream->by_port = header->flags & WIRE_OPEN_PORT;
    stream->port = open->port;
    stream->caller = read_caller(open);
    if (offered)
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
    char port_name[WIRE_NAME_MAX + 1];

    if (header->length < sizeof(open) || !peer_opened(link, header->stream))
        return -EPROTO;
    memcpy(&open, payload, sizeof(open));
    if (!window_valid(open.window))
        return -EPROTO;
    snprintf(port_name, sizeof(port_name), PORT_NAME, open.port);
    if (link_find(link, header->stream))
        return 0;
    if (header->flags & WIRE_OPEN_PORT)
        accept_open(link, header, &open, port_name, strlen(port_name));
    else if (export_name_fault(name, name_length))
        refuse(link, header->stream, "no such name");
    else
        accept_open(link, header, &open, name, name_length);
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
    if (open.ring[0])
        link_compare(link, header); /* a region that is lost now is left like any other */
    return open_confirmed(link, stream, &open);
}
