/* Sends the pattern, then its end mark, then closes this direction. */
#pragma once

#include "options.h"
#include "pattern.h"

struct sender {
    uint64_t start, sent, limit; /* pattern bytes; the end mark is not counted */
    size_t chunk;
    uint64_t pace_ns, due_ns;
    bool unchecked; /* the first chunk again and again */
    bool marked;    /* the buffer holds the end mark */
    bool done;      /* this direction is closed */
    size_t begin, end;
    uint8_t buffer[CHUNK_MAX + 2 * PATTERN_WORD];
};

void sender_init(struct sender *sender, const struct options *options);

/* Ends behind the chunk that is on its way. */
void sender_stop(struct sender *sender);

/* Whether there is something to write now. */
bool sender_wants(struct sender *sender, uint64_t now_ns);

/* Writes once. 0: progress. EAGAIN: no room. Another positive errno: the stream broke. */
int sender_write(struct sender *sender, int fd, uint64_t now_ns);
