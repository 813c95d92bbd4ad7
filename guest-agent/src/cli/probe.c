/* domsock ping, path and bench: how far away another domain is. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/reach.h"

#define PATIENCE_MS 2000
#define NOBODYS_PORT 0u /* the answer that nobody listens there comes from the other agent */
#define BENCH_PORT 4653u
#define BENCH_SECONDS_US 1000000u
#define SMALL 64u
#define LARGE 65536u

struct wish {
    const char *run_dir;
    const char *domain;
    long count;
    int json;
    int serve;
};

static int parse(struct wish *wish, int argc, char **argv)
{
    static const struct option options[] = {{"run-dir", required_argument, NULL, 'r'},
                                            {"count", required_argument, NULL, 'c'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"serve", no_argument, NULL, 's'},
                                            {0}};
    int letter;

    *wish = (struct wish){.run_dir = CLI_RUN_DIR_DEFAULT, .count = 3};
    while ((letter = getopt_long(argc, argv, "c:", options, NULL)) >= 0) {
        if (letter == '?')
            return cli_usage("that is no option of %s, or a value is missing", argv[0]);
        wish->run_dir = letter == 'r' ? optarg : wish->run_dir;
        wish->count = letter == 'c' ? strtol(optarg, NULL, 10) : wish->count;
        wish->json |= letter == 'j';
        wish->serve |= letter == 's';
    }
    if (wish->count < 1)
        return cli_usage("--count: a number from 1 on");
    wish->domain = argv[optind];
    if (wish->serve || strcmp(argv[0], "ping") == 0)
        return argc - optind <= !wish->serve ? 0 : cli_usage("%s: too many arguments", argv[0]);
    return argc - optind == 1 ? 0 : cli_usage("%s: which DOMAIN?", argv[0]);
}

/* ---- ping ---- */

static int ping_own_agent(const char *run_dir)
{
    json_t *answer = NULL;
    int error = ask_agent(run_dir, "ping", &answer);

    json_decref(answer);
    if (!error)
        puts("the agent answers");
    return error;
}

int cli_ping(int argc, char **argv)
{
    struct wish wish;
    uint32_t cid;
    int error = parse(&wish, argc, argv);

    if (!error && !wish.domain)
        return ping_own_agent(wish.run_dir);
    if (!error)
        error = ask_domain(wish.run_dir, wish.domain, &cid);
    for (long i = 0; i < wish.count && !error; i++) {
        uint64_t begun_us = clock_now_us();
        int fd = reach_port(wish.run_dir, cid, NOBODYS_PORT, PATIENCE_MS);

        if (fd >= 0)
            close(fd);
        if (fd < 0 && fd != -ECONNREFUSED)
            error =
                cli_fail("%s does not answer: %s%s", wish.domain, strerror(-fd), reach_hint(fd));
        else
            printf("%s answers: %.2f ms\n", wish.domain,
                   (double)(clock_now_us() - begun_us) / 1000.0);
        fflush(stdout);
    }
    return error;
}

/* ---- path ---- */

static const char *path_in_words(const json_t *link)
{
    if (strcmp(json_string_value(json_object_get(link, "state")), "up") != 0)
        return "not connected: the other domain's agent does not answer";
    if (strcmp(json_string_value(json_object_get(link, "path")), "shm") == 0)
        return "shared memory on this host: fast, and host-local";
    if (strcmp(json_string_value(json_object_get(link, "path")), "relay") == 0)
        return "through the hosts (relay): there is no network between the domains";
    return "TCP";
}

static int print_path(const struct wish *wish, const json_t *answer)
{
    json_t *link = ask_find_link(answer, wish->domain);

    if (!link)
        return cli_fail("there is no grant with a domain \"%s\"; domsock ls shows which there are",
                        wish->domain);
    if (!wish->json) {
        puts(path_in_words(link));
        return 0;
    }
    json_dumpf(link, stdout, JSON_INDENT(2));
    putchar('\n');
    return 0;
}

int cli_path(int argc, char **argv)
{
    struct wish wish;
    json_t *answer = NULL;
    int error = parse(&wish, argc, argv);

    if (!error)
        error = ask_agent(wish.run_dir, "links", &answer);
    if (!error)
        error = print_path(&wish, answer);
    json_decref(answer);
    return error;
}

/* ---- bench ---- */

/* What a client's first byte asks for. */
enum service { ECHO = 'e', SINK = 's' };

static char block[LARGE];

