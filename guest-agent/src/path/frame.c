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

struct wire_header frame_number(struct frame_numbers *numbers, const struct wire_header *header)
{
    struct wire_header numbered = *header;

    numbered.number = numbers->sent++;
    return numbered;
}

int frame_check_number(struct frame_numbers *numbers, const struct wire_header *header)
{
    return header->number == numbers->received++ ? 0 : -EPROTO;
}
