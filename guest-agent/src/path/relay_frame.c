#include "path/relay_frame.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

_Static_assert(crypto_shorthash_KEYBYTES == RELAY_SUM_KEY_SIZE, "SipHash's key");
_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "SipHash's sum");

static uint64_t sum(const struct relay_sums *sums, const void *bytes, size_t length)
{
    uint8_t key[RELAY_SUM_KEY_SIZE];
    uint64_t result;

    memcpy(key, sums->key, sizeof(key));
    for (size_t i = 0; i < sizeof(sums->count); i++)
        key[i] ^= (uint8_t)(sums->count >> (8 * i)); /* every frame's key is another */
    crypto_shorthash((uint8_t *)&result, bytes, length, key);
    return result;
}

static uint64_t head_sum(const struct relay_sums *sums, const struct relay_frame *frame)
{
    return sum(sums, frame, offsetof(struct relay_frame, head_sum));
}

void relay_frame_sum(const struct relay_sums *sums, struct relay_frame *frame,
                     const uint8_t *payload)
{
    frame->magic = RELAY_MAGIC;
    frame->body_sum = frame->length ? sum(sums, payload, frame->length) : 0;
    frame->head_sum = head_sum(sums, frame);
}

int relay_frame_parse(const struct relay_sums *sums, const uint8_t *bytes, size_t length,
                      struct relay_frame *frame)
{
    const uint8_t *payload = bytes + sizeof(*frame);

    if (length < sizeof(*frame))
        return 0;
    memcpy(frame, bytes, sizeof(*frame));
    if (frame->magic != RELAY_MAGIC || frame->length > RELAY_PAYLOAD_MAX ||
        frame->head_sum != head_sum(sums, frame))
        return -EBADMSG;
    if (length - sizeof(*frame) < frame->length)
        return 0;
    if (frame->body_sum != (frame->length ? sum(sums, payload, frame->length) : 0))
        return -EBADMSG;
    return (int)(sizeof(*frame) + frame->length);
}

size_t relay_frame_seek(const uint8_t *bytes, size_t length)
{
    static const uint32_t magic = RELAY_MAGIC;

    for (size_t at = 1; at < length; at++) {
        size_t left = length - at;

        if (memcmp(bytes + at, &magic, left < sizeof(magic) ? left : sizeof(magic)) == 0)
            return at;
    }
    return length;
}
