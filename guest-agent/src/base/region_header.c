#include "base/region_header.h"

#include <string.h>

const char *region_size_fault(uint64_t size)
{
    if (size < REGION_SIZE_MIN)
        return "it is smaller than 1 MiB";
    if (size > REGION_SIZE_MAX)
        return "it is larger than 1 GiB";
    if (size & (size - 1))
        return "it is not a power of two";
    return NULL;
}

void region_header_make(struct region_header *header, const struct region_identity *identity)
{
    *header = (struct region_header){
        .magic = REGION_MAGIC,
        .abi_version = REGION_ABI_VERSION,
        .header_size = sizeof(*header),
        .region_size = identity->size,
        .generation = identity->generation,
        .lower_id = identity->lower_id,
        .higher_id = identity->higher_id,
    };
    memcpy(header->nonce, identity->nonce, sizeof(header->nonce));
}

const char *region_header_fault(const struct region_header *header, uint64_t size)
{
    if (memcmp(header->magic, REGION_MAGIC, sizeof(header->magic)) != 0)
        return "it does not start with the magic of a region";
    if (header->abi_version != REGION_ABI_VERSION)
        return "its ABI version is not the one this program speaks";
    if (header->header_size != sizeof(*header) || header->region_size != size)
        return "the sizes in its header are not its own";
    if (header->lower_id >= header->higher_id)
        return "its domain ids are not in order";
    return NULL;
}
