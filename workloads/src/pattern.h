/* The byte pattern: a 64-bit Weyl sequence whose words tell their own index. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PATTERN_WORD = 8, PATTERN_END = 24 };

/* Spreads a small number given by a person over 64 bits, so that patterns do not overlap. */
uint64_t pattern_start(uint64_t seed);

uint8_t pattern_byte(uint64_t start, uint64_t offset);

/* Writes `words` whole words, from word number `first` on. */
void pattern_fill(void *to, size_t words, uint64_t start, uint64_t first);

/* How many leading bytes of `data` are the pattern's bytes from `offset` on. */
size_t pattern_match(const uint8_t *data, size_t length, uint64_t start, uint64_t offset);

/* The byte offset at which the pattern has this word. Every word occurs once. */
uint64_t pattern_locate(const uint8_t *word, uint64_t start);

/* The end mark, PATTERN_END bytes: it says where the pattern stopped, and no byte sequence of
 * the pattern can be taken for it, because its first bytes are the complement of what was due. */
void pattern_end_write(uint8_t *to, uint64_t start, uint64_t total);

/* 0 and the total, or 1: this is not an end mark. */
int pattern_end_read(const uint8_t *from, uint64_t start, uint64_t *total);
