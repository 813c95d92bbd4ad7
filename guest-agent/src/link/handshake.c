#include "link/handshake.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define CONTEXT "domsock link 4"

struct text {
    char context[sizeof(CONTEXT)];
    uint8_t shared[WIRE_KEY_SIZE];
    uint8_t lower[sizeof(struct handshake_hello)];
    uint8_t higher[sizeof(struct handshake_hello)];
};

_Static_assert(WIRE_KEY_SIZE == crypto_scalarmult_BYTES, "X25519");
_Static_assert(sizeof(struct text) ==
                   sizeof(CONTEXT) + WIRE_KEY_SIZE + 2 * sizeof(struct handshake_hello),
               "nothing but what is said counts");

void handshake_begin(struct handshake *handshake)
{
    *handshake = (struct handshake){.mine.header = {.magic = WIRE_MAGIC,
                                                    .type = WIRE_HELLO,
                                                    .length = sizeof(struct wire_hello)}};
    randombytes_buf(handshake->secret, sizeof(handshake->secret));
    crypto_scalarmult_base(handshake->mine.body.ephemeral, handshake->secret);
}

static void derive(const struct text *text, const uint8_t key[WIRE_KEY_SIZE], bool lower,
                   struct handshake_keys *keys)
{
    uint8_t both[2][WIRE_KEY_SIZE]; /* [0] seals what the lower domain id sends */

    crypto_generichash(both[0], sizeof(both), (const uint8_t *)text, sizeof(*text), key,
                       WIRE_KEY_SIZE);
    memcpy(keys->mine, both[!lower], WIRE_KEY_SIZE);
    memcpy(keys->theirs, both[lower], WIRE_KEY_SIZE);
    sodium_memzero(both, sizeof(both));
}

int handshake_finish(struct handshake *handshake, const uint8_t key[WIRE_KEY_SIZE],
                     struct handshake_keys *keys)
{
    const struct handshake_hello *mine = &handshake->mine, *theirs = &handshake->theirs;
    bool lower = mine->body.id < theirs->body.id;
    struct text text = {.context = CONTEXT};
    int error = crypto_scalarmult(text.shared, handshake->secret, theirs->body.ephemeral);

    memcpy(text.lower, lower ? mine : theirs, sizeof(*mine));
    memcpy(text.higher, lower ? theirs : mine, sizeof(*mine));
    if (!error)
        derive(&text, key, lower, keys);
    sodium_memzero(&text, sizeof(text));
    sodium_memzero(handshake->secret, sizeof(handshake->secret));
    return error ? -EPROTO : 0;
}
