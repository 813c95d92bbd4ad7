/* How the two ends of a connection come to its keys: both HELLOs have an X25519 key made for this
 * connection, and
 *
 *   BLAKE2b(key of the link; context | X25519 | HELLO of the lower domain id | of the higher one)
 *
 * is one key for each direction. Who does not know the link's key, or has heard another HELLO than
 * was said, has other keys, and opens nothing. Who learns the link's key later opens nothing that
 * was said before. */
#pragma once

#include "abi/wire.h"

/* As it travels: all of it counts. */
struct handshake_hello {
    struct wire_header header;
    struct wire_hello body;
};

struct handshake {
    uint8_t secret[WIRE_KEY_SIZE];
    struct handshake_hello mine;
    struct handshake_hello theirs;
};

struct handshake_keys {
    uint8_t mine[WIRE_KEY_SIZE]; /* seals what this side sends */
    uint8_t theirs[WIRE_KEY_SIZE];
};

/* Makes the keys of a connection's own; the rest of `mine` is for the caller to fill in. */
void handshake_begin(struct handshake *handshake);
/* Forgets the secret. -EPROTO: the peer's X25519 key is none. */
int handshake_finish(struct handshake *handshake, const uint8_t key[WIRE_KEY_SIZE],
                     struct handshake_keys *keys);
