#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define RUN_DIR_VARIABLE "DOMSOCK_RUN_DIR"
#define FIRST_PORT 20000u

static uint32_t servers_cid;
static const char *run_dirs[2]; /* the clients', the servers'; NULL: the kernel's AF_VSOCK */
static uint32_t last_port = FIRST_PORT;

void stage_init(uint32_t cid, const char *server_run_dir)
{
    setvbuf(stdout, NULL, _IONBF, 0); /* children have nothing of ours to print */
    servers_cid = cid;
    run_dirs[0] = getenv(RUN_DIR_VARIABLE);
    run_dirs[1] = server_run_dir;
    if (run_dirs[0])
        run_dirs[0] = strdup(run_dirs[0]);
}

/* A case that hangs ends the program: whoever reads its lines sees which one it was. */
void stage_run_as(const char *word, const struct test_case *cases)
{
    for (; cases->name; cases++) {
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
}

void as_client(void)
{
    enter_domain(run_dirs[0]);
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

static const char *cid_word(uint32_t cid)
{
    if (cid == VMADDR_CID_ANY)
        return "any";
    return cid == servers_cid ? "servers" : "other";
}

void note_address(const char *what, int fd, bool peer)
{
    struct sockaddr_vm vm = {0};
    socklen_t length = sizeof(vm);
    int error = peer ? getpeername(fd, (struct sockaddr *)&vm, &length)
                     : getsockname(fd, (struct sockaddr *)&vm, &length);
    const char *port = vm.svm_port == VMADDR_PORT_ANY   ? "any"
                       : vm.svm_port == last_port       ? "case"
                       : vm.svm_port > FIRST_PORT + 999 ? "ephemeral"
                                                        : "other";

    if (error < 0)
        note(what, error);
    else
        printf(" %s=%s:%s/%u/%u", what, cid_word(vm.svm_cid), port, vm.svm_family, length);
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

struct sockaddr_vm address_of(uint32_t cid, uint32_t port)
{
    return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

uint32_t stage_cid(void)
{
    return servers_cid;
}

uint32_t fresh_port(void)
{
    return ++last_port;
}

static int must(int value, const char *what)
{
    if (value >= 0)
        return value;
    printf(" [%s: %s]\n", what, strerror(errno));
    exit(1);
}

int make_socket(int type)
{
    return must(socket(AF_VSOCK, type, 0), "socket");
}

int bind_to(int fd, uint32_t cid, uint32_t port)
{
    struct sockaddr_vm vm = address_of(cid, port);

    return bind(fd, (struct sockaddr *)&vm, sizeof(vm));
}

int connect_to(int fd, uint32_t port)
{
    struct sockaddr_vm vm = address_of(servers_cid, port);

    return connect(fd, (struct sockaddr *)&vm, sizeof(vm));
}

int make_listener(int type, uint32_t port, int backlog)
{
    int fd;

    as_server();
    fd = make_socket(type);
    must(bind_to(fd, VMADDR_CID_ANY, port), "bind");
    must(listen(fd, backlog), "listen");
    as_client();
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
