/* The order that makes a kill harmless: bytes are copied, the view is checked, the index is noted
 * in the page, and only then published. Whoever takes the end over publishes what the page says. */
#include "ring/direct.h"

#include <errno.h>
#include <string.h>

#include "base/critical.h"
#include "base/turn.h"

static struct ring_tx tx_ring(const struct direct *direct)
{
    const struct direct_end *end = &direct->page->tx;

    return (struct ring_tx){.control = direct->tx_control,
                            .data = (uint8_t *)direct->tx_control + REGION_PAGE,
                            .size = direct->size,
                            .produced = end->index,
                            .consumed = end->seen};
}

static struct ring_rx rx_ring(const struct direct *direct)
{
    const struct direct_end *end = &direct->page->rx;

    return (struct ring_rx){.control = direct->rx_control,
                            .data = (const uint8_t *)direct->rx_control + REGION_PAGE,
                            .size = direct->size,
                            .consumed = end->index,
                            .produced = end->seen};
}

static uint32_t piece(size_t length, uint64_t there)
{
    uint64_t most = there < RING_COPY_MAX ? there : RING_COPY_MAX;

    return (uint32_t)(length < most ? length : most);
}

static bool take_turn(struct direct_end *end)
{
    turn_take(&end->turn, TURN_FOREVER);
    if (__atomic_load_n(&end->holder, __ATOMIC_ACQUIRE) == DIRECT_PROGRAMS)
        return true;
    turn_give(&end->turn);
    return false;
}

/* A sleeping peer is kicked without the turn, which its agent may want at once; but before a
 * handler of the program's runs, which may wait for that peer, or jump out. */
static void give_turn(struct direct *direct, struct direct_end *end, bool asleep)
{
    if (!asleep || !direct->kick) {
        turn_give(&end->turn);
        return;
    }
    critical_enter();
    turn_give(&end->turn);
    direct->kick(direct);
    critical_leave();
}

/* ---- sending ---- */

static int look_tx(struct direct *direct, struct ring_tx *ring)
{
    *ring = tx_ring(direct);
    if (ring_tx_look(ring, ring->produced) == RING_VIOLATION)
        return -EIO;
    direct->page->tx.seen = ring->consumed;
    return 0;
}

static ssize_t put(struct direct *direct, const uint8_t *bytes, size_t length, bool *asleep)
{
    struct direct_end *end = &direct->page->tx;
    struct ring_tx ring;
    uint32_t count;

    if (look_tx(direct, &ring) < 0)
        return -EIO;
    count = piece(length, ring.size - (ring.produced - ring.consumed));
    if (!count)
        return -EAGAIN;
    if (end->asleep) {
        end->asleep = false;
        ring_tx_sleep(&ring, false);
    }
    ring_tx_copy(&ring, ring.produced, bytes, count);
    if (!view_trusted(&direct->header))
        return -EIO;
    __atomic_store_n(&end->index, ring.produced + count, __ATOMIC_RELEASE);
    ring_tx_publish(&ring, ring.produced + count);
    *asleep = ring_tx_other_asleep(&ring);
    return count;
}

ssize_t direct_put(struct direct *direct, const uint8_t *bytes, size_t length, bool *kick)
{
    struct direct_end *end = &direct->page->tx;
    bool asleep = false;
    ssize_t result;

    if (!take_turn(end))
        return -EREMOTE;
    result = put(direct, bytes, length, &asleep);
    give_turn(direct, end, asleep);
    if (kick)
        *kick = asleep;
    return result;
}

ssize_t direct_writable(struct direct *direct)
{
    struct direct_end *end = &direct->page->tx;
    struct ring_tx ring;
    ssize_t result;

    if (!take_turn(end))
        return -EREMOTE;
    result = look_tx(direct, &ring);
    turn_give(&end->turn);
    return result ? result : (ssize_t)(ring.size - (ring.produced - ring.consumed));
}

/* ---- receiving ---- */

static int look_rx(struct direct *direct, struct ring_rx *ring)
{
    *ring = rx_ring(direct);
    if (ring_rx_look(ring) == RING_VIOLATION)
        return -EIO;
    direct->page->rx.seen = ring->produced;
    return 0;
}

static ssize_t copy_out(struct direct *direct, struct ring_rx *ring, uint8_t *bytes, size_t length)
{
    struct direct_end *end = &direct->page->rx;
    uint32_t count;

    if (look_rx(direct, ring) < 0)
        return -EIO;
    count = ring->produced > ring->consumed ? piece(length, ring->produced - ring->consumed) : 0;
    if (!count)
        return -EAGAIN;
    if (end->asleep) {
        end->asleep = false;
        ring_rx_sleep(ring, false);
    }
    ring_rx_copy(ring, ring->consumed, bytes, count);
    return view_trusted(&direct->header) ? (ssize_t)count : -EIO;
}

