/* A record has whole messages, so that they can be read where they were deciphered. */
#include "path/records.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

void records_seal(struct records *records, const uint8_t mine[WIRE_KEY_SIZE],
                  const uint8_t theirs[WIRE_KEY_SIZE])
{
    memcpy(records->mine.key, mine, WIRE_KEY_SIZE);
    memcpy(records->theirs.key, theirs, WIRE_KEY_SIZE);
    records->sealed = true;
}

void records_wipe(struct records *records)
{
    sodium_memzero(records, sizeof(*records));
}

/* Room for a message of that length in the record that is open. */
static int make_room(struct records *records, struct queue *out, size_t length)
{
    static const struct wire_record unknown;
    int error = records->open + length > WIRE_RECORD_MAX ? records_finish(records, out) : 0;

    return error || records->open ? error : queue_append(out, &unknown, sizeof(unknown));
}

int records_put(struct records *records, struct queue *out, const struct wire_header *header,
                const struct iovec *pieces, int count)
{
    struct wire_header own = frame_number(&records->numbers, header);
    size_t length = sizeof(own) + own.length;
    int error = records->sealed ? make_room(records, out, length) : 0;

    if (!error)
        error = queue_append(out, &own, sizeof(own));
    for (int i = 0; i < count && !error; i++)
        error = queue_append(out, pieces[i].iov_base, pieces[i].iov_len);
    if (records->sealed)
        records->open += length;
    return error;
}

int records_finish(struct records *records, struct queue *out)
{
    struct wire_record head = {.length = (uint32_t)records->open};
    uint8_t *tag, *record;

    if (!records->open)
        return 0;
    tag = queue_reserve(out, WIRE_TAG_SIZE);
    if (!tag)
        return -ENOBUFS;
    record = tag - records->open - sizeof(head);
    memcpy(record, &head, sizeof(head));
    seal_close(&records->mine, record);
    queue_commit(out, WIRE_TAG_SIZE);
    records->open = 0;
    return 0;
}

/* 1 if there is an opened record now. */
static int open_record(struct records *records, struct queue *in)
{
    struct wire_record head;

    if (queue_length(in) < sizeof(head))
        return 0;
    memcpy(&head, queue_head(in), sizeof(head));
    if (!head.length || head.length > WIRE_RECORD_MAX)
        return -EBADMSG;
    if (queue_length(in) < sizeof(head) + head.length + WIRE_TAG_SIZE)
        return 0;
    if (seal_open(&records->theirs, queue_head(in)))
        return -EBADMSG;
    queue_drop(in, sizeof(head));
    records->opened = head.length;
    return 1;
}

static int next_in_record(struct records *records, struct queue *in, struct wire_header *header)
{
    int found = records->opened ? 1 : open_record(records, in), length;

    if (found <= 0)
        return found;
    length = frame_parse(queue_head(in), records->opened, header);
    if (length <= 0)
        return -EPROTO;
    records->opened -= (size_t)length;
    return length;
}

int records_next(struct records *records, struct queue *in, struct wire_header *header,
                 const uint8_t **payload)
{
    int length;

    queue_drop(in, records->taken);
    records->taken = 0;
    length = records->sealed ? next_in_record(records, in, header)
                             : frame_parse(queue_head(in), queue_length(in), header);
    if (length <= 0)
        return length;
    if (frame_check_number(&records->numbers, header))
        return -EPROTO;
    *payload = queue_head(in) + sizeof(*header);
    records->taken = (size_t)length;
    if (records->sealed && !records->opened)
        records->taken += WIRE_TAG_SIZE;
    return 1;
}
