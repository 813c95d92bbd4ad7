/* Direct mode's ends of a ring, its lock, and what a hostile peer or a killed owner can do. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/region_header.h"
#include "base/turn.h"
#include "check.h"
#include "ring/direct.h"

#define SIZE 8192u
#define TO_HIGHER REGION_RINGS_START
#define TO_LOWER (REGION_RINGS_START + 4 * REGION_PAGE)
#define TOTAL (8u << 20)

static uint8_t memory[1 << 20] __attribute__((aligned(4096)));
static struct direct_page pages[2] __attribute__((aligned(4096)));
static struct direct ends[2];

static void *at(uint64_t offset)
{
    return memory + offset;
}

/* One region; ends[0] is the lower domain's program, ends[1] the other one's. */
static void fresh(void)
{
    struct region_identity identity = {.size = sizeof(memory), .lower_id = 3, .higher_id = 4};

    memset(memory, 0, sizeof(memory));
    memset(pages, 0, sizeof(pages));
    memset(identity.nonce, 7, sizeof(identity.nonce));
    region_header_make((struct region_header *)(void *)memory, &identity);
    for (int i = 0; i < 2; i++) {
        pages[i].tx.holder = pages[i].rx.holder = 1;
        ends[i] = (struct direct){.page = &pages[i],
                                  .header = {.base = memory, .size = REGION_PAGE},
                                  .tx_control = at(i ? TO_LOWER : TO_HIGHER),
                                  .rx_control = at(i ? TO_HIGHER : TO_LOWER),
                                  .size = SIZE};
        memset(ends[i].header.nonce, 7, REGION_NONCE_SIZE);
    }
}

static void fills_and_empties(void)
{
    uint8_t in[3000], out[3000];
    bool kick;

    fresh();
    for (int round = 0; round < 20; round++) {
        memset(in, round + 1, sizeof(in));
        CHECK(direct_put(&ends[0], in, sizeof(in), &kick) == sizeof(in));
        CHECK(direct_readable(&ends[1], NULL) == sizeof(in));
        CHECK(direct_peek(&ends[1], out, sizeof(out)) == sizeof(out));
        memset(out, 0, sizeof(out));
        CHECK(direct_get(&ends[1], out, sizeof(out), &kick) == sizeof(out));
        CHECK(memcmp(in, out, sizeof(in)) == 0);
    }
    CHECK(direct_get(&ends[1], out, sizeof(out), &kick) == -EAGAIN);
    for (size_t room = SIZE; room;)
        room -= (size_t)direct_put(&ends[0], in, sizeof(in), &kick);
    CHECK(direct_put(&ends[0], in, 1, &kick) == -EAGAIN);
    CHECK(direct_writable(&ends[0]) == 0 && direct_writable(&ends[1]) == SIZE);
}

static void obeys_the_holder(void)
{
    uint8_t byte = 1;
    uint32_t seen;
    bool kick;

    fresh();
    pages[0].tx.holder = pages[0].rx.holder = 0;
    CHECK(direct_put(&ends[0], &byte, 1, &kick) == -EREMOTE);
    CHECK(direct_get(&ends[0], &byte, 1, &kick) == -EREMOTE);
    CHECK(direct_peek(&ends[0], &byte, 1) == -EREMOTE);
    CHECK(direct_readable(&ends[0], NULL) == -EREMOTE && direct_writable(&ends[0]) == -EREMOTE);
    CHECK(direct_doze_rx(&ends[0], &seen) == -EREMOTE);
    CHECK(direct_doze_tx(&ends[0], &seen) == -EREMOTE);
    CHECK(direct_watch_rx(&ends[0], NULL) == -EREMOTE && direct_watch_tx(&ends[0]) == -EREMOTE);
    CHECK(!pages[0].tx.turn && !pages[0].rx.turn);
}

