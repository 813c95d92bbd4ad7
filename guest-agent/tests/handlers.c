/* A program whose signal handlers use the stream that they interrupt the use of.
 *
 *     handlers write CID PORT    a handler writes to the stream that main() writes to
 *     handlers jump CID PORT     a handler jumps out of the write that it interrupts
 *     handlers wait CID PORT     a handler writes all there is room for, while main() waits for the
 *                                stream by epoll
 *     handlers actions           what sigaction(), signal() and siginterrupt() say and do
 *
 * What main() sends are the bytes 0 to 249, over and over; a handler sends bytes of 255. Each
 * prints how many it has sent; from `jump` nobody knows. */
#include <errno.h>
#include <linux/vm_sockets.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PERIOD 250u
#define MARK 255
#define CALM_SECONDS 1 /* in which the program gets its rings */
#define SECONDS 4
#define INTERVAL_US 500

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* siginterrupt() is still used */

static int stream;
static sigjmp_buf out;
static volatile long marks, jumps;
static volatile bool may_jump;

static void must(bool well, const char *what)
{
    if (!well) {
        perror(what);
        exit(1);
    }
}

static void write_mark(int number)
{
    unsigned char mark = MARK;
    int error = errno;

    (void)number;
    if (write(stream, &mark, 1) == 1)
        marks++;
    errno = error;
}

static void write_all_marks(int number)
{
    static unsigned char block[1u << 16];
    int error = errno;
    ssize_t put;

    (void)number;
    memset(block, MARK, sizeof(block));
    while ((put = send(stream, block, sizeof(block), MSG_DONTWAIT)) > 0)
        marks += put;
    errno = error;
}

static void jump(int number)
{
    (void)number;
    if (may_jump)
        siglongjmp(out, 1);
}

/* Two kinds, so that one may come while another is put off. */
static void disturb(void (*handler)(int), long interval_us)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    struct itimerval often = {{0, interval_us}, {0, interval_us}};

    must(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    must(sigaction(SIGVTALRM, &action, NULL) == 0, "sigaction");
    must(setitimer(ITIMER_REAL, &often, NULL) == 0, "setitimer");
    must(setitimer(ITIMER_VIRTUAL, &often, NULL) == 0, "setitimer");
}

/* Calm at first, then disturbed; false at the end, when nothing disturbs any more. */
static bool goes_on(void (*handler)(int))
{
    static time_t begun;
    static bool disturbed;
    time_t now = time(NULL);

    begun = begun ? begun : now;
    if (now - begun >= SECONDS) {
        disturb(SIG_IGN, 0);
        return false;
    }
    if (now - begun >= CALM_SECONDS && !disturbed) {
        disturbed = true;
        disturb(handler, INTERVAL_US);
    }
    return true;
}

/* Pieces of all sizes, so that handlers come before, in and after their copying. */
static const unsigned char *pieces(void)
{
    static unsigned char bytes[PERIOD + (1u << 18)];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i % PERIOD);
    return bytes;
}

static void run_write(void)
{
    const unsigned char *bytes = pieces();
    uint64_t sent = 0;

    for (unsigned round = 0; goes_on(write_mark); round++) {
        ssize_t put = write(stream, bytes + sent % PERIOD, (size_t)1 << round % 19);

        must(put > 0 || errno == EINTR, "write");
        sent += put > 0 ? (uint64_t)put : 0;
    }
    printf("%llu %ld\n", (unsigned long long)sent, marks);
}

static void run_jump(void)
{
    const unsigned char *bytes = pieces();
    volatile unsigned round = 0;

    while (goes_on(jump)) {
        if (sigsetjmp(out, 1)) {
            may_jump = false;
            jumps++;
        }
        may_jump = true;
        must(write(stream, bytes, (size_t)1 << round++ % 19) > 0, "write");
        may_jump = false;
    }
    printf("%d\n", jumps > 100);
}

/* Whoever is at the other end sends back all it gets. */
static void run_wait(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(0);
    char bytes[4096];
    uint64_t got = 0;

    must(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, stream, &event) == 0, "epoll_ctl");
    while (goes_on(write_all_marks)) {
        ssize_t some = 0;

        if (epoll_wait(epoll, &event, 1, 1000) == 1)
            some = recv(stream, bytes, sizeof(bytes), MSG_DONTWAIT);
        got += some > 0 ? (uint64_t)some : 0;
    }
    while (got < (uint64_t)marks) {
        ssize_t some = recv(stream, bytes, sizeof(bytes), 0);

        must(some > 0, "recv");
        got += (uint64_t)some;
    }
    printf("%d\n", got == (uint64_t)marks && marks > 100);
}

/* ---- what is said and done of actions ---- */

static volatile int seen[8], seen_count;
static char *alternative;

