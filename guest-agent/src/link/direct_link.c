/* Taking back what the programs of all of a link's streams hold. */
#include "link/direct.h"
#include "link/internal.h"

int direct_take_back_all(struct link *link)
{
    int error = 0;

    for (uint32_t i = 0; i < link->count && !error; i++)
        error = direct_take_back(link, link->streams[i]);
    return error;
}

void direct_take_back_most(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++)
        direct_take_back(link, link->streams[i]);
}

void direct_end_all(struct link *link)
{
    for (uint32_t i = 0; i < link->count; i++)
        if (direct_take_back(link, link->streams[i]) < 0)
            link_reset(link, link->streams[i], LINK_HELD_RING);
}
