#include "shim/held.h"

#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/critical.h"
#include "base/turn.h"
#include "shim/ask.h"
#include "shim/epoll_set.h"
#include "shim/handles.h"
#include "shim/real.h"

#define MOVES_BEFORE_ASKING 8u /* a short conversation is not worth the question */
#define MOVES_WORTH_IT 256u    /* a ring given back after fewer is not asked for so soon */
#define RETIRED_MAX 64u        /* with several threads; then the socket has to do */
#define ASK_PAUSE_MIN_US 1000u
#define ASK_PAUSE_MAX_US 1000000u
#define ASK_PATIENCE_US 1000000u
#define SPINS_AT_FIRST 2000u
#define GIVE_BACK_US 2000000u
#define GIVE_BACK_AGAIN_US 20000u

static _Atomic uint64_t last_serial;

void held_init(struct side *side)
{
    atomic_store(&side->held, NULL);
    side->retired = NULL;
    side->retired_count = 0;
    atomic_flag_clear(&side->asking);
    atomic_store(&side->renounced, false);
    atomic_store(&side->in_socket, 0);
    atomic_store(&side->moves, 0);
    atomic_store(&side->starved, 0);
    side->ask_at_us = 0;
    side->ask_pause_us = ASK_PAUSE_MIN_US;
}

static void kick(struct direct *ends)
{
    const struct held *held = (const struct held *)ends;
    uint64_t one = 1;

    if (real()->write(held->kick, &one, sizeof(one)) < 0)
        return; /* the count is full: the agent has reason enough to wake */
}

/* Not by malloc(): a handler may write, and it may have interrupted that. */
static struct held *make_held(void)
{
    void *place =
        mmap(NULL, sizeof(struct held), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (place == MAP_FAILED)
        return NULL;
    *(struct held *)place =
        (struct held){.ends.kick = kick, .kick = -1, .wake = -1, .spins = SPINS_AT_FIRST};
    return place;
}

static void unmap(void *place, size_t size)
{
    if (place && place != MAP_FAILED)
        munmap(place, size);
}

static struct held *destroy(struct held *held)
{
    struct held *older = held->older;

    unmap(held->ends.tx_control, REGION_PAGE + held->ends.size);
    unmap(held->ends.rx_control, REGION_PAGE + held->ends.size);
    unmap(held->ends.header.base, REGION_PAGE);
    unmap(held->ends.page, REGION_PAGE);
    if (held->kick >= 0)
        real()->close(held->kick);
    if (held->wake >= 0)
        real()->close(held->wake);
    unmap(held, sizeof(*held));
    return older;
}

void held_free(struct side *side)
{
    struct held *held = atomic_exchange(&side->held, NULL);

    if (held)
        destroy(held);
    while (side->retired)
        side->retired = destroy(side->retired);
}

void held_forked(struct side *side)
{
    atomic_flag_clear(&side->asking);
    atomic_store(&side->in_socket, 0);
}

static bool begin_asking(struct side *side)
{
    critical_enter();
    if (!atomic_flag_test_and_set(&side->asking))
        return true;
    critical_leave();
    return false;
}

static void end_asking(struct side *side)
{
    atomic_flag_clear(&side->asking);
    critical_leave();
}

static bool being_asked(struct side *side)
{
    if (!begin_asking(side))
        return true;
    end_asking(side);
    return false;
}

/* ---- getting ---- */

static void *map(int fd, size_t size, uint64_t offset)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
}

/* The ring and the header are all of the region that is mapped. */
static bool map_ring(struct direct *ends, int region, enum direction direction)
{
    const struct direct_page *page = ends->page;
    size_t size = REGION_PAGE + page->window;
    void *ring;

    ends->size = page->window;
    ends->header.size = REGION_PAGE;
    memcpy(ends->header.nonce, page->nonce, sizeof(page->nonce));
    ends->header.base = map(region, REGION_PAGE, 0);
    ring = map(region, size, direction == SENDING ? page->tx_ring : page->rx_ring);
    *(direction == SENDING ? &ends->tx_control : &ends->rx_control) = ring;
    return ends->header.base != MAP_FAILED && ring != MAP_FAILED;
}

static struct held *map_ends(int page_fd, int region, enum direction direction)
{
    struct held *held = make_held();

    if (!held)
        return NULL;
    held->ends.page = map(page_fd, REGION_PAGE, 0);
    if (held->ends.page != MAP_FAILED && map_ring(&held->ends, region, direction))
        return held;
    destroy(held);
    return NULL;
}

static struct held *ask_for_end(uint64_t stream, uint32_t end, enum direction direction)
{
    int fds[ASK_DIRECT_FDS];
    struct held *held;

