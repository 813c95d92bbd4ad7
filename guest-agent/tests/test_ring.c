/* Rings, private windows, places in a region, and what a hostile other end can do. */
#include <string.h>

#include "base/region_header.h"
#include "check.h"
#include "ring/fifo.h"
#include "ring/ring.h"
#include "ring/slots.h"

#define SIZE 4096u
#define PLACE REGION_RINGS_START

static uint8_t memory[1 << 20] __attribute__((aligned(4096)));
static struct view view;

static void fresh_region(void)
{
    struct region_identity identity = {.size = sizeof(memory), .lower_id = 3, .higher_id = 4};

    memset(memory, 0, sizeof(memory));
    memset(identity.nonce, 7, sizeof(identity.nonce));
    region_header_make((struct region_header *)(void *)memory, &identity);
    view = (struct view){.base = memory, .size = sizeof(memory)};
    memset(view.nonce, 7, sizeof(view.nonce));
}

static void wraps_around(void)
{
    struct ring_tx tx;
    struct ring_rx rx;
    uint8_t in[1000], out[1000];
    uint64_t offset = 3 * SIZE - 10; /* begins late in the ring, and late in the stream */

    fresh_region();
    ring_tx_attach(&tx, &view, PLACE, SIZE, offset);
    ring_rx_attach(&rx, &view, PLACE, SIZE, offset);
    for (int round = 0; round < 50; round++) {
        memset(in, round + 1, sizeof(in));
        ring_tx_copy(&tx, offset, in, sizeof(in));
        ring_tx_publish(&tx, offset + sizeof(in));
        CHECK(ring_rx_look(&rx) == 0 && rx.produced == offset + sizeof(in));
        ring_rx_copy(&rx, offset, out, sizeof(out));
        CHECK(memcmp(in, out, sizeof(in)) == 0);
        offset += sizeof(in);
        ring_rx_advance(&rx, offset);
        CHECK(ring_tx_look(&tx, offset) == 0 && tx.consumed == offset);
    }
}

static void refuses_impossible_producers(void)
{
    static const uint64_t impossible[] = {999, SIZE + 1001, UINT64_MAX, 0};
    struct ring_rx rx;

    for (size_t i = 0; i < 4; i++) {
        fresh_region();
        ring_rx_attach(&rx, &view, PLACE, SIZE, 1000);
        rx.control->producer.index = 1000;
        CHECK(ring_rx_look(&rx) == 0);
        rx.control->producer.index = impossible[i];
        CHECK(ring_rx_look(&rx) == RING_VIOLATION);
        CHECK(rx.produced == 1000);
    }
}

static void refuses_impossible_consumers(void)
{
    struct ring_tx tx;

    fresh_region();
    ring_tx_attach(&tx, &view, PLACE, SIZE, 1000);
    tx.control->consumer.index = 900;
    CHECK(ring_tx_look(&tx, 1000) == 0);
    tx.control->consumer.index = 899; /* back */
    CHECK(ring_tx_look(&tx, 1000) == RING_VIOLATION);
    tx.control->consumer.index = 1001; /* more than was sent */
    CHECK(ring_tx_look(&tx, 1000) == RING_VIOLATION);
}

static void flags_are_seen_by_the_other_end(void)
{
    struct ring_tx tx;
    struct ring_rx rx;

    fresh_region();
    ring_tx_attach(&tx, &view, PLACE, SIZE, 0);
    ring_rx_attach(&rx, &view, PLACE, SIZE, 0);
    CHECK(!ring_tx_other_asleep(&tx) && !ring_rx_other_asleep(&rx));
    ring_rx_sleep(&rx, true);
    CHECK(ring_tx_other_asleep(&tx) && !ring_rx_other_asleep(&rx));
    ring_rx_sleep(&rx, false);
    ring_tx_sleep(&tx, true);
    CHECK(!ring_tx_other_asleep(&tx) && ring_rx_other_asleep(&rx));
}

static void a_view_is_trusted_by_its_nonce(void)
{
    fresh_region();
    CHECK(view_trusted(&view));
    memory[offsetof(struct region_header, nonce) + 15] ^= 1;
    CHECK(!view_trusted(&view));
    memset(memory, 0, sizeof(memory)); /* what an unplugged device reads */
    CHECK(!view_trusted(&view));
}

