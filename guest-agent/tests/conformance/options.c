/* Options, and what can be asked of a socket. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

static void note_option(const char *what, int fd, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);

    if (getsockopt(fd, SOL_SOCKET, name, &value, &length) < 0)
        note(what, -1);
    else
        note(what, value);
}

static void what_a_socket_is(void)
{
    int fd = make_socket(SOCK_STREAM), listener = make_listener(SOCK_STREAM, fresh_port(), 1);

    note_option("type", fd, SO_TYPE);
    note_option("domain", fd, SO_DOMAIN);
    note_option("protocol", fd, SO_PROTOCOL);
    note_option("error", fd, SO_ERROR);
    note_option("listens", fd, SO_ACCEPTCONN);
    note_option("listener-listens", listener, SO_ACCEPTCONN);
    note_option("listener-type", listener, SO_TYPE);
    note_option("listener-domain", listener, SO_DOMAIN);
    close(fd);
    close(listener);
}

static void note_size(const char *what, int fd, int name)
{
    uint64_t value = 0;
    socklen_t length = sizeof(value);

    if (getsockopt(fd, AF_VSOCK, name, &value, &length) < 0)
        note(what, -1);
    else
        note(what, (long)value);
}

static void set_size(const char *what, int fd, int name, uint64_t value)
{
    note(what, setsockopt(fd, AF_VSOCK, name, &value, sizeof(value)));
}

static void buffer_sizes(void)
{
    int fd = make_socket(SOCK_STREAM);

    note_size("size", fd, SO_VM_SOCKETS_BUFFER_SIZE);
    note_size("min", fd, SO_VM_SOCKETS_BUFFER_MIN_SIZE);
    note_size("max", fd, SO_VM_SOCKETS_BUFFER_MAX_SIZE);
    set_size("set", fd, SO_VM_SOCKETS_BUFFER_SIZE, 65536);
    note_size("now", fd, SO_VM_SOCKETS_BUFFER_SIZE);
    close(fd);
}

static void buffer_sizes_have_limits(void)
{
    int fd = make_socket(SOCK_STREAM);

    set_size("large", fd, SO_VM_SOCKETS_BUFFER_SIZE, 1 << 20);
    note_size("size", fd, SO_VM_SOCKETS_BUFFER_SIZE);
    set_size("small", fd, SO_VM_SOCKETS_BUFFER_SIZE, 1);
    note_size("size", fd, SO_VM_SOCKETS_BUFFER_SIZE);
    set_size("min", fd, SO_VM_SOCKETS_BUFFER_MIN_SIZE, 4096);
    note_size("size", fd, SO_VM_SOCKETS_BUFFER_SIZE);
    set_size("max", fd, SO_VM_SOCKETS_BUFFER_MAX_SIZE, 2048);
    note_size("size", fd, SO_VM_SOCKETS_BUFFER_SIZE);
    close(fd);
}

static void set_connect_timeout(const char *what, int fd, long s, long us)
{
    struct timeval timeout = {.tv_sec = s, .tv_usec = us};

    note(what, setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)));
}

static void note_connect_timeout(const char *what, int fd)
{
    struct timeval timeout = {0};
    socklen_t length = sizeof(timeout);

    if (getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, &length) < 0)
        note(what, -1);
    else
        note(what, timeout.tv_sec * 1000 + timeout.tv_usec / 1000);
}

static void connect_timeout(void)
{
    int fd = make_socket(SOCK_STREAM);

    note_connect_timeout("default", fd);
    set_connect_timeout("set", fd, 3, 500000);
    note_connect_timeout("now", fd);
    set_connect_timeout("zero", fd, 0, 0);
    note_connect_timeout("then", fd);
    set_connect_timeout("much", fd, 0, 1000000);
    set_connect_timeout("negative", fd, -1, 0);
    close(fd);
}

static void options_too_short(void)
{
    int fd = make_socket(SOCK_STREAM), small = 0;
    socklen_t length = sizeof(small);

    note("set", setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &small, sizeof(small)));
    note("get", getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &small, &length));
    close(fd);
}

static void options_unknown(void)
{
    int fd = make_socket(SOCK_STREAM), value = 0;
    socklen_t length = sizeof(value);

    note("vm", getsockopt(fd, AF_VSOCK, 99, &value, &length));
    note("tcp", setsockopt(fd, 6, 1, &value, sizeof(value)));
    note("trusted", getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_TRUSTED, &value, &length));
    close(fd);
}

static void timeouts_are_kept(void)
{
    struct timeval timeout = {0};
    socklen_t length = sizeof(timeout);
    int fd = make_socket(SOCK_STREAM);

    set_timeout(fd, SO_RCVTIMEO, 2000);
    note("get", getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &length));
    note("s", timeout.tv_sec);
    close(fd);
}

static void nobody_is_at_the_other_end(void)
{
    struct ucred who = {0};
    socklen_t length = sizeof(who);
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("get", getsockopt(ends[1], SOL_SOCKET, SO_PEERCRED, &who, &length));
    note("pid", who.pid);
    note("user", (long)who.uid);
    close_pair(ends);
}

static void the_device(void)
{
    int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
    uint32_t cid = 0;

    note("ioctl", ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid));
    note("cid", cid != 0);
    close(fd);
}

static void non_blocking_by_ioctl(void)
{
    int ends[2], on = 1;

    make_pair(SOCK_STREAM, ends);
    note("ioctl", ioctl(ends[0], FIONBIO, &on));
    note("flag", (fcntl(ends[0], F_GETFL) & O_NONBLOCK) != 0);
    note("recv", recv(ends[0], (char[1]){0}, 1, 0));
    close_pair(ends);
}

static void bytes_available(void)
{
    int ends[2], count = -1;

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "hello", 5, 0);
    await_input(ends[1]);
    note("ioctl", ioctl(ends[1], FIONREAD, &count));
    note("count", count < 0 ? 0 : count);
    close_pair(ends);
}

const struct test_case option_cases[] = {CASE(what_a_socket_is),
                                         PORT_CASE(buffer_sizes),
                                         PORT_CASE(buffer_sizes_have_limits),
                                         PORT_CASE(connect_timeout),
                                         PORT_CASE(options_too_short),
                                         PORT_CASE(options_unknown),
                                         CASE(timeouts_are_kept),
                                         PORT_CASE(nobody_is_at_the_other_end),
                                         PORT_CASE(the_device),
                                         CASE(non_blocking_by_ioctl),
                                         CASE(bytes_available),
                                         CASES_END};