    if (ask_for_direct(stream, end, ASK_PATIENCE_US, fds) < 0)
        return NULL;
    held = map_ends(fds[0], fds[1], direction);
    for (int i = 0; i < ASK_DIRECT_FDS; i++)
        if (fds[i] >= 0 && (i < 2 || !held))
            real()->close(fds[i]);
    if (held) {
        held->kick = fds[2];
        held->wake = fds[3];
        held->serial = atomic_fetch_add(&last_serial, 1) + 1;
    }
    return held;
}

/* What cannot be had now (the link is on tcp, say) is asked for ever more rarely. */
static void ask_later(struct side *side)
{
    uint64_t doubled = 2 * side->ask_pause_us;

    side->ask_at_us = clock_now_us() + side->ask_pause_us;
    side->ask_pause_us = doubled < ASK_PAUSE_MAX_US ? doubled : ASK_PAUSE_MAX_US;
}

static void ask_now(const struct handle *handle, struct side *side, enum direction direction)
{
    uint32_t end = direction == SENDING ? DIRECT_TX : DIRECT_RX;
    struct held *held;

    if (atomic_load(&side->in_socket) || clock_now_us() < side->ask_at_us)
        return;
    atomic_store(&side->moves, 0);
    if (atomic_load(&handle->watched))
        end |= DIRECT_WATCHED;
    held = ask_for_end(handle->stream, end, direction);
    if (!held)
        ask_later(side);
    atomic_store_explicit(&side->held, held, memory_order_release);
}

struct held *held_get(struct handle *handle, enum direction direction)
{
    struct side *side = &handle->sides[direction];
    struct held *held = atomic_load_explicit(&side->held, memory_order_acquire);

    if (held || !handle->stream || handle->packets ||
        atomic_load_explicit(&side->renounced, memory_order_relaxed) ||
        atomic_fetch_add_explicit(&side->moves, 1, memory_order_relaxed) < MOVES_BEFORE_ASKING ||
        !begin_asking(side))
        return held;
    if (!atomic_load(&side->held) && !atomic_load(&side->renounced))
        ask_now(handle, side, direction);
    end_asking(side);
    held = atomic_load(&side->held);
    if (held)
        epoll_set_stir(handle);
    return held;
}

struct held *held_enter(struct handle *handle, enum direction direction)
{
    struct side *side = &handle->sides[direction];

    for (;;) {
        struct held *held = held_get(handle, direction);

        if (held)
            return held;
        atomic_fetch_add(&side->in_socket, 1);
        if (!being_asked(side) && !atomic_load(&side->held))
            return NULL;
        atomic_fetch_sub(&side->in_socket, 1);
        sched_yield();
    }
}

void held_leave(struct handle *handle, enum direction direction)
{
    atomic_fetch_sub(&handle->sides[direction].in_socket, 1);
}

/* ---- giving back ---- */

static void await_agent(struct held *held, enum direction direction)
{
    struct direct_page *page = held->ends.page;
    struct direct_end *end = direction == SENDING ? &page->tx : &page->rx;
    uint64_t until_us = clock_now_us() + GIVE_BACK_US;

    while (!held->orphaned && clock_now_us() < until_us) {
        uint32_t seen = __atomic_load_n(&end->wake, __ATOMIC_ACQUIRE);

        if (__atomic_load_n(&end->holder, __ATOMIC_ACQUIRE) == DIRECT_AGENTS && !end->turn)
            return;
        __atomic_store_n(&page->give_back, 1, __ATOMIC_RELEASE);
        kick(&held->ends);
        turn_sleep(&end->wake, seen, GIVE_BACK_AGAIN_US);
    }
}

/* Who else is at work on the handle may still look at what was held before; new ones do not. */
static void retire(const struct handle *handle, struct side *side, struct held *held)
{
    bool alone = atomic_load(&handle->users) == 2; /* the descriptor, and this thread */

    while (side->retired && alone)
        side->retired = destroy(side->retired);
    held->older = side->retired;
    side->retired = held;
    if (held->older && ++side->retired_count > RETIRED_MAX)
        atomic_store(&side->renounced, true);
}

void held_give_back(struct handle *handle, enum direction direction, struct held *held)
{
    struct side *side = &handle->sides[direction];

    await_agent(held, direction);
    while (!begin_asking(side))
        sched_yield();
    if (atomic_load(&side->held) == held) { /* else another thread has done it */
        retire(handle, side, held);
        if (held->moves >= MOVES_WORTH_IT)
            side->ask_pause_us = ASK_PAUSE_MIN_US;
        ask_later(side);
        atomic_store(&side->held, NULL);
    }
    end_asking(side);
}

void held_renounce(struct handle *handle)
{
    for (enum direction direction = SENDING; direction <= RECEIVING; direction++) {
        struct side *side = &handle->sides[direction];
        struct held *held;

        atomic_store(&side->renounced, true);
        while (being_asked(side))
            sched_yield(); /* what is asked for now is held afterwards */
        held = atomic_load(&side->held);
        if (held)
            held_give_back(handle, direction, held);
    }
}
