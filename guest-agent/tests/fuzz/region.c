/* A region whose every byte is the peer's: its header is judged, and a program's ends of two rings
 * go on in it, whatever it says of indexes. */
#include <string.h>

#include "base/region_header.h"
#include "check.h"
#include "fuzz/fuzz.h"
#include "ring/direct.h"

#define SIZE 4096u
#define REGION (1u << 20)
#define STEPS_MAX 64u

static uint8_t memory[REGION] __attribute__((aligned(4096)));
static struct direct_page page __attribute__((aligned(4096)));

struct step {
    uint8_t what;
    uint8_t length;
    uint8_t word; /* which of the rings' words the peer changes before it */
    uint8_t by;
};

static struct direct fresh(void)
{
    struct direct ends = {.page = &page,
                          .header = {.base = memory, .size = REGION_PAGE},
                          .tx_control = (void *)(memory + REGION_RINGS_START),
                          .rx_control = (void *)(memory + REGION_RINGS_START + 4 * REGION_PAGE),
                          .size = SIZE};

    memset(memory, 0, sizeof(memory));
    memset(&page, 0, sizeof(page));
    page.tx.holder = page.rx.holder = 1;
    return ends;
}

static void change(const struct direct *ends, const struct step *step)
{
    uint64_t *words[] = {&ends->tx_control->producer.index, &ends->tx_control->consumer.index,
                         &ends->rx_control->producer.index, &ends->rx_control->consumer.index};

    if (step->word < 4)
        *words[step->word] += (uint64_t)(int64_t)(int8_t)step->by * 64;
}

static void take(struct direct *ends, const struct step *step)
{
    uint8_t bytes[256] = {0};
    bool kick = false;
    ssize_t moved = 0;

    switch (step->what % 6) {
    case 0:
        moved = direct_put(ends, bytes, step->length, &kick);
        break;
    case 1:
        moved = direct_get(ends, bytes, step->length, &kick);
        break;
    case 2:
        moved = direct_peek(ends, bytes, step->length);
        break;
    case 3:
        CHECK(direct_readable(ends, NULL) <= (ssize_t)SIZE);
        break;
    case 4:
        CHECK(direct_writable(ends) <= (ssize_t)SIZE);
        break;
    case 5:
        direct_watch_rx(ends, NULL);
        direct_watch_tx(ends);
        break;
    }
    CHECK(moved <= step->length);
    CHECK(page.tx.index - page.tx.seen <= SIZE && page.rx.seen - page.rx.index <= SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    size_t header = length < sizeof(struct region_header) ? length : sizeof(struct region_header);
    struct direct ends = fresh();
    struct step step;

    memcpy(memory, bytes, header);
    memcpy(ends.header.nonce, ((struct region_header *)(void *)memory)->nonce, REGION_NONCE_SIZE);
    region_header_fault((struct region_header *)(void *)memory, REGION);
    for (size_t at = header, n = 0; at + sizeof(step) <= length && n < STEPS_MAX; n++) {
        memcpy(&step, bytes + at, sizeof(step));
        at += sizeof(step);
        change(&ends, &step);
        take(&ends, &step);
    }
    return 0;
}
