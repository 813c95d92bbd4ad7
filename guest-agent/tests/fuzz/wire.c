/* What test_mutation plays by a seed, played by a fuzzer's bytes: messages and a region that change
 * in whatever way leads to code not seen before. */
#include <stddef.h>
#include <stdint.h>

#include "fuzz/fuzz.h"

int mutation_main(int argc, char **argv);
#define main mutation_main
#include "../test_mutation.c"
#undef main

#define BYTES_PER_MESSAGE 8u

static const uint8_t *left, *last;

static uint32_t draw_from_input(void)
{
    uint32_t drawn = 0;

    for (int i = 0; i < 2 && left < last; i++)
        drawn = drawn << 8 | *left++;
    return drawn;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    return log_open("/dev/null");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    size_t messages = length / BYTES_PER_MESSAGE;

    pick_source = draw_from_input;
    left = bytes;
    last = bytes + length;
    play(messages < MESSAGES ? (unsigned)messages : MESSAGES);
    return 0;
}
