/* Making and judging the header page of a region. */
#pragma once

#include "abi/region.h"

struct region_identity {
    uint64_t size;
    uint64_t generation;
    uint32_t lower_id;
    uint32_t higher_id;
    uint8_t nonce[REGION_NONCE_SIZE];
};

/* Why a region of this size cannot be, or NULL. */
const char *region_size_fault(uint64_t size);
void region_header_make(struct region_header *header, const struct region_identity *identity);
/* Why this header is not one of a region with `size` bytes, or NULL. */
const char *region_header_fault(const struct region_header *header, uint64_t size);