static void counts_nothing_from_a_doubtful_view(void)
{
    uint8_t byte = 1;
    bool kick;

    fresh();
    CHECK(direct_put(&ends[0], &byte, 1, &kick) == 1);
    memset(memory, 0, sizeof(struct region_header)); /* as an unplugged device reads */
    CHECK(direct_put(&ends[0], &byte, 1, &kick) == -EIO);
    CHECK(direct_get(&ends[1], &byte, 1, &kick) == -EIO);
    CHECK(pages[0].tx.index == 1 && pages[1].rx.index == 0);
    CHECK(ends[0].tx_control->producer.index == 1 && ends[1].rx_control->consumer.index == 0);
}

static void refuses_impossible_indexes(void)
{
    static const uint64_t impossible[] = {SIZE + 2, UINT64_MAX, 1ull << 63};
    uint8_t byte = 1;
    bool kick;

    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++) {
        fresh();
        CHECK(direct_put(&ends[0], &byte, 1, &kick) == 1);
        CHECK(direct_get(&ends[1], &byte, 1, &kick) == 1);
        ends[1].rx_control->producer.index = impossible[i];
        CHECK(direct_get(&ends[1], &byte, 1, &kick) == -EIO);
        ends[0].tx_control->consumer.index = impossible[i];
        CHECK(direct_put(&ends[0], &byte, 1, &kick) == -EIO);
    }
}

/* The sleeper's flag, and the other end's word that it was seen. */
static void asks_to_be_kicked(void)
{
    uint8_t byte = 1;
    uint32_t seen;
    bool kick = false;

    fresh();
    CHECK(direct_doze_rx(&ends[1], &seen) == 0 && pages[1].rx.sleepers == 1);
    CHECK(direct_put(&ends[0], &byte, 1, &kick) == 1 && kick);
    direct_awake(&pages[1].rx);
    CHECK(direct_doze_rx(&ends[1], &seen) == -EAGAIN && pages[1].rx.sleepers == 0);
    CHECK(direct_get(&ends[1], &byte, 1, &kick) == 1);
    CHECK(direct_put(&ends[0], &byte, 1, &kick) == 1 && !kick); /* awake: no more kicks */
}

/* Who waits for several things has nothing to take back afterwards. */
static void asks_to_be_told(void)
{
    static uint8_t bytes[SIZE];
    uint64_t known = 1, nothing = UINT64_MAX; /* who was never told looks */
    bool kick = false;

    fresh();
    CHECK(direct_watch_rx(&ends[1], NULL) == 0 && pages[1].rx.watched && !pages[1].rx.sleepers);
    CHECK(direct_put(&ends[0], bytes, 1, &kick) == 1 && kick);
    CHECK(direct_watch_rx(&ends[1], NULL) == -EAGAIN);
    CHECK(direct_watch_rx(&ends[1], &known) == 0); /* what it knows of is no reason to look */
    CHECK(direct_watch_rx(&ends[1], &nothing) == -EAGAIN);
    CHECK(direct_put(&ends[0], bytes, 1, &kick) == 1);
    CHECK(direct_watch_rx(&ends[1], &known) == -EAGAIN);
    CHECK(direct_watch_tx(&ends[0]) == -EAGAIN);
    CHECK(direct_put(&ends[0], bytes, SIZE - 2, &kick) == SIZE - 2);
    CHECK(direct_watch_tx(&ends[0]) == 0 && pages[0].tx.watched);
    kick = false;
    CHECK(direct_get(&ends[1], bytes, 1, &kick) == 1 && kick);
    CHECK(direct_watch_tx(&ends[0]) == -EAGAIN);
}

/* What lay in between came by tcp, and is not in the ring. */
static void a_ring_that_lags_behind_is_no_reason_to_look(void)
{
    uint8_t byte = 1;
    uint32_t seen;
    bool kick;

    fresh();
    CHECK(direct_put(&ends[0], &byte, 1, &kick) == 1);
    pages[1].rx.index = 100;
    pages[1].rx.seen = 1;
    CHECK(direct_get(&ends[1], &byte, 1, &kick) == -EAGAIN);
    CHECK(direct_doze_rx(&ends[1], &seen) == 0);
    CHECK(direct_watch_rx(&ends[1], NULL) == 0);
}

