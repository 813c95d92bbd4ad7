/* While a program holds its rings: who sleeps is woken when the other end has moved.
 *
 * A program in direct mode is not followed everywhere: it may wait for its socket by a way that
 * the shim does not see. So a program that leaves bytes in its ring for a while loses the ring:
 * the bytes then come by its socket, and everything the kernel offers sees them. And one of several
 * processes that have the stream may be killed in the middle of a copy, while the others wait for
 * what it has noted and not published. */
#include <unistd.h>

#include "base/turn.h"
#include "link/direct.h"
#include "link/internal.h"

#define LOOK_US 50000u /* how long bytes may lie in a ring that nobody reads */

static uint64_t ring_produced(const struct stream *stream)
{
    return __atomic_load_n(&stream->rx.ring.control->producer.index, __ATOMIC_ACQUIRE);
}

static uint64_t ring_consumed(const struct stream *stream)
{
    return __atomic_load_n(&stream->tx.ring.control->consumer.index, __ATOMIC_ACQUIRE);
}

static uint64_t noted(const struct direct_end *end)
{
    return __atomic_load_n(&end->index, __ATOMIC_ACQUIRE);
}

void direct_wake_watcher(const struct stream *stream)
{
    uint64_t one = 1;

    if (write(stream->direct_wake, &one, sizeof(one)) < 0)
        return; /* the count is full: whoever watches it has reason enough to look */
}

static void wake_sleepers(const struct stream *stream, struct direct_end *end, uint64_t known,
                          uint64_t now)
{
    if (now <= known)
        return;
    if (__atomic_load_n(&end->sleepers, __ATOMIC_ACQUIRE))
        turn_wake(&end->wake);
    if (stream->direct_wake >= 0 && __atomic_exchange_n(&end->watched, 0, __ATOMIC_SEQ_CST))
        direct_wake_watcher(stream);
}

/* Both tell the peer as the program would have. */
static void publish_sent(struct link *link, struct stream *stream)
{
    struct direct_end *end = &stream->direct->tx;
    struct ring_tx ring = stream->tx.ring;

    if (__atomic_load_n(&ring.control->producer.index, __ATOMIC_RELAXED) == noted(end) ||
        !turn_take(&end->turn, 0))
        return;
    if (view_trusted(&link->view)) {
        ring_tx_publish(&ring, noted(end));
        link->kick_due |= ring_tx_other_asleep(&ring);
    }
    turn_give(&end->turn);
}

static void publish_delivered(struct link *link, struct stream *stream)
{
    struct direct_end *end = &stream->direct->rx;
    struct ring_rx ring = stream->rx.ring;

    if (__atomic_load_n(&ring.control->consumer.index, __ATOMIC_RELAXED) == noted(end) ||
        !turn_take(&end->turn, 0))
        return;
    if (view_trusted(&link->view)) {
        ring_rx_advance(&ring, noted(end));
        link->kick_due |= ring_rx_other_asleep(&ring);
    }
    turn_give(&end->turn);
}

bool direct_pump(struct link *link, struct stream *stream)
{
    struct direct_page *page = stream->direct;

    if ((stream->direct_tx && stream->readable) || (stream->direct_rx && stream->rx.fin_known) ||
        __atomic_load_n(&page->give_back, __ATOMIC_ACQUIRE))
        return direct_take_back(link, stream) == 0;
    if (stream->direct_rx) {
        publish_delivered(link, stream);
        wake_sleepers(stream, &page->rx, page->rx.index, ring_produced(stream));
    }
    if (stream->direct_tx) {
        publish_sent(link, stream);
        wake_sleepers(stream, &page->tx, page->tx.seen, ring_consumed(stream));
    }
    return false;
}

/* From now on the peer kicks when it publishes. */
static void ask_to_be_kicked(struct stream *stream)
{
    struct direct_end *end = &stream->direct->rx;

    if (!turn_take(&end->turn, 0))
        return;
    end->asleep = true;
    ring_rx_sleep(&stream->rx.ring, true);
    turn_give(&end->turn);
}

uint64_t direct_sleep(struct link *link, struct stream *stream)
{
    struct direct_end *end = &stream->direct->rx;
    uint64_t index = noted(end);
    bool unread = ring_produced(stream) > index;

    if (index != stream->direct_index || unread != stream->direct_unread)
        stream->direct_looked_us = link->loop->now_us; /* it has read, or there is something anew */
    stream->direct_index = index;
    stream->direct_unread = unread;
    if (!unread && end->asleep)
        return LOOP_FOREVER;
    if (link->loop->now_us - stream->direct_looked_us < LOOK_US)
        return LOOK_US;
    if (unread)
        return direct_take_back(link, stream) == 0 ? 0 : LOOK_US;
    ask_to_be_kicked(stream);
    return ring_produced(stream) > index ? LOOK_US : LOOP_FOREVER;
}

void direct_progress(const struct stream *stream, uint64_t *sent, uint64_t *delivered)
{
    *sent = direct_holds_tx(stream) ? stream->direct->tx.index : stream->tx.sent;
    *delivered = direct_holds_rx(stream) ? stream->direct->rx.index : stream->rx.fifo.start;
}
