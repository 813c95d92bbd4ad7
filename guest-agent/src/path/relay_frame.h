/* Finding the relay's frames in a byte stream, and their sums. Pure. */
#pragma once

#include "abi/relay.h"

/* Of one direction of one line. The sums of a trunk have a key that only its two ends know, and
 * cover how many frames went before: whoever is in between can alter, drop and repeat nothing
 * unseen. Those of a port find what is torn; its keys and counts are zero. */
struct relay_sums {
    uint8_t key[RELAY_SUM_KEY_SIZE];
    uint64_t count;
};

/* Fills in magic and sums. */
void relay_frame_sum(const struct relay_sums *sums, struct relay_frame *frame,
                     const uint8_t *payload);
/* Looks for a frame at `bytes`. 0: incomplete; -EBADMSG: none begins here; else its whole length,
 * with the header copied out. */
int relay_frame_parse(const struct relay_sums *sums, const uint8_t *bytes, size_t length,
                      struct relay_frame *frame);
/* How many bytes to skip until a frame may begin. */
size_t relay_frame_seek(const uint8_t *bytes, size_t length);

/* What a DATA frame takes of its channel's window. */
static inline uint32_t relay_frame_cost(const struct relay_frame *frame)
{
    return (uint32_t)sizeof(*frame) + frame->length;
}