ssize_t direct_get(struct direct *direct, uint8_t *bytes, size_t length, bool *kick)
{
    struct direct_end *end = &direct->page->rx;
    struct ring_rx ring;
    bool asleep = false;
    ssize_t got;

    if (!take_turn(end))
        return -EREMOTE;
    got = copy_out(direct, &ring, bytes, length);
    if (got > 0) {
        __atomic_store_n(&end->index, ring.consumed + (uint64_t)got, __ATOMIC_RELEASE);
        ring_rx_advance(&ring, ring.consumed + (uint64_t)got);
        asleep = ring_rx_other_asleep(&ring);
    }
    give_turn(direct, end, asleep);
    if (kick)
        *kick = asleep;
    return got;
}

ssize_t direct_peek(struct direct *direct, uint8_t *bytes, size_t length)
{
    struct direct_end *end = &direct->page->rx;
    struct ring_rx ring;
    ssize_t got;

    if (!take_turn(end))
        return -EREMOTE;
    got = copy_out(direct, &ring, bytes, length);
    turn_give(&end->turn);
    return got;
}

ssize_t direct_readable(struct direct *direct, uint64_t *published)
{
    struct direct_end *end = &direct->page->rx;
    struct ring_rx ring;
    ssize_t result;

    if (!take_turn(end))
        return -EREMOTE;
    result = look_rx(direct, &ring);
    turn_give(&end->turn);
    if (result < 0)
        return result;
    if (published)
        *published = ring.produced;
    return ring.produced > ring.consumed ? (ssize_t)(ring.produced - ring.consumed) : 0;
}

/* ---- sleeping ---- */

int direct_doze_rx(struct direct *direct, uint32_t *seen)
{
    struct direct_end *end = &direct->page->rx;
    struct ring_rx ring = rx_ring(direct);
    int result = 0;

    if (!take_turn(end))
        return -EREMOTE;
    *seen = __atomic_load_n(&end->wake, __ATOMIC_ACQUIRE);
    __atomic_add_fetch(&end->sleepers, 1, __ATOMIC_SEQ_CST);
    end->asleep = true;
    ring_rx_sleep(&ring, true);
    if (look_rx(direct, &ring) < 0 || ring.produced > ring.consumed)
        result = -EAGAIN;
    turn_give(&end->turn);
    if (result)
        direct_awake(end);
    return result;
}

int direct_doze_tx(struct direct *direct, uint32_t *seen)
{
    struct direct_end *end = &direct->page->tx;
    struct ring_tx ring = tx_ring(direct);
    int result = 0;

    if (!take_turn(end))
        return -EREMOTE;
    *seen = __atomic_load_n(&end->wake, __ATOMIC_ACQUIRE);
    __atomic_add_fetch(&end->sleepers, 1, __ATOMIC_SEQ_CST);
    end->asleep = true;
    ring_tx_sleep(&ring, true);
    if (look_tx(direct, &ring) < 0 || ring.produced - ring.consumed < ring.size)
        result = -EAGAIN;
    turn_give(&end->turn);
    if (result)
        direct_awake(end);
    return result;
}

void direct_awake(struct direct_end *end)
{
    __atomic_sub_fetch(&end->sleepers, 1, __ATOMIC_SEQ_CST);
}

/* ---- being one of several that are waited for ---- */

static void ask_to_be_told(struct direct_end *end)
{
    end->asleep = true;
    __atomic_store_n(&end->watched, 1, __ATOMIC_SEQ_CST);
}

int direct_watch_rx(struct direct *direct, const uint64_t *known)
{
    struct direct_end *end = &direct->page->rx;
    struct ring_rx ring;
    int result = 0;

    if (!take_turn(end))
        return -EREMOTE;
    ring = rx_ring(direct);
    ask_to_be_told(end);
    ring_rx_sleep(&ring, true);
    if (look_rx(direct, &ring) < 0 ||
        (known ? ring.produced != *known : ring.produced > ring.consumed))
        result = -EAGAIN;
    turn_give(&end->turn);
    return result;
}

int direct_watch_tx(struct direct *direct)
{
    struct direct_end *end = &direct->page->tx;
    struct ring_tx ring;
    int result = 0;

    if (!take_turn(end))
        return -EREMOTE;
    ring = tx_ring(direct);
    ask_to_be_told(end);
    ring_tx_sleep(&ring, true);
    if (look_tx(direct, &ring) < 0 || ring.produced - ring.consumed < ring.size)
        result = -EAGAIN;
    turn_give(&end->turn);
    return result;
}
