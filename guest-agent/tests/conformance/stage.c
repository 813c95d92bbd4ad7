#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "apart.h"

#define RUN_DIR_VARIABLE "DOMSOCK_RUN_DIR"

static const char *run_dirs[2]; /* the clients', the servers'; NULL: the kernel's AF_VSOCK */

void stage_init(uint32_t cid, const char *server_run_dir)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* children have nothing of ours to print */
    use_ports(cid);
    run_dirs[0] = getenv(RUN_DIR_VARIABLE);
    run_dirs[1] = server_run_dir;
    if (run_dirs[0])
        run_dirs[0] = strdup(run_dirs[0]);
}

/* A case that hangs ends the program: whoever reads its lines sees which one it was. */
void stage_run_as(const char *word, const struct test_case *cases)
{
    for (; cases->name; cases++) {
        if (cases->of_ports && by_path())
            continue;
        alarm(4 * PATIENCE_MS / 1000);
        as_client();
        printf("%s%s:", word, cases->name);
        cases->run();
        putchar('\n');
    }
}

void stage_run(const struct test_case *cases)
{
    stage_run_as("", cases);
}

static void enter_domain(const char *run_dir)
{
    if (run_dirs[1])
        setenv(RUN_DIR_VARIABLE, run_dir ? run_dir : "", 1);
}

void as_server(void)
{
    enter_domain(run_dirs[1]);
    apart_enter(true);
}

void as_client(void)
{
    enter_domain(run_dirs[0]);
    apart_enter(false);
}

long as_servers_say(long value)
{
    static const struct output nothing;

    if (!apart())
        return value;
    return apart_owner(true) == OURS ? tell(__func__, value, &nothing) : hear(__func__, &nothing);
}

void begin_unheard(void)
{
    apart_keep_silent(true);
}

void end_unheard(void)
{
    apart_keep_silent(false);
}

/* ---- outcomes ---- */

long note(const char *what, long value)
{
    if (value < 0)
        printf(" %s=%s", what, strerrorname_np(errno));
    else
        printf(" %s=%ld", what, value);
    return value;
}

void note_word(const char *what, const char *word)
{
    printf(" %s=%s", what, word);
}

void note_bytes(const char *what, const void *bytes, long length)
{
    if (length < 0)
        note(what, length);
    else
        printf(" %s=\"%.*s\"", what, (int)length, (const char *)bytes);
}

void note_event_set(const char *what, uint32_t events)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {{POLLIN, "IN"},   {POLLOUT, "OUT"},     {POLLERR, "ERR"},
                 {POLLHUP, "HUP"}, {POLLRDHUP, "RDHUP"}, {POLLNVAL, "NVAL"}};

    printf(" %s=", what);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (events & names[i].bit)
            printf("+%s", names[i].name);
    if (!events)
        printf("none");
}

void note_events(const char *what, int fd, short events, int timeout_ms)
{
    struct pollfd asked = {.fd = fd, .events = events};
    int ready = poll(&asked, 1, timeout_ms);

    if (ready < 0)
        note(what, ready);
    else
        note_event_set(what, (uint32_t)asked.revents);
}

/* ---- sockets ---- */

int must(int value, const char *what)
{
    if (value >= 0)
        return value;
    printf(" [%s: %s]\n", what, strerror(errno));
    exit(1);
}

int make_listener(int type, uint32_t port, int backlog)
{
    int fd;

    as_server();
    fd = make_socket(type);
    must(bind_to(fd, VMADDR_CID_ANY, port), "bind");
    must(listen(fd, backlog), "listen");
    as_client();
    await_name(port);
    return fd;
}

void make_pair(int type, int ends[2])
{
    uint32_t port = fresh_port();
    int listener = make_listener(type, port, 1);

    ends[0] = make_socket(type);
    must(connect_to(ends[0], port), "connect");
    ends[1] = must(accept(listener, NULL, NULL), "accept");
    close(listener);
}

void close_pair(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

void await_input(int fd)
{
    await_events(fd, POLLIN | POLLRDHUP);
}

void await_events(int fd, short events)
{
    struct pollfd asked = {.fd = fd, .events = events};

    if (must(poll(&asked, 1, PATIENCE_MS), "poll") == 0)
        note_word("waited", "in-vain");
}

void set_nonblocking(int fd)
{
    must(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), "F_SETFL");
}

void set_timeout(int fd, int option, int ms)
{
    struct timeval timeout = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    must(setsockopt(fd, SOL_SOCKET, option, &timeout, sizeof(timeout)), "timeout");
}