static void say(const char *what, long value)
{
    printf("%s %ld\n", what, value);
}

static void note(int number)
{
    seen[seen_count++ % 8] = number;
}

static void note_value(int number, siginfo_t *info, void *context)
{
    (void)number;
    seen[seen_count++ % 8] = info->si_value.sival_int + (context != NULL);
}

static void nest(int number)
{
    if (++seen_count < 3)
        raise(number);
}

static void note_stack(int number)
{
    char here;

    (void)number;
    seen[0] = &here >= alternative && &here < alternative + 65536;
}

static void note_mask(int number)
{
    sigset_t blocked;

    sigprocmask(SIG_SETMASK, NULL, &blocked);
    seen[0] = sigismember(&blocked, number) + 2 * sigismember(&blocked, SIGUSR2);
}

static void set(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR2);
    must(sigaction(number, &action, NULL) == 0, "sigaction");
    memset((void *)seen, 0, sizeof(seen));
    seen_count = 0;
}

static void say_action(const char *what, int number)
{
    struct sigaction found;

    must(sigaction(number, NULL, &found) == 0, "sigaction");
    printf("%s %s flags=%x mask=%d%d\n", what,
           found.sa_handler == SIG_DFL   ? "default"
           : found.sa_handler == SIG_IGN ? "ignored"
           : found.sa_handler == note    ? "note"
                                         : "another",
           (unsigned)found.sa_flags & ~0x04000000u, sigismember(&found.sa_mask, number),
           sigismember(&found.sa_mask, SIGUSR2));
}

static void once_and_nested(void)
{
    set(SIGUSR1, note, (int)SA_RESETHAND);
    say_action("once", SIGUSR1);
    raise(SIGUSR1);
    say("came", seen_count);
    say_action("then", SIGUSR1);
    set(SIGUSR1, nest, SA_NODEFER);
    say_action("nested", SIGUSR1);
    raise(SIGUSR1);
    say("depth", seen_count);
    set(SIGUSR2, nest, SA_NODEFER); /* which its own mask blocks all the same */
    raise(SIGUSR2);
    say("depth", seen_count);
}

static void values_stacks_and_masks(void)
{
    stack_t stack = {.ss_sp = alternative = malloc(65536), .ss_size = 65536};

    set(SIGUSR1, (void (*)(int))(void *)note_value, SA_SIGINFO);
    sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 41});
    say("value", seen[0]);
    must(stack.ss_sp && sigaltstack(&stack, NULL) == 0, "sigaltstack");
    set(SIGUSR1, note_stack, SA_ONSTACK);
    raise(SIGUSR1);
    say("on its own stack", seen[0]);
    set(SIGUSR1, note_mask, 0);
    raise(SIGUSR1);
    say("blocked", seen[0]);
}

static void by_signal(void)
{
    say("first", signal(SIGUSR1, SIG_DFL) == note_mask);
    say("second", signal(SIGUSR1, note) == SIG_DFL);
    say_action("signal", SIGUSR1);
    must(siginterrupt(SIGUSR1, 1) == 0, "siginterrupt");
    say_action("interrupting", SIGUSR1);
    say("third", signal(SIGUSR1, note) == note);
    say_action("still", SIGUSR1);
    must(siginterrupt(SIGUSR1, 0) == 0, "siginterrupt");
    say_action("not any more", SIGUSR1);
    say("fourth", signal(SIGUSR1, SIG_IGN) == note);
    raise(SIGUSR1);
    say_action("ignored", SIGUSR1);
    say("of KILL", signal(SIGKILL, note) == SIG_ERR ? errno : 0);
    say("of 1000", signal(1000, note) == SIG_ERR ? errno : 0);
    say("of 0", sigaction(0, NULL, NULL) < 0 ? errno : 0);
}

static void run_actions(void)
{
    once_and_nested();
    values_stacks_and_masks();
    by_signal();
}

static void connect_to(const char *cid, const char *port)
{
    struct sockaddr_vm address = {.svm_family = AF_VSOCK,
                                  .svm_cid = (unsigned)strtoul(cid, NULL, 10),
                                  .svm_port = (unsigned)strtoul(port, NULL, 10)};

    stream = socket(AF_VSOCK, SOCK_STREAM, 0);
    must(stream >= 0 && connect(stream, (struct sockaddr *)&address, sizeof(address)) == 0,
         "connect");
}

int main(int argc, char **argv)
{
    if (argc == 4)
        connect_to(argv[2], argv[3]);
    else if (argc != 2 || strcmp(argv[1], "actions") != 0)
        return 2;
    if (strcmp(argv[1], "actions") == 0)
        run_actions();
    else if (strcmp(argv[1], "write") == 0)
        run_write();
    else if (strcmp(argv[1], "jump") == 0)
        run_jump();
    else
        run_wait();
    return 0;
}