static int move_all(int fd, size_t length, int out)
{
    for (size_t moved = 0; moved < length;) {
        ssize_t some = out ? send(fd, block + moved, length - moved, MSG_NOSIGNAL)
                           : recv(fd, block + moved, length - moved, 0);

        if (some <= 0)
            return some < 0 ? -errno : -ECONNRESET;
        moved += (size_t)some;
    }
    return 0;
}

static void serve_one(int fd)
{
    char service = 0;

    if (recv(fd, &service, 1, 0) == 1 && service == ECHO)
        while (move_all(fd, SMALL, 0) == 0 && move_all(fd, SMALL, 1) == 0)
            continue;
    while (service == SINK && recv(fd, block, sizeof(block), 0) > 0)
        continue;
    if (service == SINK)
        send(fd, "", 1, MSG_NOSIGNAL); /* everything has arrived */
    close(fd);
}

static int serve(const struct wish *wish)
{
    int listener = reach_listen(wish->run_dir, BENCH_PORT), fd = listener;

    if (fd >= 0)
        puts("serving; in the other domain: domsock bench DOMAIN");
    fflush(stdout);
    while (fd >= 0 && (fd = reach_accept(listener)) >= 0)
        serve_one(fd);
    return cli_fail("cannot serve: %s%s", strerror(-fd), reach_hint(fd));
}

static int begin(const struct wish *wish, uint32_t cid, char service)
{
    int fd = reach_port(wish->run_dir, cid, BENCH_PORT, PATIENCE_MS);

    if (fd < 0 || send(fd, &service, 1, MSG_NOSIGNAL) == 1)
        return fd;
    close(fd);
    return -EPIPE;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static int measure_rounds(int fd, double *p50_us, double *p99_us)
{
    static uint64_t rounds[1 << 20];
    uint64_t begun_us = clock_now_us(), now_us = begun_us;
    size_t count = 0;

    while (now_us - begun_us < BENCH_SECONDS_US && count < sizeof(rounds) / sizeof(rounds[0])) {
        uint64_t before_us = now_us;
        int error = move_all(fd, SMALL, 1);

        if (!error)
            error = move_all(fd, SMALL, 0);
        if (error)
            return error;
        now_us = clock_now_us();
        rounds[count++] = now_us - before_us;
    }
    qsort(rounds, count, sizeof(rounds[0]), by_size);
    *p50_us = (double)rounds[count / 2];
    *p99_us = (double)rounds[count * 99 / 100];
    return 0;
}

static int measure_rate(int fd, double *mb_s)
{
    uint64_t begun_us = clock_now_us(), sent = 0;
    int error = 0;

    while (!error && clock_now_us() - begun_us < BENCH_SECONDS_US) {
        error = move_all(fd, LARGE, 1);
        sent += LARGE;
    }
    if (error)
        return error;
    shutdown(fd, SHUT_WR);
    error = move_all(fd, 1, 0);
    *mb_s = (double)sent / (double)(clock_now_us() - begun_us);
    return error;
}

static int measure(const struct wish *wish, uint32_t cid)
{
    double p50_us = 0, p99_us = 0, mb_s = 0;
    int fd = begin(wish, cid, ECHO), error = fd < 0 ? fd : measure_rounds(fd, &p50_us, &p99_us);

    if (fd >= 0)
        close(fd);
    fd = error ? error : begin(wish, cid, SINK);
    error = fd < 0 ? fd : measure_rate(fd, &mb_s);
    if (fd >= 0)
        close(fd);
    if (error)
        return cli_fail("%s: %s%s", wish->domain, strerror(-error),
                        error == -ECONNREFUSED ? "; next, there: domsock bench --serve" : "");
    printf(wish->json ? "{\"round_trip_us\":{\"p50\":%.0f,\"p99\":%.0f},\"mb_s\":%.1f}\n"
                      : "round trip of 64 B: median %.0f us, p99 %.0f us\n"
                        "one way, calls of 64 KiB: %.1f MB/s\n"
                        "(through the agents; a program under domsock run may be much faster)\n",
           p50_us, p99_us, mb_s);
    return 0;
}

int cli_bench(int argc, char **argv)
{
    struct wish wish;
    uint32_t cid;
    int error = parse(&wish, argc, argv);

    if (error)
        return error;
    if (wish.serve)
        return serve(&wish);
    error = ask_domain(wish.run_dir, wish.domain, &cid);
    return error ? error : measure(&wish, cid);
}
