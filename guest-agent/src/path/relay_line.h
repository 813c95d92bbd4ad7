/* One line of the relay: a byte stream that carries frames both ways, without the file descriptor.
 *
 * A port drops what is queued when its other side closes, in the middle of a frame, and may be
 * opened again before either side has noticed. So each opening has a nonce: an end says its own in
 * HELLO, and afterwards every frame names the nonce of the end it is meant for. What was meant for
 * an earlier opening is dropped, and a HELLO with a new nonce means that whatever was under way is
 * lost. A line that is strict (TCP) has no openings, and a frame that is wrong ends it. */
#pragma once

#include <stdbool.h>

#include "base/queue.h"
#include "path/relay_frame.h"

/* Where frames go: a line, or whoever they are for. Nobody keeps pointers into them. */
struct relay_way {
    /* -ENOBUFS: too much waits already. A CLOSE always arrives, or the way itself ends. */
    int (*send)(struct relay_way *way, const struct relay_frame *frame, const uint8_t *payload);
};

struct relay_line;

struct relay_line_user {
    /* The other end is there, and knows us. */
    void (*up)(struct relay_line *line);
    /* Everything that was under way is lost. */
    void (*reset)(struct relay_line *line);
    void (*frame)(struct relay_line *line, const struct relay_frame *frame, const uint8_t *payload);
};

/* What a domain has put into `out`: bytes, frames that cost it no credit, and such as are due to
 * arrive. Those said before the mark may still wait; once all of them have gone, it is moved. */
enum relay_share_of { RELAY_BYTES, RELAY_FREE, RELAY_DUE, RELAY_SHARE_KINDS };

struct relay_share {
    uint64_t mark;
    uint32_t before[RELAY_SHARE_KINDS];
    uint32_t since[RELAY_SHARE_KINDS];
};

#define RELAY_SHARES 256u /* domains whose ids are alike by this have one together */

struct relay_line {
    struct relay_way way;
    const struct relay_line_user *user_ops;
    void (*wake)(struct relay_line *line); /* there is something to write; may be NULL */
    struct queue in;
    struct queue out;
    struct relay_sums sums_in;
    struct relay_sums sums_out;
    uint64_t said; /* bytes that were ever put into `out` */
    struct relay_share shares[RELAY_SHARES];
    uint64_t own; /* nonces of the openings */
    uint64_t theirs;
    uint32_t self;  /* a host says in HELLO which domain it is; 0: says nothing */
    uint32_t other; /* what the other end said; 0: nothing, or it is not there */
    bool strict;
    bool up;
    bool broken; /* its owner is to close it */
};

void relay_line_init(struct relay_line *line, bool strict, const struct relay_line_user *user_ops);
void relay_line_deinit(struct relay_line *line);
/* A port's end was opened, or may have been: begin anew. */
void relay_line_open(struct relay_line *line);
/* The other side is not there any more. */
void relay_line_close(struct relay_line *line);

/* Room for bytes that have come; then how many did: complete frames are handed on. */
uint8_t *relay_line_room(struct relay_line *line, size_t length);
void relay_line_received(struct relay_line *line, size_t length);
