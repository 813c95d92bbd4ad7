#include "daemon/requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "daemon/ctl.h"
#include "daemon/describe.h"
#include "daemon/opener.h"

#define ATTACH_RETRY_US 20000u

/* ---- handover ---- */

static json_t *already(const struct peer *peer)
{
    const struct link *link = peer->link;
    const char *path = describe_path(peer, link->handover.path);

    return json_pack("{s:b, s:I, s:s, s:s, s:i, s:i, s:i, s:i}", "already", 1, "epoch",
                     (json_int_t)link->handover.epoch, "from", path, "to", path, "duration_us", 0,
                     "streams", (int)link->count, "bytes_in_ring_at_fence", 0, "bytes_resent", 0);
}

static json_t *describe(const struct peer *peer, const struct handover_report *report)
{
    return json_pack(
        "{s:I, s:s, s:s, s:I, s:i, s:I, s:I}", "epoch", (json_int_t)report->epoch, "from",
        describe_path(peer, report->from), "to", describe_path(peer, report->to), "duration_us",
        (json_int_t)report->duration_us, "streams", (int)report->streams, "bytes_in_ring_at_fence",
        (json_int_t)report->bytes_in_ring, "bytes_resent", (json_int_t)report->bytes_resent);
}

void requests_hand_over(struct peer *peer, enum wire_path to, uint32_t deadline_ms,
                        struct reply *reply)
{
    struct pending_handover *pending = malloc(sizeof(*pending));
    int result;

    if (!pending) {
        reply_error(reply, "no-memory", "out of memory");
        return;
    }
    *pending = (struct pending_handover){peer->handovers, reply, to};
    peer->handovers = pending; /* first: it may end before link_hand_over() returns */
    result = link_hand_over(peer->link, to, deadline_ms);
    if (!result)
        return;
    peer->handovers = pending->next;
    free(pending);
    if (result == LINK_ALREADY)
        reply_ok(reply, already(peer));
    else if (result == LINK_HELD)
        reply_error(
            reply, "busy",
            "a program that shares memory with %s is stopped in the middle of a copy: let it "
            "go on",
            peer->name);
    else if (result == LINK_NO_REGION)
        reply_error(reply, "no-region",
                    "no region is attached for the link to %s: use region.attach first",
                    peer->name);
    else
        reply_error(reply, "busy", "another handover of the link to %s is under way: try again",
                    peer->name);
}

static void conclude(struct peer *peer, struct pending_handover *pending,
                     const struct handover_report *report)
{
    if (report->committed && !report->confirmed)
        reply_error(pending->reply, "unconfirmed",
                    "the link to %s is on %s, but the peer has not confirmed by the deadline",
                    peer->name, describe_path(peer, report->to));
    else if (report->committed && report->to == pending->to)
        reply_ok(pending->reply, describe(peer, report));
    else
        reply_error(pending->reply, "aborted", "the link to %s stays on %s: %s", peer->name,
                    describe_path(peer, peer->link->handover.path),
                    report->committed ? "the peer's own handover had precedence" : report->reason);
    free(pending);
}

void requests_handed_over(void *user, const struct handover_report *report)
{
    struct peer *peer = user;
    json_t *event = describe(peer, report);

    json_object_set_new(event, "event",
                        json_string(report->committed ? "path.changed" : "handover.aborted"));
    json_object_set_new(event, "peer", json_string(peer->name));
    if (!report->committed)
        json_object_set_new(event, "reason", json_string(report->reason ? report->reason : ""));
    ctl_event(peer->agent, event);
    while (peer->handovers) {
        struct pending_handover *pending = peer->handovers;

        peer->handovers = pending->next;
        conclude(peer, pending, report);
    }
}

/* ---- region.attach ---- */

static json_t *describe_region(const struct link *link, bool again)
{
    char nonce[2 * REGION_NONCE_SIZE + 1];

    hex_encode(nonce, link->view.nonce, sizeof(link->view.nonce));
    return json_pack("{s:I, s:i, s:s, s:b}", "size", (json_int_t)link->view.size, "mbps",
                     (int)link->mbps, "nonce", nonce, "already", again);
}

static bool may_attach(struct peer *peer, struct view *view, char why[REGION_WHY_MAX])
{
    const char *fault;

    peers_watch_regions(peer->agent);
    fault = link_attach_fault(peer->link, view);
    if (!fault)
        return true;
    snprintf(why, REGION_WHY_MAX, "%.60s: %s", view->path, fault);
    shm_unmap(view);
    return false;
}

/* Whether the request is settled. */
static bool try_attach(struct peer *peer, char why[REGION_WHY_MAX])
{
    struct pending_attach *attach = &peer->attach;
    char path[REGION_PATH_MAX];
    struct view view;
    uint32_t mbps;
    int fd = opener_open_region(peer->agent, attach->file, attach->nonce, path, why);

    if (fd < 0 || shm_map(&view, fd, path, attach->nonce, why) < 0)
        return false;
    view.device = !attach->file[0];
    if (!may_attach(peer, &view, why))
        return false;
    mbps = shm_measure(&view);
    link_attach(peer->link, &view, mbps);
    reply_ok(attach->reply, describe_region(peer->link, false));
    attach->reply = NULL;
    return true;
}

void requests_attach_retry(struct loop_timer *timer)
{
    struct peer *peer = container_of(timer, struct peer, attach.retry);
    struct pending_attach *attach = &peer->attach;
    struct loop *loop = &peer->agent->loop;
    char why[REGION_WHY_MAX] = "";

    if (try_attach(peer, why))
        return;
    if (loop->now_us < attach->until_us) {
        loop_arm(loop, timer, ATTACH_RETRY_US);
        return;
    }
    reply_error(attach->reply, "no-region", "the region did not appear before the deadline: %s",
                why);
    attach->reply = NULL;
}

void requests_attach(struct peer *peer, const uint8_t nonce[REGION_NONCE_SIZE], const char *file,
                     uint32_t deadline_ms, struct reply *reply)
{
    struct pending_attach *attach = &peer->attach;
    struct link *link = peer->link;

    if (attach->reply) {
        reply_error(reply, "busy", "another region.attach for %s is under way", peer->name);
        return;
    }
    if (link->attached && view_trusted(&link->view) &&
        memcmp(link->view.nonce, nonce, REGION_NONCE_SIZE) == 0) {
        reply_ok(reply, describe_region(link, true));
        return;
    }
    if (link->attached && link_detach(link) == LINK_BUSY) {
        reply_error(reply, "busy", "the link to %s uses another region: hand it over to tcp first",
                    peer->name);
        return;
    }
    snprintf(attach->file, sizeof(attach->file), "%s", file ? file : "");
    memcpy(attach->nonce, nonce, REGION_NONCE_SIZE);
    attach->until_us = peer->agent->loop.now_us + deadline_ms * 1000ull;
    attach->reply = reply;
    requests_attach_retry(&attach->retry);
}

void requests_drop(struct peer *peer)
{
    loop_disarm(&peer->agent->loop, &peer->attach.retry);
    if (peer->attach.reply)
        reply_error(peer->attach.reply, "aborted", "the link to %s was removed", peer->name);
    peer->attach.reply = NULL;
    while (peer->handovers) {
        struct pending_handover *pending = peer->handovers;

        peer->handovers = pending->next;
        reply_error(pending->reply, "aborted", "the link to %s was removed", peer->name);
        free(pending);
    }
}
