#include "ranges.h"

#include <string.h>

void ranges_append(struct ranges *set, uint64_t begin, uint64_t end)
{
    if (begin >= end)
        return;
    if (set->count == RANGES_MAX) {
        set->overflow += end - begin;
        return;
    }
    set->item[set->count++] = (struct range){begin, end};
}

static void drop(struct ranges *set, size_t at)
{
    set->count--;
    memmove(set->item + at, set->item + at + 1, (set->count - at) * sizeof *set->item);
}

/* The middle was taken out: keep what stands before it at `at`, what stands behind it after. */
static void split(struct ranges *set, size_t at, struct range behind)
{
    if (set->count == RANGES_MAX) {
        set->overflow += behind.end - behind.begin;
        return;
    }
    size_t moved = set->count - at - 1;
    memmove(set->item + at + 2, set->item + at + 1, moved * sizeof *set->item);
    set->item[at + 1] = behind;
    set->count++;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t ranges_remove(struct ranges *set, uint64_t begin, uint64_t end)
{
    uint64_t removed = 0;
    for (size_t i = 0; i < set->count;) {
        struct range was = set->item[i];
        uint64_t from = larger(was.begin, begin), to = smaller(was.end, end);
        if (from >= to) {
            i++;
            continue;
        }
        removed += to - from;
        if (from == was.begin && to == was.end) {
            drop(set, i);
            continue;
        }
        set->item[i] =
            from > was.begin ? (struct range){was.begin, from} : (struct range){to, was.end};
        if (from > was.begin && to < was.end)
            split(set, i, (struct range){to, was.end});
        i++;
    }
    return removed;
}

uint64_t ranges_bytes(const struct ranges *set)
{
    uint64_t bytes = set->overflow;
    for (size_t i = 0; i < set->count; i++)
        bytes += set->item[i].end - set->item[i].begin;
    return bytes;
}
