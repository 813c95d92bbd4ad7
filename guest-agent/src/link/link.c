/* A link's life, its connections and its table of streams. */
#include "link/direct.h"
#include "link/internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define LINK_GRACE_US 60000000u
#define LINK_ANSWER_US 3000000u /* after the deadline, for the last word about a handover */

static void grace_over(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, grace);

    link_reset_streams(link, "the connection to the peer's agent was lost for too long");
}

static void retry_due(struct loop_timer *timer)
{
    link_advance_opens(container_of(timer, struct link, retry));
}

static void deadline_passed(struct loop_timer *timer)
{
    struct link *link = container_of(timer, struct link, attempt.deadline);

    if (link->attempt.overdue && link->carrier && handover_running(&link->handover))
        link->carrier->ops->fail(link->carrier, LINK_UNANSWERED);
    link->attempt.reason = "the deadline passed";
    link_handover_step(link, (struct handover_event){.input = HANDOVER_EXPIRED});
    link->attempt.overdue = handover_running(&link->handover);
    /* What can no longer end here alone is settled by the next connection's RESYNC. */
    if (link->attempt.overdue && link->carrier)
        loop_arm(link->loop, timer, LINK_ANSWER_US);
}

struct link *link_new(struct loop *loop, struct budget *budget, struct lingering *lingering,
                      uint32_t self_id, uint32_t peer_id, const struct link_user *user_ops,
                      void *user)
{
    struct link *link = calloc(1, sizeof(*link));

    if (!link)
        return NULL;
    *link = (struct link){.loop = loop,
                          .budget = budget,
                          .lingering = lingering,
                          .user_ops = user_ops,
                          .user = user,
                          .self_id = self_id,
                          .peer_id = peer_id,
                          .lower = self_id < peer_id,
                          .grace_us = LINK_GRACE_US,
                          .grace.expired = grace_over,
                          .retry.expired = retry_due,
                          .attempt.deadline.expired = deadline_passed};
    randombytes_buf(&link->incarnation, sizeof(link->incarnation));
    handover_init(&link->handover, link->lower);
    return link;
}

struct link *link_free(struct link *link)
{
    if (!link)
        return NULL;
    link_reset_streams(link, "the link was removed");
    link_drop_slots(link);
    shm_unmap(&link->view);
    loop_disarm(link->loop, &link->grace);
    loop_disarm(link->loop, &link->retry);
    loop_disarm(link->loop, &link->attempt.deadline);
    direct_close_kick(link);
    free(link);
    return NULL;
}

static void forget(struct link *link, const char *reason)
{
    link_reset_streams(link, reason);
    link_handover_step(link, (struct handover_event){.input = HANDOVER_DOWN});
    link_drop_slots(link);
    handover_init(&link->handover, link->lower);
}

/* The peer has begun a new life: nothing it knew of this link is left. */
static void forget_peer(struct link *link, uint64_t incarnation)
{
    if (link->peer_incarnation) /* else streams wait for the first connection */
        forget(link, "the peer's agent was started anew");
    link->peer_incarnation = incarnation;
}

void link_begin_anew(struct link *link)
{
    forget(link, "one side was put back to an older state");
    randombytes_buf(&link->incarnation, sizeof(link->incarnation));
}

void link_down(struct link *link)
{
    if (!link->carrier)
        return;
    direct_take_back_most(link);
    link->carrier = NULL;
    link->synced = false;
    link->attempt.reason = "the connection to the peer's agent broke";
    link_handover_step(link, (struct handover_event){.input = HANDOVER_DOWN});
    loop_arm(link->loop, &link->grace, link->grace_us);
}

void link_up(struct link *link, struct carrier *carrier, uint64_t peer_incarnation)
{
    link_down(link);
    loop_disarm(link->loop, &link->grace);
    if (link->peer_incarnation != peer_incarnation)
        forget_peer(link, peer_incarnation);
    link->carrier = carrier;
    link->synced = false;
    for (uint32_t i = 0; i < link->count; i++)
        link->streams[i]->rx.missing = false;
    resync_send(link);
}

/* ---- streams ---- */

struct stream *link_find(struct link *link, uint32_t id)
{
    struct stream *stream = link->buckets[id % LINK_BUCKETS];

    while (stream && (stream->id != id || stream->dead))
        stream = stream->next;
    return stream;
}

struct stream *link_find_token(const struct link *link, uint64_t token)
{
    for (uint32_t i = 0; i < link->count; i++)
        if (link->streams[i]->token == token && !link->streams[i]->dead)
            return link->streams[i];
    return NULL;
}

struct stream *link_add_stream(struct link *link, uint32_t id, uint32_t window, const char *name,
                               size_t name_length)
{
    struct stream **bucket = &link->buckets[id % LINK_BUCKETS];
    struct stream *stream = NULL;

    if (link->count < WIRE_STREAMS_MAX)
        stream = stream_new(link->loop, id, window, name, name_length);
    if (!stream)
        return NULL;
    stream->next = *bucket;
    *bucket = stream;
    link->streams[link->count++] = stream;
    link->budget->used += 2ull * window;
    return stream;
}

static void unlink_stream(struct link *link, uint32_t index)
{
    struct stream *stream = link->streams[index];
    struct stream **at = &link->buckets[stream->id % LINK_BUCKETS];

    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    link->streams[index] = link->streams[--link->count];
    link->budget->used -= 2ull * stream->window;
}

void link_drop_slots(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++)
        stream_detach(link->streams[i]);
    link_drop_zombies(link);
    slots_deinit(&link->slots);
}

void link_reap(struct link *link)
{
    for (uint32_t i = link->count; i-- > 0;) {
        struct stream *stream = link->streams[i];

        if (!stream->dead)
            continue;
        unlink_stream(link, i);
        link_keep_slot(link, stream);
        stream_free(stream);
    }
}

static void send_reset(struct link *link, const struct stream *stream, const char *reason)
{
    struct wire_header header = {.type = WIRE_RST,
                                 .flags = (uint8_t)stream->error,
                                 .stream = stream->id,
                                 .offset = stream->tx.sent_max};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)reason, .iov_len = strlen(reason)};

    link_send_message(link, header, &piece, 1);
    link_say_closed(link, stream->id);
}

void link_reset(struct link *link, struct stream *stream, const char *reason)
{
    if (stream->dead)
        return;
    direct_part(link, stream);
    if (stream->dead)
        return; /* taking it back has done it */
    log_warning("link %u: stream %u (%s) is reset: %s", link->peer_id, stream->id, stream->name,
                reason);
    stream->dead = true;
    if (link->carrier && !stream->peer_forgot)
        send_reset(link, stream, reason);
    link->user_ops->stream(link->user, stream, STREAM_RESET, reason);
}

void link_close(struct link *link, struct stream *stream)
{
    if (stream->dead)
        return;
    direct_part(link, stream);
    if (stream->dead)
        return; /* it was reset */
    stream->dead = true;
    if (!stream->peer_forgot)
        link_say_closed(link, stream->id);
    link->user_ops->stream(link->user, stream, STREAM_CLOSED, "both sides are done");
}

void link_reset_stream(struct link *link, struct stream *stream, const char *reason)
{
    link_reset(link, stream, reason);
    link_reap(link);
}

void link_reset_streams(struct link *link, const char *reason)
{
    for (uint32_t i = 0; i < link->count; i++)
        link_reset(link, link->streams[i], reason);
    link_reap(link);
}
