/* poll, select, epoll, and time-outs. */
#include "stage.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#define ALL_EVENTS (POLLIN | POLLOUT | POLLRDHUP)

static void poll_fresh(void)
{
    int fd = make_socket(SOCK_STREAM);

    note_events("fresh", fd, POLLIN | POLLOUT, 0);
    note("bind", bind_to(fd, VMADDR_CID_ANY, fresh_port()));
    note_events("bound", fd, POLLIN | POLLOUT, 0);
    close(fd);
}

static void poll_listener(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM), accepted;

    note_events("nobody", listener, POLLIN, 0);
    note("connect", connect_to(fd, port));
    note_events("somebody", listener, POLLIN, PATIENCE_MS);
    accepted = accept(listener, NULL, NULL);
    note_events("taken", listener, POLLIN, 0);
    close(accepted);
    close(fd);
    close(listener);
}

static void poll_stream(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note_events("idle", ends[1], ALL_EVENTS, 0);
    send(ends[0], "x", 1, 0);
    note_events("input", ends[1], POLLIN, PATIENCE_MS);
    note_events("both", ends[1], ALL_EVENTS, 0);
    recv(ends[1], (char[1]){0}, 1, 0);
    note_events("taken", ends[1], ALL_EVENTS, 0);
    close_pair(ends);
}

static void poll_half_closed(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    shutdown(ends[0], SHUT_WR);
    await_events(ends[1], POLLRDHUP);
    note_events("theirs", ends[1], ALL_EVENTS, 0);
    note_events("ours", ends[0], ALL_EVENTS, 0);
    close_pair(ends);
}

static void poll_closed(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    close(ends[0]);
    await_events(ends[1], POLLRDHUP);
    note_events("closed", ends[1], POLLIN | POLLRDHUP, 0);
    close(ends[1]);
}

static void select_stream(void)
{
    struct timeval limit = {.tv_sec = PATIENCE_MS / 1000};
    fd_set in, out;
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    send(ends[0], "x", 1, 0);
    await_input(ends[1]);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(ends[0], &in);
    FD_SET(ends[1], &in);
    FD_SET(ends[0], &out);
    note("ready", select(FD_SETSIZE, &in, &out, NULL, &limit));
    note("reader", FD_ISSET(ends[1], &in) && !FD_ISSET(ends[0], &in));
    close_pair(ends);
}

static long wait_epoll(int epoll, int timeout_ms)
{
    struct epoll_event event;

    return epoll_wait(epoll, &event, 1, timeout_ms);
}

static void watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    note("watch", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

static void epoll_by_level(void)
{
    int ends[2], epoll = epoll_create1(0);

    make_pair(SOCK_STREAM, ends);
    watch(epoll, ends[1], EPOLLIN);
    note("idle", wait_epoll(epoll, 0));
    send(ends[0], "xy", 2, 0);
    note("input", wait_epoll(epoll, PATIENCE_MS));
    recv(ends[1], (char[1]){0}, 1, 0);
    note("rest", wait_epoll(epoll, 0));
    recv(ends[1], (char[1]){0}, 1, 0);
    note("taken", wait_epoll(epoll, 0));
    close_pair(ends);
    close(epoll);
}

static void epoll_by_edge(void)
{
    int ends[2], epoll = epoll_create1(0);

    make_pair(SOCK_STREAM, ends);
    watch(epoll, ends[1], EPOLLIN | EPOLLET);
    send(ends[0], "xy", 2, 0);
    note("edge", wait_epoll(epoll, PATIENCE_MS));
    note("level", wait_epoll(epoll, 0));
    send(ends[0], "z", 1, 0);
    note("next", wait_epoll(epoll, PATIENCE_MS));
    close_pair(ends);
    close(epoll);
}

/* A program may watch a socket before it is connected, or even is what it will be. */
static void epoll_on_a_connect(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM);
    int epoll = epoll_create1(0), accepted;

    set_nonblocking(fd);
    note("connect", connect_to(fd, port));
    watch(epoll, fd, EPOLLOUT | EPOLLET);
    note("ready", wait_epoll(epoll, PATIENCE_MS));
    note_address("peer", fd, true);
    accepted = accept(listener, NULL, NULL);
    send(accepted, "x", 1, 0);
    await_input(fd);
    note("received", recv(fd, (char[1]){0}, 1, 0));
    close(fd);
    close(accepted);
    close(listener);
    close(epoll);
}

static void epoll_before_listening(void)
{
    uint32_t port = fresh_port();
    int listener, fd = make_socket(SOCK_STREAM), epoll = epoll_create1(0);

    as_server();
    listener = make_socket(SOCK_STREAM);
    note("bind", bind_to(listener, VMADDR_CID_ANY, port));
    watch(epoll, listener, EPOLLIN);
    note("listen", listen(listener, 1));
    as_client();
    note("connect", connect_to(fd, port));
    note("ready", wait_epoll(epoll, PATIENCE_MS));
    close(fd);
    close(listener);
    close(epoll);
}

static void receive_in_time(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    set_timeout(ends[0], SO_RCVTIMEO, 60);
    note("recv", recv(ends[0], (char[1]){0}, 1, 0));
    close_pair(ends);
}

static void send_in_time(void)
{
    static char block[65536];
    int ends[2];
    long sent;

    make_pair(SOCK_STREAM, ends);
    set_timeout(ends[0], SO_SNDTIMEO, 100);
    while ((sent = send(ends[0], block, sizeof(block), 0)) > 0)
        continue;
    note("full", sent);
    close_pair(ends);
}

static void send_when_full(void)
{
    static char block[65536];
    int ends[2], error = 0;

    make_pair(SOCK_STREAM, ends);
    while (poll(&(struct pollfd){.fd = ends[0], .events = POLLOUT}, 1, 200) > 0) {
        while (send(ends[0], block, sizeof(block), MSG_DONTWAIT) > 0)
            continue;
        error = errno;
    }
    errno = error;
    note("full", -1);
    note_events("events", ends[0], POLLOUT, 0);
    while (recv(ends[1], block, sizeof(block), MSG_DONTWAIT) > 0)
        continue;
    note_events("room", ends[0], POLLOUT, PATIENCE_MS);
    close_pair(ends);
}

const struct test_case wait_cases[] = {CASE(poll_fresh),         CASE(poll_listener),
                                       CASE(poll_stream),        CASE(poll_half_closed),
                                       CASE(poll_closed),        CASE(select_stream),
                                       CASE(epoll_by_level),     CASE(epoll_by_edge),
                                       CASE(epoll_on_a_connect), CASE(epoll_before_listening),
                                       CASE(receive_in_time),    CASE(send_in_time),
                                       CASE(send_when_full),     CASES_END};
