#include "base/queue.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_FIRST_CAPACITY 4096u
#define QUEUE_KEPT (1u << 20)

void queue_init(struct queue *queue, size_t limit)
{
    *queue = (struct queue){.limit = limit};
}

void queue_deinit(struct queue *queue)
{
    free(queue->bytes);
    *queue = (struct queue){0};
}

static int grow(struct queue *queue, size_t needed)
{
    size_t capacity = queue->capacity ? 2 * queue->capacity : QUEUE_FIRST_CAPACITY;
    uint8_t *bytes;

    while (capacity < needed)
        capacity *= 2;
    bytes = realloc(queue->bytes, capacity);
    if (!bytes)
        return -ENOMEM;
    queue->bytes = bytes;
    queue->capacity = capacity;
    return 0;
}

/* What is left is moved to the front when at least as much has gone: else every few bytes would
 * move all the others once more. */
static int make_room(struct queue *queue, size_t needed)
{
    size_t length = queue_length(queue);
    bool roomy = needed <= queue->capacity && length <= queue->begin;

    if (!roomy && grow(queue, needed) < 0)
        return -ENOMEM;
    if (length)
        memmove(queue->bytes, queue_head(queue), length);
    queue->begin = 0;
    queue->end = length;
    return 0;
}

uint8_t *queue_reserve(struct queue *queue, size_t length)
{
    size_t needed = queue_length(queue) + length;

    if (length > queue->limit || needed > queue->limit)
        return NULL;
    if (queue->end + length > queue->capacity && make_room(queue, needed) < 0)
        return NULL;
    return queue->bytes + queue->end;
}

void queue_commit(struct queue *queue, size_t length)
{
    queue->end += length;
}

int queue_append(struct queue *queue, const void *bytes, size_t length)
{
    uint8_t *room;

    if (!length)
        return 0;
    room = queue_reserve(queue, length);
    if (!room)
        return -ENOBUFS;
    memcpy(room, bytes, length);
    queue_commit(queue, length);
    return 0;
}

void queue_drop(struct queue *queue, size_t length)
{
    queue->begin += length;
    if (queue->begin == queue->end)
        queue_clear(queue);
}

void queue_clear(struct queue *queue)
{
    queue->begin = 0;
    queue->end = 0;
}

void queue_shrink(struct queue *queue)
{
    if (queue_length(queue) || queue->capacity <= QUEUE_KEPT)
        return;
    free(queue->bytes);
    *queue = (struct queue){.limit = queue->limit};
}
