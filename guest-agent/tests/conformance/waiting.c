/* poll, select, and time-outs. */
#include "stage.h"

#include <errno.h>
#include <string.h>
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
    int one[2], two[2];

    make_pair(SOCK_STREAM, one);
    make_pair(SOCK_STREAM, two);
    send(one[1], "x", 1, 0);
    await_input(one[0]);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(one[0], &in);
    FD_SET(two[0], &in);
    FD_SET(two[0], &out);
    note("ready", select(FD_SETSIZE, &in, &out, NULL, &limit));
    note("reader", FD_ISSET(one[0], &in) && !FD_ISSET(two[0], &in));
    close_pair(one);
    close_pair(two);
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

const struct test_case wait_cases[] = {PORT_CASE(poll_fresh), CASE(poll_listener),
                                       CASE(poll_stream),     CASE(poll_half_closed),
                                       CASE(poll_closed),     CASE(select_stream),
                                       CASE(receive_in_time), CASE(send_in_time),
                                       CASE(send_when_full),  CASES_END};
