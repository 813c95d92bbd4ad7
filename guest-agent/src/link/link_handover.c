/* Carrying out what the handover's state machine says. */
#include "link/direct.h"
#include "link/internal.h"

#include <stdio.h>
#include <string.h>

static enum wire_path old_path(const struct link *link)
{
    return link->handover.path;
}

static void send_prepare(struct link *link)
{
    uint64_t now_us = link->loop->now_us, until_us = link->attempt.deadline_us;
    uint64_t left_us = until_us > now_us ? until_us - now_us : 0;
    struct wire_prepare prepare = {.to = link->handover.to,
                                   .deadline_ms = (uint32_t)(left_us / 1000u)};
    struct iovec pieces[2] = {{&prepare, sizeof(prepare)}, link_offer_slots(link)};

    memcpy(prepare.nonce, link->view.nonce, sizeof(prepare.nonce));
    link_send_pieces(link, WIRE_PREPARE, link_beat(link), pieces, 2);
}

static void send_abort(struct link *link)
{
    char reason[WIRE_REASON_MAX] = "";
    struct iovec pieces[2] = {{reason, sizeof(reason)}, link_switch_all(link, old_path(link))};

    snprintf(reason, sizeof(reason), "%s", link->attempt.reason ? link->attempt.reason : "");
    link_send_pieces(link, WIRE_ABORT, 0, pieces, 2);
}

static void roll_back(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++)
        if (link->streams[i]->slot.size && link->streams[i]->state == STREAM_OPEN)
            stream_roll_back(link->streams[i], old_path(link));
}

/* Bytes that were lost with a region are sent again after the next RESYNC: have one. */
static void fetch_missing(struct link *link)
{
    bool missing = false;

    for (uint32_t i = 0; i < link->count; i++)
        missing |= link->streams[i]->rx.missing;
    if (missing && link->carrier)
        link->carrier->ops->fail(link->carrier, LINK_FETCH_MISSING);
}

static void unmap(struct link *link)
{
    shm_unmap(&link->view);
    link->attached = false;
}

/* Every receiving direction has drained its ring: the region can go. */
static void let_go_of_region(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++)
        if (link->streams[i]->rx.path == WIRE_PATH_SHM)
            link_reset(link, link->streams[i], "the peer left it out of the change of path");
    link_drop_slots(link);
    unmap(link);
    link_reap(link);
}

static uint64_t total_resent(const struct link *link)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < link->count; i++)
        total += link->streams[i]->tx.resent;
    return total;
}

static void report_end(struct link *link, bool committed, bool confirmed)
{
    struct link_handover *attempt = &link->attempt;
    struct handover_report *report = &attempt->report;
    uint64_t resent = total_resent(link);

    report->committed = committed;
    report->confirmed = confirmed;
    report->to = link->handover.to;
    report->epoch = link->handover.epoch;
    report->streams = link->count;
    report->duration_us = link->loop->now_us - attempt->started_us;
    report->bytes_resent = resent > attempt->resent_before ? resent - attempt->resent_before : 0;
    report->reason = attempt->reason;
    attempt->wanted = false;
    loop_disarm(link->loop, &attempt->deadline);
    link->user_ops->handed_over(link->user, report);
}

static void send_prepared(struct link *link)
{
    struct iovec slots = link_offer_slots(link);

    link_attach_rings(link);
    link_send_pieces(link, WIRE_PREPARED, link_beat(link), &slots, 1);
}

/* With the FENCE the peer finds something in every ring, and does not wait until all that is at
 * hand has been copied. */
static void fill_rings(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++)
        if (link->streams[i]->state == STREAM_OPEN && link->streams[i]->tx.path == WIRE_PATH_SHM)
            stream_give_ring(link->streams[i], &link->view, link_piece(link), &link->kick_due);
}

static void switch_and_fence(struct link *link)
{
    struct iovec marks;

    link_attach_rings(link);
    marks = link_switch_all(link, link->handover.to);
    link_send_pieces(link, WIRE_FENCE, link_beat(link), &marks, 1);
    if (link->handover.to == WIRE_PATH_SHM)
        fill_rings(link);
}

static void send_drained(struct link *link)
{
    link_send(link, WIRE_DRAINED, 0, 0, NULL, 0);
}

static void commit(struct link *link)
{
    if (link->handover.path == WIRE_PATH_TCP)
        let_go_of_region(link);
}

static void send_commit(struct link *link)
{
    link_send(link, WIRE_COMMIT, 0, 0, NULL, 0);
}

static void send_release(struct link *link)
{
    link_send(link, WIRE_RELEASE, 0, 0, NULL, 0);
}

static void done(struct link *link)
{
    report_end(link, true, true);
}

static void failed(struct link *link)
{
    report_end(link, false, false);
}

static void break_off(struct link *link)
{
    if (link->carrier)
        link->carrier->ops->fail(link->carrier, "the peer broke the rules of the handover");
}

