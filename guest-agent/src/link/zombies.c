/* A ring's place is given to another stream only when nobody can touch it any more: not the peer's
 * agent nor its programs, which CLOSED tells, or a RESYNC that does not list the stream; and no
 * program of this side's that lingers. The lower id's agent keeps the slot until then, as a zombie;
 * the higher one's keeps its word back. */
#include "link/internal.h"

#include <stdlib.h>

bool link_is_held(const struct link *link, uint32_t id)
{
    return lingering_in_ring(link->lingering, link, id);
}

static struct zombie **find_zombie(struct link *link, uint32_t id)
{
    struct zombie **at = &link->zombies;

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static void lay_to_rest(struct link *link, struct zombie **at)
{
    struct zombie *zombie = *at;

    if (!zombie || !zombie->peer_let_go || link_is_held(link, zombie->id))
        return;
    slots_give_back(&link->slots, &zombie->slot);
    *at = zombie->next;
    free(zombie);
}

void link_keep_slot(struct link *link, const struct stream *stream)
{
    struct zombie *zombie;

    if (!link->lower || !stream->slot.size)
        return;
    zombie = malloc(sizeof(*zombie));
    if (!zombie)
        return; /* the slot stays taken until the region goes */
    *zombie = (struct zombie){.next = link->zombies,
                              .id = stream->id,
                              .slot = stream->slot,
                              .peer_let_go = stream->peer_let_go};
    link->zombies = zombie;
    lay_to_rest(link, &link->zombies);
}

void link_bury(struct link *link, uint32_t id)
{
    struct zombie **at = find_zombie(link, id);

    if (*at)
        (*at)->peer_let_go = true;
    lay_to_rest(link, at);
}

void link_say_closed(struct link *link, uint32_t id)
{
    if (link->carrier && !link_is_held(link, id))
        link_send(link, WIRE_CLOSED, id, 0, NULL, 0);
}

/* Before the peer's RESYNC has come, this side's own may still be on its way, and lists them. */
void link_look_for_lingerers(struct link *link)
{
    uint32_t id;

    if (link->carrier && !link->synced)
        return;
    while (lingering_over(link->lingering, link, &id)) {
        lay_to_rest(link, find_zombie(link, id));
        link_say_closed(link, id);
    }
}

void link_drop_zombies(struct link *link)
{
    while (link->zombies) {
        struct zombie *zombie = link->zombies;

        link->zombies = zombie->next;
        free(zombie);
    }
    lingering_stay_behind(link->lingering, link);
}

bool link_region_held(struct link *link)
{
    return lingering_in_region(link->lingering, link->view.nonce);
}
