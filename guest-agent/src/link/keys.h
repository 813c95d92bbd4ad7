/* The keys by which the two agents of a link know each other.
 *
 * A new key is told to one of them first. And whether the peer has taken this side's AUTH for the
 * proof of a key is not known before the peer's own has come. So an agent keeps the key that it was
 * told last, and every one that the peer may have proven; what is older than a key that is proven
 * here is forgotten. Whoever has proven the newest key of the two, the other one has it, too. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/wire.h"

struct keys {
    uint8_t known[WIRE_KEYS][WIRE_KEY_SIZE]; /* the newest first; zeros: no more */
    bool offered;                            /* the newest; all others are */
};

typedef uint8_t key_ids[WIRE_KEYS][WIRE_KEY_ID_SIZE];

/* Returns whether it is another one than before. One that was never offered makes room for it. */
bool keys_tell(struct keys *keys, const uint8_t key[WIRE_KEY_SIZE]);
void keys_ids(const struct keys *keys, key_ids ids);
/* The first key of the lower domain id's that the higher one has, too; NULL: there is none. */
const uint8_t *keys_common(const key_ids lower, const key_ids higher);
/* This side is going to say AUTH with it. NULL: it is not known any more. */
const uint8_t *keys_offer(struct keys *keys, const uint8_t id[WIRE_KEY_ID_SIZE]);
/* A connection has come up with that key. False: with one that is not good any more. */
bool keys_prove(struct keys *keys, const uint8_t id[WIRE_KEY_ID_SIZE]);
