/* Signal handlers, and who holds what they may want, too. */
#include <setjmp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/critical.h"
#include "base/turn.h"
#include "check.h"

static volatile int came, values[4], numbers[4];
static sigjmp_buf out;

static void note(int number, siginfo_t *info, void *context)
{
    if (critical_puts_off(number, info, context))
        return;
    numbers[came] = number;
    values[came++] = info->si_value.sival_int;
    if (number == SIGSEGV)
        siglongjmp(out, 1);
}

static void handle(int number)
{
    struct sigaction action = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

    CHECK(sigaction(number, &action, NULL) == 0);
    came = 0;
}

static void queue(int number, int value)
{
    CHECK(sigqueue(getpid(), number, (union sigval){.sival_int = value}) == 0);
}

static bool is_blocked(int number)
{
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    return sigismember(&blocked, number);
}

static void elsewhere_they_come_at_once(void)
{
    handle(SIGUSR1);
    queue(SIGUSR1, 1);
    CHECK(came == 1 && values[0] == 1);
}

static void they_wait_for_the_outermost_end(void)
{
    handle(SIGUSR1);
    critical_enter();
    critical_enter();
    queue(SIGUSR1, 7);
    critical_leave();
    CHECK(came == 0 && is_blocked(SIGUSR1));
    critical_leave();
    CHECK(came == 1 && values[0] == 7 && !is_blocked(SIGUSR1));
}

static void none_is_lost_and_their_order_is_kept(void)
{
    handle(SIGUSR1);
    handle(SIGRTMIN);
    critical_enter();
    for (int value = 1; value <= 3; value++)
        queue(SIGRTMIN, value);
    queue(SIGUSR1, 4);
    CHECK(came == 0);
    critical_leave();
    CHECK(came == 4);
    for (int i = 0, last = 0; i < came; i++)
        CHECK(numbers[i] == SIGUSR1 ? values[i] == 4 : values[i] == ++last);
}

static void what_a_program_blocks_stays_blocked(void)
{
    sigset_t only;

    handle(SIGUSR1);
    handle(SIGUSR2);
    sigemptyset(&only);
    sigaddset(&only, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &only, NULL);
    critical_enter();
    queue(SIGUSR1, 1);
    queue(SIGUSR2, 2);
    critical_leave();
    CHECK(came == 1 && values[0] == 1 && is_blocked(SIGUSR2));
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    CHECK(came == 2);
}

static void a_fault_does_not_wait(void)
{
    volatile char *nothing = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK(nothing != MAP_FAILED);
    handle(SIGSEGV);
    critical_enter();
    if (!sigsetjmp(out, 1))
        *nothing = 1;
    CHECK(came == 1);
    critical_leave();
    munmap((void *)nothing, 4096);
    signal(SIGSEGV, SIG_DFL);
}

static void who_has_a_turn_is_not_interrupted(void)
{
    uint32_t turn = 0;

    handle(SIGUSR1);
    CHECK(turn_take(&turn, 0));
    queue(SIGUSR1, 1);
    CHECK(came == 0);
    turn_give(&turn);
    CHECK(came == 1);
}

static const struct check_test tests[] = {
    {"elsewhere they come at once", elsewhere_they_come_at_once},
    {"they wait for the outermost end", they_wait_for_the_outermost_end},
    {"none is lost, and their order is kept", none_is_lost_and_their_order_is_kept},
    {"what a program blocks stays blocked", what_a_program_blocks_stays_blocked},
    {"a fault does not wait", a_fault_does_not_wait},
    {"who has a turn is not interrupted", who_has_a_turn_is_not_interrupted},
};

CHECK_MAIN(tests)
