#include "ring/fifo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int fifo_init(struct fifo *fifo, uint32_t size)
{
    *fifo = (struct fifo){.bytes = malloc(size), .size = size};
    return fifo->bytes ? 0 : -ENOMEM;
}

void fifo_deinit(struct fifo *fifo)
{
    free(fifo->bytes);
    fifo->bytes = NULL;
}

int fifo_pieces(const struct fifo *fifo, uint64_t offset, uint32_t length, struct iovec pieces[2])
{
    uint32_t at = (uint32_t)(offset & (fifo->size - 1));
    uint32_t first = fifo->size - at < length ? fifo->size - at : length;

    pieces[0] = (struct iovec){.iov_base = fifo->bytes + at, .iov_len = first};
    pieces[1] = (struct iovec){.iov_base = fifo->bytes, .iov_len = length - first};
    return first == length ? 1 : 2;
}

void fifo_append(struct fifo *fifo, const uint8_t *bytes, uint32_t length)
{
    struct iovec pieces[2];
    int count = fifo_pieces(fifo, fifo->end, length, pieces);

    memcpy(pieces[0].iov_base, bytes, pieces[0].iov_len);
    if (count == 2)
        memcpy(pieces[1].iov_base, bytes + pieces[0].iov_len, pieces[1].iov_len);
    fifo->end += length;
}
