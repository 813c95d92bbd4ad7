/* The keys by which the two agents of a link know each other.
 *
 * A new key is told to one of them first. So each keeps the key that was told last, and the last
 * one that a connection has proven; a HELLO names both, and both sides choose the same. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/wire.h"

struct keys {
    uint8_t told[WIRE_KEY_SIZE];
    uint8_t proven[WIRE_KEY_SIZE]; /* zeros: none yet */
};

typedef uint8_t key_ids[WIRE_KEYS][WIRE_KEY_ID_SIZE];

/* Returns whether it is another one than before. */
bool keys_tell(struct keys *keys, const uint8_t key[WIRE_KEY_SIZE]);
/* A connection has come up with that key: no older one is good any more. */
void keys_prove(struct keys *keys, const uint8_t key[WIRE_KEY_SIZE]);
void keys_ids(const struct keys *keys, key_ids ids);
/* The first key of the lower domain id's that the higher one has, too; NULL: there is none. */
const uint8_t *keys_common(const struct keys *keys, const key_ids lower, const key_ids higher);
