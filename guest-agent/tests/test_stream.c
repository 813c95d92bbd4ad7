/* A stream's offsets, where a peer says what cannot be. */
#include "check.h"
#include "link/stream.h"

#define WINDOW 4096u

static struct stream *sender_of(uint64_t bytes)
{
    struct stream *stream = stream_new(NULL, 2, WINDOW, "x", 1);

    CHECK(stream);
    stream->tx.fifo.end = bytes;
    stream->tx.sent = bytes;
    stream->tx.sent_max = bytes;
    return stream;
}

static void who_had_acknowledged_more_was_put_back(void)
{
    struct stream *stream = sender_of(10);

    CHECK(stream_acked(stream, 8, 1) != STREAM_BROKEN);
    CHECK(stream_resume(stream, 8, 5, 1) != STREAM_BROKEN);
    CHECK(stream->tx.sent == 8); /* what is acknowledged is not sent again */
    CHECK(stream_resume(stream, 7, 5, 1) == STREAM_BROKEN);
    stream_free(stream);
}

static void a_ring_may_have_shown_more_than_a_resync_says(void)
{
    struct stream *stream = sender_of(10);

    stream->tx.path = WIRE_PATH_SHM;
    CHECK(stream_acked(stream, 8, 1) != STREAM_BROKEN);
    CHECK(stream_resume(stream, 6, 5, 1) != STREAM_BROKEN);
    stream_free(stream);
}

static _Alignas(4096) uint8_t region[8 * REGION_PAGE];
static const struct view view = {.base = region, .size = sizeof(region)};

static struct stream *receiver_by_ring(void)
{
    struct stream *stream = sender_of(0);

    stream->slot = (struct slot){WINDOW, 0, {2 * REGION_PAGE, 4 * REGION_PAGE}};
    stream_attach(stream, &view, true);
    stream->rx.path = WIRE_PATH_SHM;
    return stream;
}

static void a_fence_is_not_drained_from_a_ring_that_does_not_show_it(void)
{
    struct stream *stream = receiver_by_ring();
    uint64_t drained = 0;

    CHECK(stream_switch_rx(stream, WIRE_PATH_TCP, 100, &view, &drained) == STREAM_MOVED);
    CHECK(stream->rx.missing && stream->rx.fifo.end == 0);
    stream_free(stream);
}

/* What a program has read there by itself, the agent does not know. */
static void a_rolled_back_attempt_leaves_an_end_alone_that_never_left_its_ring(void)
{
    struct stream *stream = receiver_by_ring();
    const struct ring_control *control = stream->rx.ring.control;

    ring_rx_advance(&stream->rx.ring, 50);
    stream_roll_back(stream, WIRE_PATH_SHM);
    CHECK(control->consumer.index == 50);
    stream->rx.path = WIRE_PATH_TCP;
    stream->rx.fifo.start = stream->rx.fifo.end = 70;
    stream_roll_back(stream, WIRE_PATH_SHM);
    CHECK(stream->rx.path == WIRE_PATH_SHM && control->consumer.index == 70);
    stream_free(stream);
}

static const struct check_test tests[] = {
    {"who had acknowledged more was put back", who_had_acknowledged_more_was_put_back},
    {"a ring may have shown more than a RESYNC says",
     a_ring_may_have_shown_more_than_a_resync_says},
    {"a fence is not drained from a ring that does not show it",
     a_fence_is_not_drained_from_a_ring_that_does_not_show_it},
    {"a rolled back attempt leaves an end alone that never left its ring",
     a_rolled_back_attempt_leaves_an_end_alone_that_never_left_its_ring},
};

CHECK_MAIN(tests)
