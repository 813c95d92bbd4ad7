/* Several threads at work on the same sockets: nothing is lost, nobody hangs. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "epoll.h"

#define STREAMS 4
#define WORKERS 3
#define BYTES 600 /* by each stream */

static int pairs[STREAMS][2];
static int epoll;
static atomic_int received;

static void open_all(void (*make)(int ends[2]))
{
    for (int i = 0; i < STREAMS; i++)
        make(pairs[i]);
    atomic_store(&received, 0);
}

static void close_all(void)
{
    for (int i = 0; i < STREAMS; i++)
        close_pair(pairs[i]);
}

static void *send_all(void *unused)
{
    for (int round = 0; round < BYTES; round++)
        for (int i = 0; i < STREAMS; i++)
            send(pairs[i][0], "x", 1, 0);
    return unused;
}

static int has_all(void)
{
    return (int)as_servers_say(atomic_load(&received) >= STREAMS * BYTES);
}

/* Each event goes to one worker, which asks for the next one. */
static void *take_once(void *unused)
{
    struct epoll_event event;
    char some[16];
    int fd;

    while (!has_all()) {
        if (epoll_wait(epoll, &event, 1, 20) != 1)
            continue;
        fd = pairs[event.data.u32][1];
        for (ssize_t got; (got = recv(fd, some, sizeof(some), MSG_DONTWAIT)) > 0;)
            atomic_fetch_add(&received, (int)got);
        event.events = EPOLLIN | EPOLLONESHOT;
        epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
    }
    return unused;
}

static void *take_by_copies(void *at)
{
    int fd = *(int *)at;

    for (int taken = 0, got; taken < BYTES; taken += got) {
        int copy = dup(fd);

        got = (int)recv(copy, (char[16]){0}, 16, 0);
        atomic_fetch_add(&received, got);
        close(copy);
    }
    return at;
}

static void workers_share_an_epoll(void)
{
    pthread_t threads[WORKERS], sender;

    open_all(make_busy);
    epoll = epoll_create1(0);
    for (int i = 0; i < STREAMS; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u32 = (uint32_t)i};

        epoll_ctl(epoll, EPOLL_CTL_ADD, pairs[i][1], &event);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, take_once, NULL);
    pthread_create(&sender, NULL, send_all, NULL);
    pthread_join(sender, NULL);
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    note("received", atomic_load(&received));
    close(epoll);
    close_all();
}

static void readers_use_copies(void)
{
    pthread_t threads[STREAMS], sender;

    open_all(make_quiet);
    for (int i = 0; i < STREAMS; i++)
        pthread_create(&threads[i], NULL, take_by_copies, &pairs[i][1]);
    pthread_create(&sender, NULL, send_all, NULL);
    pthread_join(sender, NULL);
    for (int i = 0; i < STREAMS; i++)
        pthread_join(threads[i], NULL);
    note("received", atomic_load(&received));
    close_all();
}

const struct test_case thread_cases[] = {CASE(workers_share_an_epoll), CASE(readers_use_copies),
                                         CASES_END};
