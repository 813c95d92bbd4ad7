/* Bytes as lower-case hexadecimal text. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* `text` holds 2 * size + 1 characters. */
void hex_encode(char *text, const uint8_t *bytes, size_t size);
/* -EINVAL unless `text` is exactly 2 * size hexadecimal digits. */
int hex_decode(uint8_t *bytes, size_t size, const char *text);
