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

static uint64_t *line_of(const struct view *view, bool lower)
{
    struct region_header *header = (struct region_header *)(void *)view->base;

    return lower ? &header->lower.heartbeat : &header->higher.heartbeat;
}

void view_begin(struct view *view, bool lower)
{
    view->beats = view_heartbeat(view, lower);
}

uint64_t view_beat(struct view *view, bool lower)
{
    /* Release: who sees the count sees all that was written before it. */
    __atomic_store_n(line_of(view, lower), ++view->beats, __ATOMIC_RELEASE);
    return view->beats;
}

uint64_t view_heartbeat(const struct view *view, bool lower)
{
    return __atomic_load_n(line_of(view, lower), __ATOMIC_ACQUIRE);
}
