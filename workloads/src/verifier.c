/* Two states.
 *
 * In step: the bytes due are the pattern's from `next` on. Comparing is all there is to do.
 *
 * Searching: a byte did not fit. Then the stream goes on somewhere else in the pattern (bytes
 * lost, repeated or out of order), or it is damaged here, or the end mark has come. A word of
 * the pattern tells its own offset, but one that stands at any of 8 alignments, and perhaps
 * behind the torn rest of a word. So a window slides byte by byte: at its test position we look
 * for two pattern words in a row or an end mark; the up to 7 bytes before it are kept, because
 * once the position is known they may turn out to be the end of a pattern word after all.
 *
 * What is found is booked by offset: a jump ahead leaves a range `missing`; bytes that come
 * from there later are `reordered`, bytes from below that are not missing are `duplicated`.
 * When a search ends exactly where it would have ended without it, the bytes in between were
 * damaged in place, and only those that really differ count as `corrupted`. A stray piece too
 * short to hold two whole words is not recognised: it counts as corrupted, its place as lost. */
#include "verifier.h"

#include <string.h>

enum { TORN_MAX = PATTERN_WORD - 1, TEST = 2 * PATTERN_WORD };

_Static_assert(VERIFIER_WINDOW == TORN_MAX + PATTERN_END, "the window holds one end mark");

void verifier_init(struct verifier *verifier, uint64_t seed)
{
    memset(verifier, 0, sizeof *verifier);
    verifier->start = pattern_start(seed);
}

static bool has_errors(const struct verifier *v)
{
    return v->duplicated || v->reordered || v->corrupted || ranges_bytes(&v->missing);
}

/* Books `length` right bytes that the pattern has at `offset`. */
static void accept(struct verifier *v, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    v->next = end;
    if (offset < v->high) {
        uint64_t known = (end < v->high ? end : v->high) - offset;
        uint64_t late = ranges_remove(&v->missing, offset, offset + known);
        v->reordered += late;
        v->verified += late;
        v->duplicated += known - late;
    }
    if (end <= v->high)
        return;
    uint64_t fresh = end - (offset > v->high ? offset : v->high);
    if (v->ended)
        v->corrupted += fresh; /* the peer had said that nothing follows */
    else
        v->verified += fresh;
    v->high = end;
}

static void search(struct verifier *v)
{
    v->searching = true;
    v->held = v->torn = 0;
    v->strange = v->replaced = 0;
}

/* Takes `count` bytes off the front of the window. */
static void shift(struct verifier *v, size_t count)
{
    v->held -= count;
    v->torn -= count < v->torn ? count : v->torn;
    memmove(v->window, v->window + count, v->held);
}

/* The first `count` bytes of the window fit nowhere. */
static void give_up(struct verifier *v, size_t count)
{
    for (size_t i = 0; i < count; i++)
        v->replaced += v->window[i] != pattern_byte(v->start, v->next + v->strange + i);
    v->strange += count;
    shift(v, count);
}

/* The bytes that fitted nowhere stood in the place of [next, next + strange). */
static void book_damage_in_place(struct verifier *v)
{
    uint64_t end = v->next + v->strange;
    v->corrupted += v->replaced;
    if (end > v->high) {
        v->verified += v->strange - v->replaced;
        v->high = end;
    }
    v->next = end;
}

/* The bytes that fitted nowhere were followed by the pattern's bytes at another `offset`. */
static void book_jump(struct verifier *v, uint64_t offset)
{
    v->corrupted += v->strange;
    if (offset > v->high) {
        uint64_t gap = offset - v->high;
        uint64_t spoilt = v->strange < gap ? v->strange : gap;
        ranges_append(&v->missing, v->high + spoilt, offset);
        v->high = offset;
    }
    v->next = offset;
}

static void settle(struct verifier *v, uint64_t offset)
{
    uint64_t suspect = v->next;
    if (offset == v->next + v->strange)
        book_damage_in_place(v);
    else
        book_jump(v, offset);
    v->searching = false;
    v->first_error = v->failed ? v->first_error : suspect;
}

/* The pattern, or its end, stands at the test position and means `offset`. Torn bytes that
 * continue it to the left belong to it. */
static void resume(struct verifier *v, uint64_t offset)
{
    size_t fitting = 0;
    while (fitting < v->torn && offset > fitting &&
           v->window[v->torn - fitting - 1] == pattern_byte(v->start, offset - fitting - 1))
        fitting++;
    give_up(v, v->torn - fitting);
    settle(v, offset - fitting);
    accept(v, offset - fitting, fitting);
    shift(v, fitting);
}

/* 0: the pattern or its end was found at the test position, 1: neither is there. */
static int find(struct verifier *v)
{
    const uint8_t *at = v->window + v->torn;
    size_t here = v->held - v->torn;
    uint64_t offset;
    if (here >= PATTERN_END && pattern_end_read(at, v->start, &offset) == 0) {
        resume(v, offset);
        shift(v, PATTERN_END);
        v->ended = true;
        v->total = offset;
        return 0;
    }
    if (here < PATTERN_WORD)
        return 1;
    offset = pattern_locate(at, v->start);
    size_t compared = here < TEST ? here : TEST;
    if (offset > UINT64_MAX - TEST || pattern_match(at, compared, v->start, offset) < compared)
        return 1;
    resume(v, offset);
    return 0;
}

static void take(struct verifier *v, const uint8_t *data, size_t length);

/* Judges the test position, then moves it on by one byte or leaves the search. */
static void step(struct verifier *v)
{
    if (find(v) != 0) {
        v->torn++;
        if (v->torn > TORN_MAX)
            give_up(v, 1);
        return;
    }
    v->failed |= has_errors(v);
    uint8_t rest[VERIFIER_WINDOW];
    size_t held = v->held;
    memcpy(rest, v->window, held);
    take(v, rest, held);
}

static size_t take_in_step(struct verifier *v, const uint8_t *data, size_t length)
{
    size_t fitting = pattern_match(data, length, v->start, v->next);
    accept(v, v->next, fitting);
    if (fitting < length)
        search(v);
    return fitting;
}

/* Recursion ends at once: what `step` gives back is shorter than the window it came from. */
static void take(struct verifier *v, const uint8_t *data, size_t length)
{
    while (length > 0) {
        size_t taken = 1;
        if (!v->searching) {
            taken = take_in_step(v, data, length);
        } else {
            v->window[v->held++] = *data;
            if (v->held - v->torn == PATTERN_END)
                step(v);
        }
        data += taken;
        length -= taken;
    }
}

void verifier_feed(struct verifier *v, const uint8_t *data, size_t length)
{
    take(v, data, length);
}

void verifier_finish(struct verifier *v)
{
    while (v->searching && v->held > v->torn)
        step(v);
    if (v->searching) {
        give_up(v, v->held);
        settle(v, v->next + v->strange);
    }
    v->failed |= has_errors(v);
}

uint64_t verifier_lost(const struct verifier *v)
{
    return ranges_bytes(&v->missing);
}

bool verifier_clean(const struct verifier *v)
{
    return v->ended && !v->failed;
}
