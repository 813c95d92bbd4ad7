#include "base/critical.h"

#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

CRITICAL_OF_THREAD volatile unsigned critical_depth;
CRITICAL_OF_THREAD volatile uint64_t critical_put_off;

static uint64_t bit(int number)
{
    return 1ull << (number - 1);
}

/* They are pending, and blocked. Another one that comes before the exchange is put off, too: in its
 * handler they would come too early, and then be blocked for good by its end. */
void critical_let_come(void)
{
    uint64_t waiting = __atomic_exchange_n(&critical_put_off, 0, __ATOMIC_RELAXED);
    sigset_t numbers;

    sigemptyset(&numbers);
    for (int number = 1; number <= 64; number++)
        if (waiting & bit(number))
            sigaddset(&numbers, number);
    pthread_sigmask(SIG_UNBLOCK, &numbers, NULL);
}

void critical_lock(pthread_mutex_t *lock)
{
    critical_enter();
    pthread_mutex_lock(lock);
}

void critical_unlock(pthread_mutex_t *lock)
{
    pthread_mutex_unlock(lock);
    critical_leave();
}

/* Of the very instruction that was interrupted, which would only bring it again; or abort()'s. */
static bool cannot_wait(int number, const siginfo_t *info)
{
    if (number == SIGABRT)
        return info->si_code == SI_TKILL && info->si_pid == getpid();
    return info->si_code > 0 && (number == SIGSEGV || number == SIGBUS || number == SIGILL ||
                                 number == SIGFPE || number == SIGTRAP || number == SIGSYS);
}

/* The thread sends it to itself, as it came, and has it blocked once the handler has returned. With
 * too many pending already it cannot be put off. */
bool critical_puts_off(int number, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;

    if ((!critical_depth && !critical_put_off) || cannot_wait(number, info) ||
        syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info) < 0)
        return false;
    sigaddset(&interrupted->uc_sigmask, number);
    critical_put_off |= bit(number);
    return true;
}

struct critical critical_suspend(void)
{
    struct critical interrupted = {critical_depth, critical_put_off};

    critical_depth = 0;
    critical_put_off = 0;
    return interrupted;
}

void critical_resume(struct critical interrupted)
{
    critical_depth = interrupted.depth;
    critical_put_off |= interrupted.put_off;
}
