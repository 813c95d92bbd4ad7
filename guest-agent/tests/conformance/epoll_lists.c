/* epoll: what is in its list, several lists, threads, sockets that are no streams yet. */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "epoll.h"

#define SECOND UINT32_MAX /* no descriptor */

static void what_is_watched(void)
{
    int ends[2], epoll = epoll_create1(0);

    make_ends(ends);
    control("modify", epoll, EPOLL_CTL_MOD, ends[1], EPOLLIN);
    control("remove", epoll, EPOLL_CTL_DEL, ends[1], 0);
    control("add", epoll, EPOLL_CTL_ADD, ends[1], EPOLLIN);
    control("again", epoll, EPOLL_CTL_ADD, ends[1], EPOLLIN);
    control("itself", epoll, EPOLL_CTL_ADD, epoll, EPOLLIN);
    send(ends[0], "x", 1, 0);
    soon("input", epoll);
    control("nothing", epoll, EPOLL_CTL_MOD, ends[1], 0);
    now("quiet", epoll);
    control("output", epoll, EPOLL_CTL_MOD, ends[1], EPOLLOUT);
    now("room", epoll);
    control("remove", epoll, EPOLL_CTL_DEL, ends[1], 0);
    now("removed", epoll);
    control("exclusive", epoll, EPOLL_CTL_ADD, ends[1], EPOLLIN | EPOLLEXCLUSIVE);
    now("input", epoll);
    control("modify", epoll, EPOLL_CTL_MOD, ends[1], EPOLLIN);
    end(ends, epoll);
}

/* Where there is room for one event only, each has its turn. */
static void two_streams_in_turn(void)
{
    struct epoll_event event, second = {.events = EPOLLIN, .data.u32 = SECOND};
    int one[2], two[2], epoll, seen[2] = {0};

    make_ends(one);
    make_ends(two);
    epoll = watch(one[1], EPOLLIN);
    epoll_ctl(epoll, EPOLL_CTL_ADD, two[1], &second);
    send(one[0], "x", 1, 0);
    send(two[0], "x", 1, 0);
    await_input(one[1]);
    await_input(two[1]);
    for (int i = 0; i < 8; i++)
        if (epoll_wait(epoll, &event, 1, PATIENCE_MS) == 1)
            seen[event.data.u32 == SECOND]++;
    note("one", seen[0]);
    note("two", seen[1]);
    note("both", epoll_wait(epoll, (struct epoll_event[4]){0}, 4, 0));
    close_pair(one);
    end(two, epoll);
}

static void a_stream_beside_a_pipe(void)
{
    struct epoll_event pipe_event = {.events = EPOLLIN, .data.fd = -1};
    int ends[2], ways[2], epoll;

    make_ends(ends);
    note("pipe", pipe(ways));
    epoll = watch(ends[1], EPOLLIN);
    epoll_ctl(epoll, EPOLL_CTL_ADD, ways[0], &pipe_event);
    note("written", write(ways[1], "x", 1));
    soon("pipe", epoll);
    send(ends[0], "x", 1, 0);
    await_input(ends[1]);
    note("both", epoll_wait(epoll, (struct epoll_event[4]){0}, 4, 0));
    close(ways[0]);
    close(ways[1]);
    soon("stream", epoll);
    end(ends, epoll);
}

static void two_lists(void)
{
    int ends[2], one, two;

    make_ends(ends);
    one = watch(ends[1], EPOLLIN);
    two = watch(ends[1], EPOLLIN | EPOLLET);
    send(ends[0], "x", 1, 0);
    soon("one", one);
    soon("two", two);
    now("one", one);
    now("two", two);
    close(one);
    end(ends, two);
}

static void one_list_in_another(void)
{
    int ends[2], inner, outer;

    make_ends(ends);
    inner = watch(ends[1], EPOLLIN);
    outer = watch(inner, EPOLLIN);
    now("idle", outer);
    send(ends[0], "x", 1, 0);
    soon("outer", outer);
    now("inner", inner);
    note_events("polled", inner, POLLIN, 0);
    close(inner);
    end(ends, outer);
}

/* What is watched is the description, not the descriptor. */
static void a_copy_of_a_watched_one(void)
{
    int ends[2], epoll, copy;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN);
    copy = dup(ends[1]);
    close(ends[1]);
    send(ends[0], "x", 1, 0);
    soon("input", epoll);
    take(copy, 1);
    now("taken", epoll);
    ends[1] = copy;
    end(ends, epoll);
}

static void a_copy_of_the_list(void)
{
    int ends[2], epoll, copy;

    make_ends(ends);
    epoll = watch(ends[1], EPOLLIN);
    copy = dup(epoll);
    close(epoll);
    send(ends[0], "x", 1, 0);
    soon("input", copy);
    take(ends[1], 1);
    now("taken", copy);
    end(ends, copy);
}

