#include "ring/view.h"

#include <string.h>

bool view_trusted(const struct view *view)
{
    const struct region_header *header = (const struct region_header *)(const void *)view->base;
    uint64_t now[2], expected[2];

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the copy before the check */
    memcpy(expected, view->nonce, sizeof(expected));
    for (int half = 0; half < 2; half++) {
        const uint64_t *word = (const uint64_t *)(const void *)(header->nonce + 8 * half);

        now[half] = __atomic_load_n(word, __ATOMIC_RELAXED);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the check before what it allows */
    return now[0] == expected[0] && now[1] == expected[1];
}

void view_beat(struct view *view, bool lower)
{
    struct region_header *header = (struct region_header *)(void *)view->base;
    struct region_side *side = lower ? &header->lower : &header->higher;

    __atomic_store_n(&side->heartbeat, side->heartbeat + 1, __ATOMIC_RELAXED);
}
