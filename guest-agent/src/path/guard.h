/* A region's file that is cut short must not kill the agent: touching what is gone raises SIGBUS.
 *
 * Then anonymous pages are put in the whole region's place. The nonce reads zero from there on, so
 * the view is not trusted any more, and the bytes that were being copied do not count. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* -ENOSPC: no more regions can be guarded. */
int guard_add(uint8_t *base, size_t size);
void guard_remove(const uint8_t *base);
