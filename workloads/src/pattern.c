/* Word i is start + i * STEP mod 2^64. STEP is odd, so it has an inverse and each of the 2^64
 * words occurs exactly once: a received word tells its index, however it got here. One addition
 * makes 8 bytes, and neighbouring words do not depend on each other in memory order, so the
 * compiler turns the loops into vector code.
 *
 * Bytes are little endian. Offsets may be anything; only pattern_fill speaks of whole words. */
#include "pattern.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the pattern is little endian");

#define STEP UINT64_C(0x9E3779B97F4A7C15)

/* Words compared at once before looking at the result. */
enum { BLOCK = 64 };

uint64_t pattern_start(uint64_t seed)
{
    uint64_t x = seed + STEP;
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static uint64_t word_at(uint64_t start, uint64_t index)
{
    return start + index * STEP;
}

static uint64_t load(const uint8_t *from)
{
    uint64_t word;
    memcpy(&word, from, sizeof word);
    return word;
}

static void store(uint8_t *to, uint64_t word)
{
    memcpy(to, &word, sizeof word);
}

uint8_t pattern_byte(uint64_t start, uint64_t offset)
{
    return (uint8_t)(word_at(start, offset / PATTERN_WORD) >> (8 * (offset % PATTERN_WORD)));
}

void pattern_fill(void *to, size_t words, uint64_t start, uint64_t first)
{
    uint8_t *out = to;
    uint64_t base = word_at(start, first);
    for (size_t i = 0; i < words; i++)
        store(out + i * PATTERN_WORD, base + i * STEP);
}

static size_t match_bytes(const uint8_t *data, size_t length, uint64_t start, uint64_t offset)
{
    size_t i = 0;
    while (i < length && data[i] == pattern_byte(start, offset + i))
        i++;
    return i;
}

static int block_differs(const uint8_t *data, uint64_t base)
{
    uint64_t difference = 0;
    for (size_t i = 0; i < BLOCK; i++)
        difference |= load(data + i * PATTERN_WORD) ^ (base + i * STEP);
    return difference != 0;
}

size_t pattern_match(const uint8_t *data, size_t length, uint64_t start, uint64_t offset)
{
    size_t head = (PATTERN_WORD - offset % PATTERN_WORD) % PATTERN_WORD;
    if (head > length)
        head = length;
    size_t done = match_bytes(data, head, start, offset);
    if (done < head)
        return done;
    while (length - done >= BLOCK * PATTERN_WORD) {
        if (block_differs(data + done, word_at(start, (offset + done) / PATTERN_WORD)))
            break;
        done += BLOCK * PATTERN_WORD;
    }
    return done + match_bytes(data + done, length - done, start, offset + done);
}

/* Newton's iteration doubles the number of right bits: 3, 6, 12, 24, 48, 96. */
static uint64_t inverse_of_step(void)
{
    uint64_t inverse = STEP;
    for (int i = 0; i < 5; i++)
        inverse *= 2 - STEP * inverse;
    return inverse;
}

uint64_t pattern_locate(const uint8_t *word, uint64_t start)
{
    return (load(word) - start) * inverse_of_step() * PATTERN_WORD;
}

void pattern_end_write(uint8_t *to, uint64_t start, uint64_t total)
{
    for (size_t i = 0; i < PATTERN_WORD; i++)
        to[i] = (uint8_t)~pattern_byte(start, total + i);
    store(to + PATTERN_WORD, total);
    store(to + 2 * PATTERN_WORD, ~total);
}

int pattern_end_read(const uint8_t *from, uint64_t start, uint64_t *total)
{
    uint64_t value = load(from + PATTERN_WORD);
    uint8_t expected[PATTERN_END];
    pattern_end_write(expected, start, value);
    if (memcmp(from, expected, sizeof expected) != 0)
        return 1;
    *total = value;
    return 0;
}
