/* Whether both sides look at the same region, and what happens once they do not.
 *
 * A view may turn into a private copy: its nonce is right, and nobody else sees it. So each side
 * counts in its own line of the region's header, and says its count in every message about the
 * region. A view that does not show what was said is not the sender's: one of the two is a copy.
 *
 * A count that stands still is no proof: the peer may only be stopped, and then nothing must
 * happen to it. It makes this side say its own count; the peer compares, if it runs. */
#include "link/direct.h"
#include "link/internal.h"

#include "base/log.h"

#define BEAT_US 500000u
#define SILENCE_US 1000000u
#define RESCUE_DEADLINE_MS 10000u

void link_await_heartbeat(struct link *link)
{
    view_begin(&link->view, link->lower);
    link->heartbeat = (struct link_heartbeat){.shown = view_heartbeat(&link->view, !link->lower),
                                              .moved_us = link->loop->now_us,
                                              .patience_us = SILENCE_US};
}

uint64_t link_beat(struct link *link)
{
    if (!link->attached || link->region_lost)
        return 0; /* every view shows as much */
    return view_beat(&link->view, link->lower);
}

bool link_shows(const struct link *link, uint64_t said)
{
    return (int64_t)(view_heartbeat(&link->view, !link->lower) - said) >= 0;
}

/* Until the link has left it, nothing touches the region. What lay in it unread is sent again: the
 * sender still has it. */
static void lose_region(struct link *link, const char *reason)
{
    log_error("link %u: %s; going on by tcp", link->peer_id, reason);
    link->region_lost = true;
    direct_end_all(link);
    shm_disown(&link->view);
    link->attempt.reason = reason;
    link_handover_step(link, (struct handover_event){.input = HANDOVER_EXPIRED});
}

void link_compare(struct link *link, const struct wire_header *header)
{
    if (!link->attached || link->region_lost || header->epoch != link->handover.epoch)
        return; /* it may be about another region */
    if (!link_shows(link, header->offset))
        lose_region(link, "the region is not shared any more: one side has a private copy");
}

/* Beats, and sees to it that a peer whose count stands still is told this side's. */
static void listen_to_peer(struct link *link)
{
    struct link_heartbeat *heartbeat = &link->heartbeat;
    uint64_t now_us = link->loop->now_us;
    uint64_t shown = view_heartbeat(&link->view, !link->lower);

    heartbeat->looked_us = now_us;
    link_beat(link);
    if (shown != heartbeat->shown) {
        heartbeat->shown = shown;
        heartbeat->moved_us = now_us;
        heartbeat->patience_us = SILENCE_US;
    } else if (link->synced && now_us - heartbeat->moved_us >= heartbeat->patience_us) {
        heartbeat->patience_us *= 2;
        link->kick_due = true;
    }
}

static bool on_shared_memory(const struct link *link)
{
    return link->handover.path == WIRE_PATH_SHM && !link->region_lost;
}

/* The peer refuses it while a program there is stopped in the middle of a copy. */
static bool needs_rescue(const struct link *link)
{
    return link->region_lost && link->handover.path == WIRE_PATH_SHM && link->synced &&
           !handover_running(&link->handover) && !link->attempt.wanted;
}

void link_watch_region(struct link *link)
{
    bool used = link->handover.path == WIRE_PATH_SHM || handover_running(&link->handover);

    if (used && link->attached && !link->region_lost && !view_trusted(&link->view))
        lose_region(link, "the region has vanished or changed");
    if (on_shared_memory(link) &&
        link->loop->now_us / BEAT_US != link->heartbeat.looked_us / BEAT_US) {
        listen_to_peer(link);
        link_look_for_lingerers(link);
    }
    if (needs_rescue(link) && link->loop->now_us >= link->heartbeat.rescue_us) {
        link->heartbeat.rescue_us = link->loop->now_us + BEAT_US;
        link_hand_over(link, WIRE_PATH_TCP, RESCUE_DEADLINE_MS);
    }
}

/* All links of an agent beat at the same moments: it wakes twice a second, however many it has. */
uint64_t link_watch_limit(const struct link *link)
{
    uint64_t now_us = link->loop->now_us, rescue_us = link->heartbeat.rescue_us;

    if (needs_rescue(link))
        return rescue_us > now_us ? rescue_us - now_us : 0;
    return on_shared_memory(link) ? BEAT_US - now_us % BEAT_US : LOOP_FOREVER;
}