static void (*const acts[])(struct link *link) = {
    [HANDOVER_SEND_PREPARE] = send_prepare,
    [HANDOVER_SEND_PREPARED] = send_prepared,
    [HANDOVER_SWITCH_AND_FENCE] = switch_and_fence,
    [HANDOVER_SEND_DRAINED] = send_drained,
    [HANDOVER_COMMIT] = commit,
    [HANDOVER_SEND_COMMIT] = send_commit,
    [HANDOVER_SEND_RELEASE] = send_release,
    [HANDOVER_RETURN_AND_ABORT] = send_abort,
    [HANDOVER_ROLL_BACK] = roll_back,
    [HANDOVER_DONE] = done,
    [HANDOVER_FAILED] = failed,
    [HANDOVER_BREAK] = break_off,
};

/* Nothing of an attempt is under way any more: what it held up may go on. */
static void settle(struct link *link)
{
    if (!link->attempt.wanted)
        loop_disarm(link->loop, &link->attempt.deadline);
    if (link->handover.path == WIRE_PATH_TCP) {
        link_drop_slots(link);
        if (link->region_lost)
            unmap(link);
        fetch_missing(link);
    }
    if (!link->synced)
        return;
    link_advance_opens(link);
    link_handover_begin(link);
}

static void note_start(struct link *link)
{
    link->attempt.started_us = link->loop->now_us;
    link->attempt.resent_before = total_resent(link);
    link->attempt.report =
        (struct handover_report){.from = link->handover.path, .initiated = link->attempt.wanted};
}

void link_handover_step(struct link *link, struct handover_event event)
{
    bool was_running = handover_running(&link->handover);
    struct handover_step step = handover_step(&link->handover, event);

    if (!was_running && handover_running(&link->handover))
        note_start(link);
    for (int i = 0; i < HANDOVER_ACTIONS_MAX; i++)
        if (step.actions[i] != HANDOVER_NOTHING)
            acts[step.actions[i]](link);
    if (event.input == HANDOVER_EXPIRED && link->attempt.wanted)
        report_end(link, link->handover.phase == HANDOVER_COMMITTED, false);
    if (was_running && !handover_running(&link->handover))
        settle(link);
    if (link->carrier) /* not after the next round of copying */
        link->carrier->ops->flush(link->carrier);
}

void link_handover_begin(struct link *link)
{
    struct link_handover *attempt = &link->attempt;

    if (!attempt->wanted || !link->synced || handover_running(&link->handover))
        return;
    if (attempt->to == link->handover.path || (attempt->to == WIRE_PATH_SHM && !link->attached)) {
        note_start(link);
        link->handover.to = attempt->to;
        attempt->reason = "the region was detached meanwhile";
        report_end(link, attempt->to == link->handover.path, true);
        return;
    }
    link_handover_step(link, (struct handover_event){.input = HANDOVER_START, .to = attempt->to});
}

void link_arm_deadline(struct link *link, uint32_t deadline_ms)
{
    uint32_t ms = deadline_ms < LINK_DEADLINE_MAX_MS ? deadline_ms : LINK_DEADLINE_MAX_MS;

    link->attempt.overdue = false;
    link->attempt.deadline_us = link->loop->now_us + ms * 1000ull;
    loop_arm(link->loop, &link->attempt.deadline, ms * 1000ull);
}

/* One handover answers all who want the same. Whoever joins the peer's needs a deadline, too. */
static int join(struct link *link, enum wire_path to, uint32_t deadline_ms)
{
    struct link_handover *attempt = &link->attempt;

    if (to != (attempt->wanted ? attempt->to : link->handover.to))
        return LINK_BUSY;
    if (!attempt->wanted)
        link_arm_deadline(link, deadline_ms);
    attempt->wanted = true;
    attempt->to = to;
    return 0;
}

int link_hand_over(struct link *link, enum wire_path to, uint32_t deadline_ms)
{
    struct link_handover *attempt = &link->attempt;
    bool running = handover_running(&link->handover) && link->handover.phase != HANDOVER_ABORTING;

    if (running || attempt->wanted)
        return join(link, to, deadline_ms);
    if (to == link->handover.path && !handover_running(&link->handover))
        return LINK_ALREADY;
    if (to == WIRE_PATH_SHM && (!link->attached || !view_trusted(&link->view)))
        return LINK_NO_REGION;
    if (direct_take_back_all(link) < 0 || (to == WIRE_PATH_SHM && link_region_held(link)))
        return LINK_HELD;
    attempt->wanted = true;
    attempt->to = to;
    attempt->reason = link->synced ? "the deadline passed" : "there is no connection to the peer";
    link_arm_deadline(link, deadline_ms);
    link_handover_begin(link);
    return 0;
}

/* Of what was in a region before this life of the agent nobody here knows anything. And where a
 * device has gone, the next one may be at the same address: whoever still has the old one mapped
 * would write into the new one. */
const char *link_attach_fault(struct link *link, const struct view *view)
{
    if (view_heartbeat(view, link->lower))
        return "it has been in use here before, and a region is used once";
    if (view->device && lingering_in_device(link->lingering))
        return "a program is stopped in the middle of a copy into a device that has gone";
    return NULL;
}

void link_attach(struct link *link, const struct view *view, uint32_t mbps)
{
    link->view = *view;
    link_await_heartbeat(link);
    link->mbps = mbps;
    link->attached = true;
    link->region_lost = false;
}

int link_detach(struct link *link)
{
    if (link->handover.path == WIRE_PATH_SHM || handover_running(&link->handover))
        return LINK_BUSY;
    link_drop_slots(link);
    unmap(link);
    return 0;
}
