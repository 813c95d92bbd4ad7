/* Cutting a byte stream into messages. */
#pragma once

#include <stddef.h>

#include "abi/wire.h"

/* Looks for one message at `bytes`. 0: incomplete; -EPROTO: not a message; else its whole length,
 * with the header copied out. */
int frame_parse(const uint8_t *bytes, size_t length, struct wire_header *header);

/* The messages of a connection are numbered, each way: one that is lost, comes twice or out of
 * order on whatever carries it ends the connection, and RESYNC mends that. */
struct frame_numbers {
    uint64_t sent;
    uint64_t received;
};

struct wire_header frame_number(struct frame_numbers *numbers, const struct wire_header *header);
/* -EPROTO: it is not the next one. */
int frame_check_number(struct frame_numbers *numbers, const struct wire_header *header);
