#include "ring/ring.h"

#include <string.h>

static struct ring_control *control_at(const struct view *view, uint64_t offset)
{
    return (struct ring_control *)(void *)(view->base + offset);
}

bool ring_place_valid(uint64_t region_size, uint64_t offset, uint32_t size)
{
    if (size < RING_SIZE_MIN || size > RING_SIZE_MAX || size & (size - 1))
        return false;
    if (offset < REGION_RINGS_START || offset % (2 * REGION_PAGE))
        return false;
    return offset <= region_size && region_size - offset >= (uint64_t)REGION_PAGE + size;
}

void ring_clear(const struct view *view, uint64_t offset)
{
    memset(control_at(view, offset), 0, sizeof(struct ring_control));
}

static void set_flag(struct ring_end *end, bool asleep)
{
    __atomic_store_n(&end->asleep, asleep, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the flag before the next look */
}

static bool see_flag(const struct ring_end *end)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* our index before their flag */
    return __atomic_load_n(&end->asleep, __ATOMIC_RELAXED) != 0;
}

void ring_tx_attach(struct ring_tx *tx, const struct view *view, uint64_t offset, uint32_t size,
                    uint64_t produced)
{
    *tx = (struct ring_tx){.control = control_at(view, offset),
                           .data = view->base + offset + REGION_PAGE,
                           .size = size,
                           .produced = produced};
    __atomic_store_n(&tx->control->producer.index, produced, __ATOMIC_RELEASE);
}

void ring_tx_copy(struct ring_tx *tx, uint64_t offset, const uint8_t *bytes, uint32_t length)
{
    uint32_t at = (uint32_t)(offset & (tx->size - 1));
    uint32_t first = tx->size - at < length ? tx->size - at : length;

    memcpy(tx->data + at, bytes, first);
    memcpy(tx->data, bytes + first, length - first);
}

void ring_tx_publish(struct ring_tx *tx, uint64_t produced)
{
    tx->produced = produced;
    __atomic_store_n(&tx->control->producer.index, produced, __ATOMIC_RELEASE);
}

int ring_tx_look(struct ring_tx *tx, uint64_t sent)
{
    uint64_t consumed = __atomic_load_n(&tx->control->consumer.index, __ATOMIC_ACQUIRE);

    if (consumed < tx->consumed || consumed > sent)
        return RING_VIOLATION;
    tx->consumed = consumed;
    return 0;
}

bool ring_tx_other_asleep(const struct ring_tx *tx)
{
    return see_flag(&tx->control->consumer);
}

void ring_tx_sleep(struct ring_tx *tx, bool asleep)
{
    tx->asleep = asleep;
    set_flag(&tx->control->producer, asleep);
}

void ring_rx_attach(struct ring_rx *rx, const struct view *view, uint64_t offset, uint32_t size,
                    uint64_t consumed)
{
    *rx = (struct ring_rx){.control = control_at(view, offset),
                           .data = view->base + offset + REGION_PAGE,
                           .size = size,
                           .consumed = consumed};
    __atomic_store_n(&rx->control->consumer.index, consumed, __ATOMIC_RELEASE);
}

int ring_rx_look(struct ring_rx *rx)
{
    uint64_t produced = __atomic_load_n(&rx->control->producer.index, __ATOMIC_ACQUIRE);

    if (produced < rx->produced || (produced > rx->consumed && produced - rx->consumed > rx->size))
        return RING_VIOLATION;
    rx->produced = produced;
    return 0;
}

void ring_rx_copy(const struct ring_rx *rx, uint64_t offset, uint8_t *bytes, uint32_t length)
{
    uint32_t at = (uint32_t)(offset & (rx->size - 1));
    uint32_t first = rx->size - at < length ? rx->size - at : length;

    memcpy(bytes, rx->data + at, first);
    memcpy(bytes + first, rx->data, length - first);
}

void ring_rx_advance(struct ring_rx *rx, uint64_t consumed)
{
    rx->consumed = consumed;
    __atomic_store_n(&rx->control->consumer.index, consumed, __ATOMIC_RELEASE);
}

bool ring_rx_other_asleep(const struct ring_rx *rx)
{
    return see_flag(&rx->control->producer);
}

void ring_rx_sleep(struct ring_rx *rx, bool asleep)
{
    rx->asleep = asleep;
    set_flag(&rx->control->consumer, asleep);
}
