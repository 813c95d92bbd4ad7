/* A stream that carries messages (SOCK_SEQPACKET). Between the agents it is bytes like any other;
 * before each message there go four more, with its length and whether it ends a record. Between
 * program and agent the kernel keeps the bounds; what its UNIX sockets do not carry, the end of a
 * record, is told by a descriptor beside the message, of no other meaning. */
#pragma once

#include "base/queue.h"
#include "link/stream.h"

struct packets {
    struct queue out; /* one message of the program's, on its way into the stream */
    struct queue in;  /* one for the program, until it is whole */
};

/* 0, or -ENOMEM. */
int packets_init(struct stream *stream);
void packets_free(struct packets *packets);
/* As the functions of the same name in link/stream.h. */
enum stream_result packets_read_program(struct stream *stream);
enum stream_result packets_write_program(struct stream *stream);
