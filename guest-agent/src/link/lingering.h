/* Programs that may still touch the rings of a stream that has ended.
 *
 * One that was stopped in the middle of a copy cannot be told of the end: once it goes on it ends
 * that copy where it was, and only then finds out that the rings are not its any more. Until then
 * nobody else gets the place. Whether it has let go is told by the locks of its page; one that was
 * killed has. A program may outlive its link: one list is for all links of an agent. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/direct.h"

#define LINGERING_MAX 64u /* with so many no program gets a ring any more */

struct link;

struct lingerer {
    struct lingerer *next;
    struct direct_page *page;
    uint8_t nonce[REGION_NONCE_SIZE];
    bool device;             /* its region is a device, and may have gone */
    const struct link *link; /* NULL: the link is not in that region any more */
    uint32_t stream;
};

struct lingering {
    struct lingerer *first;
    uint32_t count;
    char page_name[64]; /* of all pages of this agent, in its next life, too */
};

/* Takes the lingerer and its page. */
void lingering_add(struct lingering *lingering, struct lingerer *lingerer);
void lingering_deinit(struct lingering *lingering);

bool lingering_in_ring(const struct lingering *lingering, const struct link *link, uint32_t stream);
bool lingering_in_region(struct lingering *lingering, const uint8_t nonce[REGION_NONCE_SIZE]);
/* Forgets those that have let go of a region that the link is not in any more. */
void lingering_look(struct lingering *lingering);
/* In a device that may have gone. */
bool lingering_in_device(struct lingering *lingering);
/* The link leaves its region; they may not have. */
void lingering_stay_behind(struct lingering *lingering, const struct link *link);
/* Whether one of that link's has let go: it is forgotten, and *stream is whose rings it had. */
bool lingering_over(struct lingering *lingering, const struct link *link, uint32_t *stream);
