/* The layout of a region: what two agents, or an agent and a shim, agree on byte for byte.
 *
 *   page 0   struct region_header
 *   ...      rings, each wherever the lower domain's agent said by message:
 *              even page   struct ring_control
 *              odd page    data, a power of two bytes; byte N of a stream lies at N % size
 *
 * Data starts on an odd page so that a copy's source and destination rarely share a soft-TLB
 * set under emulation. Nothing here points, locks or allocates: a region may be unplugged, copied
 * or scribbled on at any moment, so it holds only bytes and counters that the reader checks.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the region is little endian");

#define REGION_MAGIC "DOMSOCK" /* eight bytes with its terminator */
#define REGION_ABI_VERSION 1u
#define REGION_PAGE 4096u
#define REGION_NONCE_SIZE 16u
#define REGION_SIZE_MIN (1u << 20)
#define REGION_SIZE_MAX (1ull << 30)
#define REGION_RINGS_START (2u * REGION_PAGE)

#define RING_SIZE_MIN REGION_PAGE
#define RING_SIZE_MAX (1u << 20)

/* One side's line in the header: only that side writes it. */
struct region_side {
    uint64_t heartbeat; /* grows while the side's agent serves the region */
    uint8_t reserved[56];
};

struct region_header {
    uint8_t magic[8];
    uint32_t abi_version;
    uint32_t header_size;
    uint64_t region_size;
    uint8_t nonce[REGION_NONCE_SIZE]; /* random, new with every generation */
    uint64_t generation;
    uint32_t lower_id; /* the two domains of the grant */
    uint32_t higher_id;
    uint8_t reserved[8];
    struct region_side lower;
    struct region_side higher;
};

/* One end of a ring, alone on its pair of cache lines: only the end's owner writes it. */
struct ring_end {
    uint64_t index;  /* absolute stream offset: published up to, or delivered up to */
    uint32_t asleep; /* 1: "kick me when you move your index" */
    uint8_t reserved[116];
};

struct ring_control {
    struct ring_end producer;
    struct ring_end consumer;
};

#define AT(type, field, where) _Static_assert(offsetof(type, field) == (where), #type "." #field)
AT(struct region_header, magic, 0);
AT(struct region_header, abi_version, 8);
AT(struct region_header, header_size, 12);
AT(struct region_header, region_size, 16);
AT(struct region_header, nonce, 24);
AT(struct region_header, generation, 40);
AT(struct region_header, lower_id, 48);
AT(struct region_header, higher_id, 52);
AT(struct region_header, reserved, 56);
AT(struct region_header, lower, 64);
AT(struct region_header, higher, 128);
AT(struct ring_end, index, 0);
AT(struct ring_end, asleep, 8);
AT(struct ring_control, producer, 0);
AT(struct ring_control, consumer, 128);
#undef AT
_Static_assert(sizeof(struct region_side) == 64, "struct region_side");
_Static_assert(sizeof(struct region_header) == 192, "struct region_header");
_Static_assert(sizeof(struct ring_end) == 128, "struct ring_end");
_Static_assert(sizeof(struct ring_control) == 256, "struct ring_control");
