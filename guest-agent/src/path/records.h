/* Messages into records, and out of them again. Until a connection has its keys, its messages
 * travel as they are. */
#pragma once

#include <stdbool.h>
#include <sys/uio.h>

#include "base/queue.h"
#include "path/frame.h"
#include "path/seal.h"

struct records {
    struct frame_numbers numbers;
    bool sealed;
    struct seal mine;
    struct seal theirs;
    size_t open;   /* bytes at the end of the way out whose record is not sealed yet */
    size_t opened; /* bytes at the head of the way in that are messages of an opened record */
    size_t taken;  /* bytes at the head of the way in that have been made use of */
};

/* Everything from here on is sealed, and has to be: both ways. */
void records_seal(struct records *records, const uint8_t mine[WIRE_KEY_SIZE],
                  const uint8_t theirs[WIRE_KEY_SIZE]);
void records_wipe(struct records *records);

/* Negative: the queue is full. */
int records_put(struct records *records, struct queue *out, const struct wire_header *header,
                const struct iovec *pieces, int count);
/* Makes what lies in the queue fit to be sent. Negative: the queue is full. */
int records_finish(struct records *records, struct queue *out);

/* The next message, valid until the next call. 0: there is none yet; -EBADMSG: a record does not
 * open; -EPROTO: what came is no message. */
int records_next(struct records *records, struct queue *in, struct wire_header *header,
                 const uint8_t **payload);
