/* The program's signal handlers, behind one of ours: it puts off those that come while the thread
 * holds what they may want, too (base/critical.h). The program sees what it has set. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/critical.h"
#include "shim/handles.h"
#include "shim/real.h"

/* Beside a handler's address, which no program has so high. */
#define ONCE (1ull << 63)   /* SA_RESETHAND */
#define NESTED (1ull << 62) /* SA_NODEFER */
#define ADDRESS (~(ONCE | NESTED))

typedef void action_handler(int number, siginfo_t *info, void *context);

static _Atomic uint64_t handlers[NSIG];
static struct sigaction said[NSIG]; /* by the program; where the kernel has ours */
static atomic_bool interrupting[NSIG];
static atomic_flag changing = ATOMIC_FLAG_INIT;

/* ---- changing them ---- */

/* No handler of this thread's comes meanwhile: one may set another. */
static void begin_changing(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, before);
    while (atomic_flag_test_and_set(&changing))
        sched_yield();
}

static void end_changing(const sigset_t *before)
{
    atomic_flag_clear(&changing);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void forked(void)
{
    atomic_flag_clear(&changing);
}

static __attribute__((constructor)) void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

/* ---- when one comes ---- */

static void unblock(int number)
{
    sigset_t only;

    sigemptyset(&only);
    sigaddset(&only, number);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
}

/* As the kernel does it for SA_RESETHAND: all but the handler stays. */
static void by_default(int number, uint64_t found)
{
    sigset_t before;

    begin_changing(&before);
    if (atomic_load(&handlers[number]) == found) {
        struct sigaction action = said[number];

        action.sa_handler = SIG_DFL;
        real()->sigaction(number, &action, NULL);
        if (!handles_are_borrowed())
            atomic_store(&handlers[number], 0);
    }
    end_changing(&before);
}

static void handle_now(int number, siginfo_t *info, void *context)
{
    uint64_t found = atomic_load(&handlers[number]);
    uintptr_t address = (uintptr_t)(found & ADDRESS);

    if (address == (uintptr_t)SIG_IGN)
        return;
    if (address == (uintptr_t)SIG_DFL) { /* it was on its way when the program chose that */
        syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info);
        return;
    }
    if (found & ONCE)
        by_default(number, found);
    if (found & NESTED)
        unblock(number);
    ((action_handler *)address)(number, info, context);
}

static void arrive(int number, siginfo_t *info, void *context)
{
    int error = errno;

    if (!critical_puts_off(number, info, context)) {
        struct critical interrupted = critical_suspend();

        handle_now(number, info, context);
        critical_resume(interrupted);
    }
    errno = error;
}

/* ---- what the program sets ---- */

static bool is_handler(const struct sigaction *action)
{
    return action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN;
}

static struct sigaction behind_ours(const struct sigaction *action)
{
    struct sigaction asked = *action;

    if (!is_handler(action))
        return asked;
    asked.sa_sigaction = arrive;
    asked.sa_flags = (asked.sa_flags | SA_SIGINFO) & ~(SA_RESETHAND | SA_NODEFER);
    return asked;
}

static uint64_t word_of(int number, const struct sigaction *action)
{
    uint64_t word = (uintptr_t)action->sa_handler;
    bool nests = action->sa_flags & SA_NODEFER && !sigismember(&action->sa_mask, number);

    if (!is_handler(action))
        return word;
    return word | (action->sa_flags & SA_RESETHAND ? ONCE : 0) | (nests ? NESTED : 0);
}

/* As the program has said it: its own handler for ours. */
static struct sigaction as_said(int number, struct sigaction found)
{
    const int ours = SA_SIGINFO | (int)SA_RESETHAND | SA_NODEFER;

    if (!is_handler(&found) || found.sa_sigaction != arrive)
        return found;
    found.sa_sigaction = said[number].sa_sigaction;
    found.sa_flags = (found.sa_flags & ~ours) | (said[number].sa_flags & ours);
    return found;
}

/* A handler is known before the kernel calls ours for it, and as long as it may. */
static int change(int number, const struct sigaction *action, struct sigaction *found)
{
    struct sigaction asked = behind_ours(action);
    uint64_t before = atomic_load(&handlers[number]);
    int result;

    if (is_handler(action))
        atomic_store(&handlers[number], word_of(number, action));
    result = real()->sigaction(number, &asked, found);
    atomic_store(&handlers[number], result ? before : word_of(number, action));
    *found = as_said(number, *found);
    if (!result)
        said[number] = *action;
    return result;
}

static int look(int number, struct sigaction *found)
{
    int result = real()->sigaction(number, NULL, found);

    *found = as_said(number, *found);
    return result;
}

/* After vfork() a child has actions of its own, and its parent's memory. */
static int change_of_child(int number, const struct sigaction *action, struct sigaction *found)
{
    int result = real()->sigaction(number, action, found);

    *found = as_said(number, *found);
    return result;
}

int sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    struct sigaction found = {.sa_handler = SIG_DFL};
    sigset_t before;
    int result;

    if (number <= 0 || number >= NSIG)
        return real()->sigaction(number, action, old);
    begin_changing(&before);
    if (!action)
        result = look(number, &found);
    else
        result = (handles_are_borrowed() ? change_of_child : change)(number, action, &found);
    end_changing(&before);
    if (!result && old)
        *old = found;
    return result;
}

static sighandler_t set(int number, sighandler_t handler, int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, old;

    if (handler == SIG_ERR) {
        errno = EINVAL;
        return SIG_ERR;
    }
    sigemptyset(&action.sa_mask);
    if (!(flags & SA_NODEFER))
        sigaddset(&action.sa_mask, number);
    return sigaction(number, &action, &old) < 0 ? SIG_ERR : old.sa_handler;
}

sighandler_t signal(int number, sighandler_t handler)
{
    bool restarts = number <= 0 || number >= NSIG || !atomic_load(&interrupting[number]);

    return set(number, handler, restarts ? SA_RESTART : 0);
}

/* What signal() is for a program that asks for no more than C or an old System V has. */
sighandler_t __sysv_signal(int number, sighandler_t handler);
sighandler_t __sysv_signal(int number, sighandler_t handler)
{
    return set(number, handler, (int)SA_RESETHAND | SA_NODEFER);
}

int siginterrupt(int number, int flag)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) < 0)
        return -1;
    atomic_store(&interrupting[number], flag != 0);
    action.sa_flags = flag ? action.sa_flags & ~SA_RESTART : action.sa_flags | SA_RESTART;
    return sigaction(number, &action, NULL);
}

/* Other names of the same. */
#define ALIAS(name) __attribute__((alias(#name), nothrow, leaf))
int __sigaction(int, const struct sigaction *, struct sigaction *) ALIAS(sigaction);
sighandler_t bsd_signal(int, sighandler_t) ALIAS(signal);
sighandler_t ssignal(int, sighandler_t) ALIAS(signal);
sighandler_t sysv_signal(int, sighandler_t) ALIAS(__sysv_signal);
