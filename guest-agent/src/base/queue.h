/* A byte queue in private memory that grows as needed, up to its limit. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct queue {
    uint8_t *bytes;
    size_t begin;
    size_t end;
    size_t capacity;
    size_t limit;
};

void queue_init(struct queue *queue, size_t limit);
void queue_deinit(struct queue *queue);

static inline size_t queue_length(const struct queue *queue)
{
    return queue->end - queue->begin;
}

static inline uint8_t *queue_head(const struct queue *queue)
{
    return queue->bytes + queue->begin;
}

/* Makes `length` free bytes at the end and returns them, or NULL: limit or memory exhausted. */
uint8_t *queue_reserve(struct queue *queue, size_t length);
void queue_commit(struct queue *queue, size_t length);
/* -ENOBUFS when the limit is reached. */
int queue_append(struct queue *queue, const void *bytes, size_t length);
void queue_drop(struct queue *queue, size_t length);
void queue_clear(struct queue *queue);
/* Gives memory back that an empty queue has no use for any more. */
void queue_shrink(struct queue *queue);
