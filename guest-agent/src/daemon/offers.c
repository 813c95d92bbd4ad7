#include "daemon/offers.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "daemon/opener.h"

static struct offer *offer_to(struct offer **offers, uint32_t peer_id)
{
    struct offer *offer = *offers;

    while (offer && offer->peer_id != peer_id)
        offer = offer->next;
    if (offer)
        return offer;
    offer = malloc(sizeof(*offer));
    if (!offer)
        return NULL;
    *offer = (struct offer){.next = *offers, .peer_id = peer_id};
    *offers = offer;
    return offer;
}

static enum export_scope scope_for(const struct peer *peer, const char *name, const char *path)
{
    struct stat status;

    if (!path || !opener_reaches(peer, name))
        return EXPORT_TO_NOBODY;
    return stat(path, &status) == 0 && status.st_mode & S_IWOTH ? EXPORT_TO_ALL : EXPORT_TO_SOME;
}

void offers_make(struct offer **offers, const struct peer *peer, const char *name, const char *path,
                 bool again)
{
    struct offer *offer = offer_to(offers, peer->link->peer_id);
    enum export_scope scope = scope_for(peer, name, path);

    if (!offer)
        return;
    if (path && scope == EXPORT_TO_NOBODY && !offer->explained)
        log_warning("%s is not shown to %s: user %u, who would connect, may not; next: chmod o+w, "
                    "or setfacl -m u:%u:rw",
                    path, peer->name, (unsigned)peer->as.uid, (unsigned)peer->as.uid);
    if (again ? scope != EXPORT_TO_NOBODY : scope != offer->scope)
        link_export(peer->link, name, scope);
    offer->scope = scope;
    offer->explained = path && scope == EXPORT_TO_NOBODY;
}

bool offers_withheld(const struct offer *offers, uint32_t peer_id)
{
    while (offers && offers->peer_id != peer_id)
        offers = offers->next;
    return offers && offers->scope == EXPORT_TO_NOBODY;
}

void offers_free(struct offer *offers)
{
    while (offers) {
        struct offer *next = offers->next;

        free(offers);
        offers = next;
    }
}
