/* One direction of a connection, sealed: each record with ChaCha20-Poly1305 under a key of this
 * connection and direction, and with a nonce that counts. So a record that was altered, lost,
 * repeated, moved or sent back does not open, and neither does any after it. */
#pragma once

#include "abi/wire.h"

struct seal {
    uint8_t key[WIRE_KEY_SIZE];
    uint64_t count;
};

/* Enciphers in place the bytes behind `record`, whose length it says; the tag comes behind them. */
void seal_close(struct seal *seal, uint8_t *record);
/* Deciphers in place. -EBADMSG: it is not what the peer sealed next. */
int seal_open(struct seal *seal, uint8_t *record);
