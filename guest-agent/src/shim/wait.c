#include "shim/wait.h"

#include <errno.h>
#include <signal.h>

#include "base/clock.h"
#include "base/turn.h"
#include "shim/real.h"

#define SPINS_MIN 64u
#define SPINS_MAX 20000u
#define SLEEP_MAX_US 200000u /* a lost kick costs no more than this */

/* Whether the other end's index has moved; what it is worth is judged where it is used. It may lag
 * behind what came or was acknowledged by tcp. */
static bool moved(const struct direct *ends, enum direction direction)
{
    if (direction == RECEIVING)
        return __atomic_load_n(&ends->rx_control->producer.index, __ATOMIC_ACQUIRE) >
               ends->page->rx.index;
    return __atomic_load_n(&ends->tx_control->consumer.index, __ATOMIC_ACQUIRE) >
           ends->page->tx.seen;
}

/* Looks more often the next time where it paid, less often where it did not. */
static bool spin(struct held *held, enum direction direction)
{
    for (unsigned i = 0; i < held->spins; i++) {
        if (moved(&held->ends, direction)) {
            held->spins = 2 * held->spins < SPINS_MAX ? 2 * held->spins : SPINS_MAX;
            return true;
        }
        __builtin_ia32_pause();
    }
    held->spins = held->spins / 2 > SPINS_MIN ? held->spins / 2 : SPINS_MIN;
    return false;
}

/* As the kernel decides it for a call that waits: a handler without SA_RESTART ends the wait. */
static bool a_handler_interrupts(void)
{
    struct sigaction action;

    for (int number = 1; number < NSIG; number++)
        if (real()->sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
            action.sa_handler != SIG_IGN && !(action.sa_flags & SA_RESTART))
            return true;
    return false;
}

/* The other end of the socket is the agent's: it has died, or has ended the stream. */
static bool hung_up(int fd)
{
    struct pollfd asked = {.fd = fd, .events = POLLRDHUP};

    return real()->poll(&asked, 1, 0) > 0;
}

static int sleep_until(struct held *held, int fd, enum direction direction, uint64_t until_us)
{
    struct direct *ends = &held->ends;
    struct direct_end *end = direction == RECEIVING ? &ends->page->rx : &ends->page->tx;
    uint64_t now_us = clock_now_us(), left_us = until_us > now_us ? until_us - now_us : 0;
    uint32_t seen;
    int error;

    if (!left_us)
        return -EAGAIN;
    error = direction == RECEIVING ? direct_doze_rx(ends, &seen) : direct_doze_tx(ends, &seen);
    if (error)
        return 0;
    error = turn_sleep(&end->wake, seen, left_us < SLEEP_MAX_US ? left_us : SLEEP_MAX_US);
    direct_awake(end);
    if (seen == __atomic_load_n(&end->wake, __ATOMIC_ACQUIRE) && hung_up(fd)) {
        held->orphaned = true;
        return -EREMOTE;
    }
    return error && a_handler_interrupts() ? -EINTR : 0;
}

int wait_ring(struct held *held, int fd, enum direction direction, uint64_t until_us)
{
    return spin(held, direction) ? 0 : sleep_until(held, fd, direction, until_us);
}
