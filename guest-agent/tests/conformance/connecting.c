/* Listening, connecting and accepting. */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int pending_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -1;
    errno = error;
    return error ? -1 : 0;
}

static void listen_unbound(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("listen", listen(fd, 1));
    note("accept", accept(fd, NULL, NULL));
    close(fd);
}

static void listen_twice(void)
{
    int fd = make_listener(SOCK_STREAM, fresh_port(), 1);

    note("again", listen(fd, 5));
    note("connect", connect_to(fd, fresh_port()));
    close(fd);
}

static void accept_nobody(void)
{
    int fd = make_listener(SOCK_STREAM, fresh_port(), 1);

    set_nonblocking(fd);
    note("accept", accept(fd, NULL, NULL));
    close(fd);
}

static void accept_in_time(void)
{
    int fd = make_listener(SOCK_STREAM, fresh_port(), 1);

    set_timeout(fd, SO_RCVTIMEO, 60);
    note("accept", accept(fd, NULL, NULL));
    close(fd);
}

static void accept_in_time_set_before_listening(void)
{
    int fd = make_socket(SOCK_STREAM);

    set_timeout(fd, SO_RCVTIMEO, 60);
    note("bind", bind_to(fd, VMADDR_CID_ANY, fresh_port()));
    note("listen", listen(fd, 1));
    note("accept", accept(fd, NULL, NULL));
    close(fd);
}

static void accept_on_a_stream(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("accept", accept(ends[0], NULL, NULL));
    note("listen", listen(ends[0], 1));
    close_pair(ends);
}

static void accept_with_flags(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM), accepted;

    note("connect", connect_to(fd, port));
    accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    note("nonblocking", (fcntl(accepted, F_GETFL) & O_NONBLOCK) != 0);
    note("cloexec", fcntl(accepted, F_GETFD));
    close(fd);
    close(accepted);
    close(listener);
}

static void connect_nobody(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("connect", connect_to(fd, fresh_port()));
    note("error", pending_error(fd));
    close(fd);
}

static void connect_bound_only(void)
{
    uint32_t port = fresh_port();
    int bound, fd = make_socket(SOCK_STREAM);

    as_server();
    bound = make_socket(SOCK_STREAM);
    note("bind", bind_to(bound, VMADDR_CID_ANY, port));
    as_client();
    await_name(port);
    note("connect", connect_to(fd, port));
    close(fd);
    close(bound);
}

static void connect_again_after_failure(void)
{
    uint32_t port = fresh_port();
    int fd = make_socket(SOCK_STREAM), listener;

    note("first", connect_to(fd, port));
    listener = make_listener(SOCK_STREAM, port, 1);
    note("second", connect_to(fd, port));
    note("third", connect_to(fd, port));
    close(fd);
    close(listener);
}

static void connect_accepted(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note("connect", connect_to(ends[1], fresh_port()));
    close_pair(ends);
}

static void connect_without_blocking(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM), accepted;

    set_nonblocking(fd);
    note("connect", connect_to(fd, port));
    note_events("then", fd, POLLOUT, PATIENCE_MS);
    note("error", pending_error(fd));
    note("again", connect_to(fd, port));
    note_address("peer", fd, true);
    accepted = accept(listener, NULL, NULL);
    note("send", send(fd, "hello", 5, 0));
    await_input(accepted);
    note("available", recv(accepted, (char[16]){0}, 16, 0));
    close(fd);
    close(accepted);
    close(listener);
}

static void connect_without_blocking_to_nobody(void)
{
    int fd = make_socket(SOCK_STREAM);

    set_nonblocking(fd);
    note("connect", connect_to(fd, fresh_port()));
    await_events(fd, POLLOUT);
    note("failed", pending_error(fd) < 0);
    note("once", pending_error(fd));
    note_address("peer", fd, true);
    note("send", send(fd, "x", 1, 0));
    close(fd);
}

static void connect_without_blocking_twice(void)
{
    uint32_t port = fresh_port();
    int fd = make_socket(SOCK_STREAM), listener;

    set_nonblocking(fd);
    note("connect", connect_to(fd, port));
    await_events(fd, POLLOUT);
    note("failed", pending_error(fd) < 0);
    listener = make_listener(SOCK_STREAM, port, 1);
    note("second", connect_to(fd, port));
    note_events("then", fd, POLLOUT, PATIENCE_MS);
    note("error", pending_error(fd));
    close(fd);
    close(listener);
}

/* As many callers as have room, and the first who has none. */
static void fill_backlog(int backlog)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, backlog), fds[8], count = 0;

    while (count < 8) {
        fds[count] = make_socket(SOCK_STREAM);
        if (connect_to(fds[count++], port) < 0)
            break;
    }
    note("callers", count - 1);
    note("then", -1);
    while (count)
        close(fds[--count]);
    close(listener);
}

static void backlog_of_0(void)
{
    fill_backlog(0);
}

static void backlog_of_2(void)
{
    fill_backlog(2);
}

static void a_caller_that_has_gone(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM), accepted;
    char bytes[16];

    note("connect", connect_to(fd, port));
    note("send", send(fd, "bye", 3, 0));
    close(fd);
    accepted = accept(listener, NULL, NULL);
    note("accept", accepted < 0 ? accepted : 0);
    await_input(accepted);
    note_bytes("got", bytes, recv(accepted, bytes, sizeof(bytes), 0));
    await_events(accepted, POLLRDHUP);
    note("end", recv(accepted, bytes, sizeof(bytes), 0));
    close(accepted);
    close(listener);
}

static void a_listener_that_has_gone(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM);
    char byte;

    note("connect", connect_to(fd, port));
    close(listener);
    await_events(fd, POLLRDHUP);
    note("recv", recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

const struct test_case connect_cases[] = {PORT_CASE(listen_unbound),
                                          PORT_CASE(listen_twice),
                                          PORT_CASE(accept_nobody),
                                          PORT_CASE(accept_in_time),
                                          PORT_CASE(accept_in_time_set_before_listening),
                                          PORT_CASE(accept_on_a_stream),
                                          CASE(accept_with_flags),
                                          CASE(connect_nobody),
                                          CASE(connect_bound_only),
                                          CASE(connect_again_after_failure),
                                          PORT_CASE(connect_accepted),
                                          CASE(connect_without_blocking),
                                          CASE(connect_without_blocking_to_nobody),
                                          CASE(connect_without_blocking_twice),
                                          PORT_CASE(backlog_of_0),
                                          PORT_CASE(backlog_of_2),
                                          CASE(a_caller_that_has_gone),
                                          CASE(a_listener_that_has_gone),
                                          CASES_END};
