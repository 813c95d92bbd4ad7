/* epoll: by level, by edge, once, and ends. */
#include <errno.h>
#include <unistd.h>

#include "epoll.h"

/* ---- by level ---- */

static void input_by_level(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN);
    now("idle", epoll);
    send(ends[0], "xy", 2, 0);
    soon("input", epoll);
    take(ends[1], 1);
    now("rest", epoll);
    take(ends[1], 1);
    now("taken", epoll);
    end(ends, epoll);
}

static void room(uint32_t events)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[0], events);
    now("room", epoll);
    now("still", epoll);
    fill(ends[0]);
    now("full", epoll);
    take_all(ends[1]);
    soon("again", epoll);
    end(ends, epoll);
}

static void room_by_level(void)
{
    room(EPOLLOUT);
}

static void both_by_level(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN | EPOLLOUT | EPOLLRDHUP);
    now("idle", epoll);
    send(ends[0], "x", 1, 0);
    await_input(ends[1]);
    now("both", epoll);
    take(ends[1], 1);
    now("taken", epoll);
    end(ends, epoll);
}

/* ---- by edge ---- */

static void input_by_edge(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN | EPOLLET);
    send(ends[0], "xy", 2, 0);
    soon("edge", epoll);
    now("level", epoll);
    send(ends[0], "z", 1, 0);
    soon("next", epoll);
    take(ends[1], 3);
    now("taken", epoll);
    send(ends[0], "x", 1, 0);
    soon("anew", epoll);
    end(ends, epoll);
}

static void room_by_edge(void)
{
    room(EPOLLOUT | EPOLLET);
}

static void both_by_edge(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN | EPOLLOUT | EPOLLET);
    now("room", epoll);
    send(ends[0], "x", 1, 0);
    await_input(ends[1]);
    soon("input", epoll);
    now("level", epoll);
    end(ends, epoll);
}

/* Input that was there before it was watched; and asking anew tells of it anew. */
static void an_edge_before(void)
{
    int ends[2], epoll;

    make_ends(ends);
    send(ends[0], "x", 1, 0);
    await_input(ends[1]);
    epoll = watch(ends[1], EPOLLIN | EPOLLET);
    now("before", epoll);
    now("level", epoll);
    control("modify", epoll, EPOLL_CTL_MOD, ends[1], EPOLLIN | EPOLLET);
    now("anew", epoll);
    end(ends, epoll);
}

/* ---- once ---- */

static void input_once(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN | EPOLLONESHOT);
    send(ends[0], "x", 1, 0);
    soon("first", epoll);
    now("level", epoll);
    send(ends[0], "y", 1, 0);
    await_input(ends[1]);
    wait_for("second", epoll, 50);
    control("modify", epoll, EPOLL_CTL_MOD, ends[1], EPOLLIN | EPOLLONESHOT);
    now("armed", epoll);
    take(ends[1], 2);
    control("modify", epoll, EPOLL_CTL_MOD, ends[1], EPOLLIN | EPOLLONESHOT);
    now("empty", epoll);
    send(ends[0], "z", 1, 0);
    soon("third", epoll);
    end(ends, epoll);
}

static void room_once(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[0], EPOLLOUT | EPOLLONESHOT);
    now("room", epoll);
    now("still", epoll);
    fill(ends[0]);
    control("modify", epoll, EPOLL_CTL_MOD, ends[0], EPOLLOUT | EPOLLONESHOT);
    now("full", epoll);
    take_all(ends[1]);
    soon("again", epoll);
    now("still", epoll);
    end(ends, epoll);
}

/* ---- ends ---- */

static void a_half_closed_stream(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN | EPOLLRDHUP);
    send(ends[0], "x", 1, 0);
    shutdown(ends[0], SHUT_WR);
    await_events(ends[1], POLLRDHUP);
    soon("half", epoll);
    take(ends[1], 1);
    now("taken", epoll);
    send(ends[1], "y", 1, 0);
    await_input(ends[0]);
    note("back", recv(ends[0], (char[1]){0}, 1, 0));
    end(ends, epoll);
}

static void a_half_closed_stream_by_edge(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLRDHUP | EPOLLET);
    now("idle", epoll);
    shutdown(ends[0], SHUT_WR);
    soon("half", epoll);
    now("level", epoll);
    end(ends, epoll);
}

static void a_closed_stream(void)
{
    int ends[2], epoll;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN | EPOLLRDHUP);
    close(ends[0]);
    await_events(ends[1], POLLRDHUP);
    soon("closed", epoll);
    close(ends[1]);
    now("gone", epoll);
    close(epoll);
}

const struct test_case epoll_cases[] = {CASE(input_by_level),
                                        CASE(room_by_level),
                                        CASE(both_by_level),
                                        CASE(input_by_edge),
                                        CASE(room_by_edge),
                                        CASE(both_by_edge),
                                        CASE(an_edge_before),
                                        CASE(input_once),
                                        CASE(room_once),
                                        CASE(a_half_closed_stream),
                                        CASE(a_half_closed_stream_by_edge),
                                        CASE(a_closed_stream),
                                        CASES_END};
