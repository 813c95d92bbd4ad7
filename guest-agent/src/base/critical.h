/* Stretches of code in which none of the program's signal handlers runs: what the thread holds
 * there a handler may want, too, and it would wait for ever for the code that it interrupts; or
 * jump out of it, and nobody would ever let go.
 *
 * A handler that comes meanwhile is put off to the end of the stretch. It costs a count, no system
 * call; stretches may lie in each other. They are as short as a piece of a copy; but the agent may
 * be asked in one, and it may not answer. */
#pragma once

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A preloaded library's own; reached without a call. */
#define CRITICAL_OF_THREAD _Thread_local __attribute__((tls_model("initial-exec")))

extern CRITICAL_OF_THREAD volatile unsigned critical_depth;
extern CRITICAL_OF_THREAD volatile uint64_t critical_put_off; /* by number, from 1 on */

/* For critical_leave(). */
void critical_let_come(void);

static inline void critical_enter(void)
{
    critical_depth++;
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void critical_leave(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    critical_depth--;
    if (critical_put_off && !critical_depth)
        critical_let_come();
}

/* A lock that is held in such a stretch. */
void critical_lock(pthread_mutex_t *lock);
void critical_unlock(pthread_mutex_t *lock);

/* For whoever stands before the program's handlers, with what the kernel gave: whether this signal
 * comes again at the end of the stretch, and nothing is to be done now. */
bool critical_puts_off(int number, siginfo_t *info, void *context);
/* Around one that cannot wait, and may jump: it is in no stretch, and what it has interrupted is in
 * as many again afterwards. */
struct critical {
    unsigned depth;
    uint64_t put_off;
};
struct critical critical_suspend(void);
void critical_resume(struct critical interrupted);
