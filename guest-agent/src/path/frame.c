#include "path/frame.h"

#include <errno.h>
#include <string.h>

int frame_parse(const uint8_t *bytes, size_t length, struct wire_header *header)
{
    if (length < sizeof(*header))
        return 0;
    memcpy(header, bytes, sizeof(*header));
    if (header->magic != WIRE_MAGIC || header->length > WIRE_PAYLOAD_MAX)
        return -EPROTO;
    if (length - sizeof(*header) < header->length)
        return 0;
    return (int)(sizeof(*header) + header->length);
}