/* ---- threads ---- */

#define SLEEP_MS (3 * PATIENCE_MS) /* emulated guests may chat for longer than PATIENCE_MS */

struct sleeper {
    int epoll;
    long ready;
    uint32_t events;
};

static void *sleep_in(void *of)
{
    struct sleeper *sleeper = of;
    struct epoll_event event = {0};

    sleeper->ready = epoll_wait(sleeper->epoll, &event, 1, SLEEP_MS);
    sleeper->events = event.events;
    return NULL;
}

static pthread_t begin_to_sleep(struct sleeper *sleeper)
{
    pthread_t thread;

    pthread_create(&thread, NULL, sleep_in, sleeper);
    usleep(20000); /* most likely it sleeps by then; the outcome is the same if not */
    return thread;
}

static void woken(const char *what, struct sleeper *sleeper, pthread_t thread)
{
    pthread_join(thread, NULL);
    if (sleeper->ready != 1)
        note(what, sleeper->ready);
    else
        note_event_set(what, sleeper->events);
}

static void added_while_one_sleeps(void)
{
    struct sleeper sleeper;
    pthread_t thread;
    int ends[2];

    as_server();
    sleeper.epoll = epoll_create1(0);
    as_client();
    make_ends(ends);
    send(ends[0], "x", 1, 0);
    await_input(ends[1]);
    thread = begin_to_sleep(&sleeper);
    control("add", sleeper.epoll, EPOLL_CTL_ADD, ends[1], EPOLLIN);
    woken("input", &sleeper, thread);
    end(ends, sleeper.epoll);
}

/* The stream becomes a busy one while a thread sleeps. */
static void becomes_busy_while_one_sleeps(void)
{
    struct sleeper sleeper;
    pthread_t thread;
    int ends[2];
    char byte = 'x';

    make_quiet(ends);
    sleeper.epoll = watch(ends[1], EPOLLIN | EPOLLET | EPOLLONESHOT);
    send(ends[0], &byte, 1, 0);
    soon("once", sleeper.epoll);
    recv(ends[1], &byte, 1, 0);
    thread = begin_to_sleep(&sleeper);
    chat(ends);
    control("armed", sleeper.epoll, EPOLL_CTL_MOD, ends[1], EPOLLIN | EPOLLET | EPOLLONESHOT);
    send(ends[0], &byte, 1, 0);
    woken("input", &sleeper, thread);
    end(ends, sleeper.epoll);
}

static void full_while_one_sleeps(void)
{
    struct sleeper sleeper;
    pthread_t thread;
    int ends[2];

    make_ends(ends);
    sleeper.epoll = watch(ends[0], EPOLLOUT | EPOLLET);
    now("room", sleeper.epoll);
    fill(ends[0]);
    now("full", sleeper.epoll);
    thread = begin_to_sleep(&sleeper);
    take_all(ends[1]);
    woken("again", &sleeper, thread);
    end(ends, sleeper.epoll);
}

/* ---- what need not be a stream yet ---- */

static void wait_plainly(const char *what, int epoll)
{
    note(what, epoll_wait(epoll, &(struct epoll_event){0}, 1, PATIENCE_MS));
}

/* A program may watch a socket before it is connected, or even is what it will be. */
static void on_a_connect(void)
{
    uint32_t port = fresh_port();
    int listener = make_listener(SOCK_STREAM, port, 1), fd = make_socket(SOCK_STREAM);
    int epoll = epoll_create1(0), accepted;

    set_nonblocking(fd);
    note("connect", connect_to(fd, port));
    control("watch", epoll, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLET);
    wait_plainly("ready", epoll);
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

static void before_listening(void)
{
    uint32_t port = fresh_port();
    int listener, fd = make_socket(SOCK_STREAM), epoll = epoll_create1(0);

    as_server();
    listener = make_socket(SOCK_STREAM);
    note("bind", bind_to(listener, VMADDR_CID_ANY, port));
    control("watch", epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
    note("listen", listen(listener, 1));
    as_client();
    await_name(port);
    note("connect", connect_to(fd, port));
    wait_plainly("ready", epoll);
    close(fd);
    close(listener);
    close(epoll);
}

const struct test_case epoll_list_cases[] = {
    CASE(what_is_watched),        CASE(two_streams_in_turn),
    CASE(a_stream_beside_a_pipe), CASE(two_lists),
    CASE(one_list_in_another),    CASE(a_copy_of_a_watched_one),
    CASE(a_copy_of_the_list),     CASE(added_while_one_sleeps),
    CASE(full_while_one_sleeps),  CASES_END};

const struct test_case epoll_other_cases[] = {
    CASE(becomes_busy_while_one_sleeps), CASE(on_a_connect), CASE(before_listening), CASES_END};
