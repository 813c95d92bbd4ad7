#include "base/turn.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/critical.h"

#define TURN_WANTED 0x80000000u /* somebody sleeps for it */
#define TURN_LOOK_US 20000u     /* how soon a sleeper asks whether the owner lives */

/* As in base/critical.c: a handler that has interrupted malloc() may be the first to ask for it. */
static _Thread_local uint32_t thread_id __attribute__((tls_model("initial-exec")));

/* fork() copies the variable, too. */
static void forked(void)
{
    thread_id = 0;
}

static __attribute__((constructor)) void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

static uint32_t own_id(void)
{
    if (!thread_id)
        thread_id = (uint32_t)syscall(SYS_gettid);
    return thread_id;
}

int turn_sleep(const uint32_t *word, uint32_t seen, uint64_t timeout_us)
{
    struct timespec limit = {.tv_sec = (time_t)(timeout_us / 1000000u),
                             .tv_nsec = (long)(timeout_us % 1000000u) * 1000};

    long slept = syscall(SYS_futex, word, FUTEX_WAIT, seen,
                         timeout_us == TURN_FOREVER ? NULL : &limit, NULL, 0);

    return slept < 0 && errno == EINTR ? -EINTR : 0;
}

void turn_wake(uint32_t *word)
{
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Who has the turn is in a critical stretch, and nobody who sleeps for it. */
static bool take_if(uint32_t *turn, uint32_t expected, uint32_t wanted)
{
    critical_enter();
    if (__atomic_compare_exchange_n(turn, &expected, own_id() | wanted, false, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED))
        return true;
    critical_leave();
    return false;
}

static bool owner_is_dead(uint32_t owner)
{
    return syscall(SYS_tkill, (pid_t)(owner & ~TURN_WANTED), 0) < 0 && errno == ESRCH;
}

static bool take_slowly(uint32_t *turn, uint64_t timeout_us)
{
    uint64_t now_us = clock_now_us();
    uint64_t until_us = timeout_us == TURN_FOREVER ? TURN_FOREVER : now_us + timeout_us;

    for (; now_us <= until_us; now_us = clock_now_us()) {
        uint32_t owner = __atomic_load_n(turn, __ATOMIC_RELAXED);
        uint64_t left_us = until_us - now_us;

        if (!owner && take_if(turn, 0, TURN_WANTED)) /* others may sleep for it, too */
            return true;
        if (!owner || !__atomic_compare_exchange_n(turn, &owner, owner | TURN_WANTED, false,
                                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            continue;
        turn_sleep(turn, owner | TURN_WANTED, left_us < TURN_LOOK_US ? left_us : TURN_LOOK_US);
        owner = __atomic_load_n(turn, __ATOMIC_RELAXED);
        if (owner && owner_is_dead(owner) && take_if(turn, owner, TURN_WANTED))
            return true;
    }
    return false;
}

bool turn_take(uint32_t *turn, uint64_t timeout_us)
{
    return take_if(turn, 0, 0) || take_slowly(turn, timeout_us);
}

void turn_give(uint32_t *turn)
{
    if (__atomic_exchange_n(turn, 0, __ATOMIC_RELEASE) & TURN_WANTED)
        syscall(SYS_futex, turn, FUTEX_WAKE, 1, NULL, NULL, 0);
    critical_leave();
}

/* How many numbers a process has, from the PID namespace of /proc down to its own; 0: not known.
 * Its link in /proc/PID/ns could be compared, but not by an agent with fewer rights than it has. */
static int numbers_of(const char *status)
{
    FILE *lines = fopen(status, "re");
    char line[256];
    int numbers = 0;

    while (lines && !numbers && fgets(line, sizeof(line), lines))
        if (strncmp(line, "NSpid:", 6) == 0)
            for (char *at = strchr(line, '\t'); at; at = strchr(at + 1, '\t'))
                numbers++;
    if (lines)
        fclose(lines);
    return numbers;
}

bool turn_can_be_shared(pid_t process)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
    return process > 0 && numbers_of("/proc/self/status") == 1 && numbers_of(path) == 1;
}
