/* Cutting a byte stream into messages. */
#pragma once

#include <stddef.h>

#include "abi/wire.h"

/* Looks for one message at `bytes`. 0: incomplete; -EPROTO: not a message; else its whole length,
 * with the header copied out. */
int frame_parse(const uint8_t *bytes, size_t length, struct wire_header *header);
