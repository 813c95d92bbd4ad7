/* A window of a stream in private memory: the bytes [start, end) by absolute offset.
 *
 * The sender keeps here what the peer has not acknowledged, the receiver what its program has not
 * taken. Byte N lies at N % size, as in a shared ring, so nothing moves when the path changes. */
#pragma once

#include <stdint.h>
#include <sys/uio.h>

struct fifo {
    uint8_t *bytes;
    uint32_t size; /* a power of two */
    uint64_t start;
    uint64_t end;
};

int fifo_init(struct fifo *fifo, uint32_t size);
void fifo_deinit(struct fifo *fifo);

static inline uint32_t fifo_length(const struct fifo *fifo)
{
    return (uint32_t)(fifo->end - fifo->start);
}

static inline uint32_t fifo_room(const struct fifo *fifo)
{
    return fifo->size - fifo_length(fifo);
}

/* Describes `length` bytes from `offset` on; at most two pieces. Returns how many. */
int fifo_pieces(const struct fifo *fifo, uint64_t offset, uint32_t length, struct iovec pieces[2]);
/* Appends; the caller has checked the room. */
void fifo_append(struct fifo *fifo, const uint8_t *bytes, uint32_t length);