static struct direct_end *shared_end(void)
{
    void *place =
        mmap(NULL, REGION_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(place != MAP_FAILED);
    return place;
}

static void a_killed_owner_loses_its_turn(void)
{
    struct direct_end *end = shared_end();
    pid_t child = fork();

    if (!child) {
        turn_take(&end->turn, TURN_FOREVER);
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child && end->turn);
    CHECK(turn_take(&end->turn, 2000000));
    turn_give(&end->turn);
    CHECK(!end->turn);
    munmap(end, REGION_PAGE);
}

static void a_living_owner_keeps_its_turn(void)
{
    struct direct_end *end = shared_end();
    int told[2], done[2];
    char byte = 0;
    pid_t child;

    CHECK(pipe(told) == 0 && pipe(done) == 0);
    child = fork();
    if (!child) {
        turn_take(&end->turn, TURN_FOREVER);
        _exit(write(told[1], &byte, 1) != 1 || read(done[0], &byte, 1) != 1);
    }
    CHECK(read(told[0], &byte, 1) == 1);
    CHECK(!turn_take(&end->turn, 30000));
    CHECK(write(done[1], &byte, 1) == 1 && waitpid(child, NULL, 0) == child);
    munmap(end, REGION_PAGE);
}

/* ---- two threads ---- */

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 0x9e3779b97f4a7c15u >> 40);
}

/* What the agents do for a sleeper whose peer has said "kick". */
static void pass_kick(bool kick, struct direct_end *sleeper)
{
    if (kick)
        turn_wake(&sleeper->wake);
}

static void *sends(void *unused)
{
    uint8_t bytes[3001];
    uint64_t sent = 0;

    while (sent < TOTAL) {
        size_t length = TOTAL - sent < sizeof(bytes) ? TOTAL - sent : sizeof(bytes);
        bool kick = false;
        uint32_t seen;
        ssize_t put;

        for (size_t i = 0; i < length; i++)
            bytes[i] = byte_at(sent + i);
        put = direct_put(&ends[0], bytes, length, &kick);
        pass_kick(kick, &pages[1].rx);
        if (put > 0)
            sent += (uint64_t)put;
        else if (direct_doze_tx(&ends[0], &seen) == 0) {
            turn_sleep(&pages[0].tx.wake, seen, TURN_FOREVER);
            direct_awake(&pages[0].tx);
        }
    }
    return unused;
}

/* No sleep has a limit: a wake-up that is lost hangs the test. */
static void two_threads_lose_no_byte_and_no_wake_up(void)
{
    uint8_t bytes[5000];
    uint64_t received = 0;
    pthread_t sender;

    fresh();
    CHECK(pthread_create(&sender, NULL, sends, NULL) == 0);
    while (received < TOTAL) {
        bool kick = false;
        uint32_t seen;
        ssize_t got = direct_get(&ends[1], bytes, sizeof(bytes), &kick);

        pass_kick(kick, &pages[0].tx);
        for (ssize_t i = 0; i < got; i++)
            CHECK(bytes[i] == byte_at(received + (uint64_t)i));
        if (got > 0)
            received += (uint64_t)got;
        else if (direct_doze_rx(&ends[1], &seen) == 0) {
            turn_sleep(&pages[1].rx.wake, seen, TURN_FOREVER);
            direct_awake(&pages[1].rx);
        }
    }
    pthread_join(sender, NULL);
}

static const struct check_test tests[] = {
    {"direct ends fill and empty a ring", fills_and_empties},
    {"an end that the agent holds is out of reach", obeys_the_holder},
    {"nothing counts that a doubtful view shows", counts_nothing_from_a_doubtful_view},
    {"impossible indexes are refused", refuses_impossible_indexes},
    {"a sleeper asks to be kicked", asks_to_be_kicked},
    {"a watcher asks to be told", asks_to_be_told},
    {"a ring that lags behind is no reason to look", a_ring_that_lags_behind_is_no_reason_to_look},
    {"a killed owner loses its turn", a_killed_owner_loses_its_turn},
    {"a living owner keeps its turn", a_living_owner_keeps_its_turn},
    {"two threads lose no byte and no wake-up", two_threads_lose_no_byte_and_no_wake_up},
};

CHECK_MAIN(tests)
