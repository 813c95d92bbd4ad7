#include "link/lingering.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/turn.h"
#include "link/link.h"

void lingering_add(struct lingering *lingering, struct lingerer *lingerer)
{
    lingerer->next = lingering->first;
    lingering->first = lingerer;
    lingering->count++;
}

static void take_out(struct lingering *lingering, struct lingerer **at)
{
    struct lingerer *lingerer = *at;

    *at = lingerer->next;
    lingering->count--;
    munmap(lingerer->page, REGION_PAGE);
    free(lingerer);
}

void lingering_deinit(struct lingering *lingering)
{
    while (lingering->first)
        take_out(lingering, &lingering->first);
}

/* Nobody begins another copy: the page says that the ends are the agent's. */
static bool has_let_go(struct direct_page *page)
{
    bool both = false;

    if (!turn_take(&page->rx.turn, 0))
        return false;
    if (turn_take(&page->tx.turn, 0)) {
        turn_give(&page->tx.turn);
        both = true;
    }
    turn_give(&page->rx.turn);
    return both;
}

bool lingering_over(struct lingering *lingering, const struct link *link, uint32_t *stream)
{
    for (struct lingerer **at = &lingering->first; *at; at = &(*at)->next) {
        if ((*at)->link != link || !has_let_go((*at)->page))
            continue;
        *stream = (*at)->stream;
        take_out(lingering, at);
        return true;
    }
    return false;
}

bool lingering_in_ring(const struct lingering *lingering, const struct link *link, uint32_t stream)
{
    const struct lingerer *lingerer = lingering->first;

    while (lingerer && (lingerer->link != link || lingerer->stream != stream))
        lingerer = lingerer->next;
    return lingerer != NULL;
}

void lingering_look(struct lingering *lingering)
{
    uint32_t stream;

    while (lingering_over(lingering, NULL, &stream))
        continue;
}

bool lingering_in_region(struct lingering *lingering, const uint8_t nonce[REGION_NONCE_SIZE])
{
    const struct lingerer *lingerer;

    lingering_look(lingering);
    lingerer = lingering->first;
    while (lingerer && memcmp(lingerer->nonce, nonce, REGION_NONCE_SIZE) != 0)
        lingerer = lingerer->next;
    return lingerer != NULL;
}

static bool may_have_gone(const struct lingerer *lingerer)
{
    return !lingerer->link || lingerer->link->region_lost;
}

bool lingering_in_device(struct lingering *lingering)
{
    const struct lingerer *lingerer;

    lingering_look(lingering);
    lingerer = lingering->first;
    while (lingerer && !(lingerer->device && may_have_gone(lingerer)))
        lingerer = lingerer->next;
    return lingerer != NULL;
}

void lingering_stay_behind(struct lingering *lingering, const struct link *link)
{
    for (struct lingerer *lingerer = lingering->first; lingerer; lingerer = lingerer->next)
        if (lingerer->link == link)
            lingerer->link = NULL;
}
