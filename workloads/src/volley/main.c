/* volley: how fast a stream socket is, by the plain socket API.
 *
 *   volley serve ADDRESS [epoll]                  serves one connection, waiting as it is told
 *   volley echo ADDRESS BYTES SECONDS             round trips of so many bytes
 *   volley bulk ADDRESS BYTES SECONDS             one way, by calls of so many bytes
 *
 * Prints one line of JSON; SIGTERM ends it before its time. The receiver counts: bulk ends when the
 * server has told how much came.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "address.h"

#define BYTES_MAX  (64u << 20)
#define ROUNDS_MAX 4000000u

static volatile sig_atomic_t told_to_end;

static void end(int number)
{
    (void)number;
    told_to_end = 1;
}

struct order {
    uint64_t echo; /* else bulk */
    uint64_t bytes;
};

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    fprintf(stderr, "volley: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- waiting ---- */

static int epoll = -1; /* else a call waits itself */

static void wait_by_epoll(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 ||
        fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        fail("epoll");
}

/* Whether to try again: after a call that would have had to wait, once these events are there. */
static int waited(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events};

    if (epoll < 0 || errno != EAGAIN)
        return 0;
    if (events != EPOLLIN && epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) < 0)
        fail("epoll_ctl");
    if (epoll_wait(epoll, &event, 1, -1) != 1)
        fail("epoll_wait");
    event.events = EPOLLIN;
    if (events != EPOLLIN && epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) < 0)
        fail("epoll_ctl");
    return 1;
}

static void send_all(int fd, const void *bytes, size_t length)
{
    for (const char *at = bytes; length;) {
        ssize_t put = send(fd, at, length, MSG_NOSIGNAL);

        if (put < 0 && waited(fd, EPOLLOUT))
            continue;
        if (put <= 0)
            fail("send");
        at += put;
        length -= (size_t)put;
    }
}

/* 0 at the end of the stream. */
static int receive_all(int fd, void *bytes, size_t length)
{
    for (char *at = bytes; length;) {
        ssize_t got = recv(fd, at, length, 0);

        if (got < 0 && waited(fd, EPOLLIN))
            continue;
        if (got < 0)
            fail("recv");
        if (!got)
            return 0;
        at += got;
        length -= (size_t)got;
    }
    return 1;
}

static void serve_bulk(int fd, char *bytes, size_t length)
{
    uint64_t total = 0;
    ssize_t got;

    while ((got = recv(fd, bytes, length, 0)) > 0 || (got < 0 && waited(fd, EPOLLIN)))
        total += got > 0 ? (uint64_t)got : 0;
    if (got < 0)
        fail("recv");
    send_all(fd, &total, sizeof(total));
}

static void serve(int fd)
{
    struct order order;
    char *bytes;

    if (!receive_all(fd, &order, sizeof(order)) || !order.bytes || order.bytes > BYTES_MAX)
        fail("no order came");
    bytes = malloc(order.bytes);
    if (!bytes)
        fail("memory");
    while (order.echo && receive_all(fd, bytes, order.bytes))
        send_all(fd, bytes, order.bytes);
    if (!order.echo)
        serve_bulk(fd, bytes, order.bytes);
    free(bytes);
}

static int by_value(const void *one, const void *other)
{
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return (a > b) - (a < b);
}

static double at_quantile(const uint32_t *sorted, size_t count, double quantile)
{
    return (double)sorted[(size_t)((double)(count - 1) * quantile)] / 1000.0;
}

static void echo(int fd, char *bytes, size_t length, double seconds)
{
    uint32_t *rounds = malloc(ROUNDS_MAX * sizeof(*rounds));
    uint64_t begin = now_ns(), last = begin, until = begin + (uint64_t)(seconds * 1e9);
    size_t count = 0;

    if (!rounds)
        fail("memory");
    while (last < until && count < ROUNDS_MAX && !told_to_end) {
        uint64_t now;

        send_all(fd, bytes, length);
        if (!receive_all(fd, bytes, length))
            fail("the server left");
        now = now_ns();
        rounds[count++] = now - last < UINT32_MAX ? (uint32_t)(now - last) : UINT32_MAX;
        last = now;
    }
    qsort(rounds, count, sizeof(*rounds), by_value);
    printf("{\"mode\":\"echo\",\"bytes\":%zu,\"rounds\":%zu,\"p50_us\":%.3f,\"p99_us\":%.3f,"
           "\"max_us\":%.3f}\n",
           length, count, at_quantile(rounds, count, 0.5), at_quantile(rounds, count, 0.99),
           at_quantile(rounds, count, 1.0));
    free(rounds);
}

static void bulk(int fd, const char *bytes, size_t length, double seconds)
{
    uint64_t begin = now_ns(), until = begin + (uint64_t)(seconds * 1e9), sent = 0, arrived;
    double took;

    while (now_ns() < until && !told_to_end)
        for (int i = 0; i < 64; i++, sent += length)
            send_all(fd, bytes, length);
    shutdown(fd, SHUT_WR);
    if (!receive_all(fd, &arrived, sizeof(arrived)))
        fail("the server left");
    took = (double)(now_ns() - begin) / 1e9;
    if (arrived != sent) {
        fprintf(stderr, "volley: %llu bytes were sent, %llu arrived\n", (unsigned long long)sent,
                (unsigned long long)arrived);
        exit(1);
    }
    printf("{\"mode\":\"bulk\",\"bytes\":%zu,\"total\":%llu,\"seconds\":%.3f,\"mb_per_s\":%.3f}\n",
           length, (unsigned long long)sent, took, (double)sent / took / 1e6);
}

static int measure(int argc, char **argv, const struct address *address)
{
    struct order order = {.echo = strcmp(argv[1], "echo") == 0};
    double seconds = argc == 5 ? strtod(argv[4], NULL) : 0;
    char *bytes;
    int fd;

    order.bytes = argc == 5 ? strtoull(argv[3], NULL, 10) : 0;
    if (!order.bytes || order.bytes > BYTES_MAX || !(seconds > 0 && seconds <= 3600))
        return 2;
    signal(SIGTERM, end);
    bytes = calloc(1, order.bytes);
    fd = address_connect(address);
    if (!bytes || fd < 0)
        fail("connect");
    send_all(fd, &order, sizeof(order));
    if (order.echo)
        echo(fd, bytes, order.bytes, seconds);
    else
        bulk(fd, bytes, order.bytes, seconds);
    close(fd);
    free(bytes);
    return 0;
}

static int run(int argc, char **argv)
{
    struct address address;
    int fd;

    if (argc < 3 || !address_parse(&address, argv[2]))
        return 2;
    if (strcmp(argv[1], "echo") == 0 || strcmp(argv[1], "bulk") == 0)
        return measure(argc, argv, &address);
    if (strcmp(argv[1], "serve") != 0 || argc > 4 || (argc == 4 && strcmp(argv[3], "epoll") != 0))
        return 2;
    fd = address_accept_one(&address);
    if (fd < 0)
        fail("listen");
    if (argc == 4)
        wait_by_epoll(fd);
    serve(fd);
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    int code = run(argc, argv);

    if (code == 2)
        fputs("usage: volley serve ADDRESS [epoll] | echo|bulk ADDRESS BYTES SECONDS\n"
              "  ADDRESS  vsock:CID:PORT, tcp:ADDRESS:PORT or unix:PATH\n",
              stderr);
    return code;
}