static void places_outside_the_region_are_invalid(void)
{
    CHECK(ring_place_valid(1 << 20, PLACE, SIZE));
    CHECK(ring_place_valid(1 << 20, (1 << 20) - 2 * REGION_PAGE, SIZE));
    CHECK(!ring_place_valid(1 << 20, (1 << 20) - REGION_PAGE, SIZE)); /* odd page */
    CHECK(!ring_place_valid(1 << 20, (1 << 20) - 2 * REGION_PAGE, 2 * SIZE));
    CHECK(!ring_place_valid(1 << 20, 0, SIZE)); /* the header */
    CHECK(!ring_place_valid(1 << 20, PLACE + 8, SIZE));
    CHECK(!ring_place_valid(1 << 20, UINT64_MAX - 8191, SIZE));
    CHECK(!ring_place_valid(1 << 20, PLACE, SIZE + 1));
    CHECK(!ring_place_valid(1 << 20, PLACE, 0));
    CHECK(!ring_place_valid(1 << 20, PLACE, 2 * RING_SIZE_MAX));
}

static void a_fifo_keeps_bytes_by_offset(void)
{
    struct fifo fifo;
    struct iovec pieces[2];
    uint8_t bytes[3000];

    CHECK(fifo_init(&fifo, SIZE) == 0);
    fifo.start = fifo.end = SIZE - 100;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 31);
    fifo_append(&fifo, bytes, sizeof(bytes));
    CHECK(fifo_length(&fifo) == sizeof(bytes) && fifo_room(&fifo) == SIZE - sizeof(bytes));
    CHECK(fifo_pieces(&fifo, fifo.start, sizeof(bytes), pieces) == 2);
    CHECK(pieces[0].iov_len == 100 && memcmp(pieces[0].iov_base, bytes, 100) == 0);
    CHECK(memcmp(pieces[1].iov_base, bytes + 100, sizeof(bytes) - 100) == 0);
    CHECK(fifo_pieces(&fifo, fifo.start + 100, 50, pieces) == 1);
    fifo_deinit(&fifo);
}

static bool overlap(const struct slot *a, const struct slot *b)
{
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++)
            if ((a != b || i != j) && a->ring[i] < b->ring[j] + REGION_PAGE + b->size &&
                b->ring[j] < a->ring[i] + REGION_PAGE + a->size)
                return true;
    return false;
}

static void slots_never_overlap_and_are_reused(void)
{
    static struct slot taken[256];
    struct slots slots;
    uint32_t count = 0, again = 0, sizes[] = {4096, 16384, 65536};

    CHECK(slots_init(&slots, 1 << 20) == 0);
    while (slots_take(&slots, sizes[count % 3], &taken[count]) == 0)
        count++;
    CHECK(count > 4);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(ring_place_valid(1 << 20, taken[i].ring[0], taken[i].size));
        CHECK(ring_place_valid(1 << 20, taken[i].ring[1], taken[i].size));
        for (uint32_t j = 0; j <= i; j++)
            CHECK(!overlap(&taken[i], &taken[j]));
    }
    for (uint32_t i = 0; i < count; i++)
        slots_give_back(&slots, &taken[i]);
    while (slots_take(&slots, sizes[again % 3], &taken[again]) == 0)
        again++;
    CHECK(again == count);
    slots_deinit(&slots);
}

static void windows_shrink_with_the_number_of_streams(void)
{
    uint64_t plenty = 64u << 20;

    CHECK(slots_window(0, plenty) == 256u << 10 && slots_window(7, plenty) == 256u << 10);
    CHECK(slots_window(8, plenty) == 64u << 10);
    CHECK(slots_window(24, plenty) == 16u << 10);
    CHECK(slots_window(72, plenty) == 4096 && slots_window(1023, plenty) == 4096);
    CHECK(slots_window(0, 256u << 10) == 64u << 10); /* the budget decides, too */
    CHECK(slots_window(0, 0) == 4096);               /* and never refuses */
}

static const struct check_test tests[] = {
    {"wraps around", wraps_around},
    {"refuses impossible producers", refuses_impossible_producers},
    {"refuses impossible consumers", refuses_impossible_consumers},
    {"flags are seen by the other end", flags_are_seen_by_the_other_end},
    {"a view is trusted by its nonce", a_view_is_trusted_by_its_nonce},
    {"places outside the region are invalid", places_outside_the_region_are_invalid},
    {"a fifo keeps bytes by offset", a_fifo_keeps_bytes_by_offset},
    {"slots never overlap and are reused", slots_never_overlap_and_are_reused},
    {"windows shrink with the number of streams", windows_shrink_with_the_number_of_streams},
};

CHECK_MAIN(tests)
