/* Makes requests, one after the other, and checks that each is answered once and rightly. The
 * report has the oracle's keys, so that one reader serves both; beside them the number of
 * connections, and how long answers took, in a histogram by powers of two of microseconds. */
#include "../clock.h"
#include "../meter.h"
#include "load.h"
#include "reach.h"
#include "request.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUCKETS = 32, RETRY_MS = 10, CONNECT_SECONDS = 30 };

struct talk {
    const char *where;
    FILE *report;
    uint64_t start, each, pace_ms, interval_ms;
    uint64_t asked, answered, wrong, connections;
    uint64_t sample_ns;
    uint64_t latency[BUCKETS];
    struct meter meter;
    const char *error; /* the first one, or NULL */
};

static void put_counts(const struct talk *t, FILE *out)
{
    double longest = (double)t->meter.longest_ns / NS_PER_MS;
    fprintf(out,
            ", \"connections\": %" PRIu64 ", \"requests\": %" PRIu64
            ", \"longest_send_stall_ms\": 0.0, \"longest_receive_stall_ms\": %.3f}\n",
            t->connections, t->answered, longest);
    fflush(out);
}

static void sample(struct talk *t, uint64_t now_ns)
{
    fprintf(t->report,
            "{\"monotonic_ns\": %" PRIu64 ", \"sent\": %" PRIu64 ", \"verified\": %" PRIu64
            ", \"ended\": false, \"send_stall_ms\": 0.0, \"receive_stall_ms\": %.3f",
            now_ns, t->asked * REQUEST, t->answered * REQUEST,
            (double)meter_sample(&t->meter, now_ns) / NS_PER_MS);
    put_counts(t, t->report);
    t->sample_ns = now_ns + t->interval_ms * NS_PER_MS;
}

static void put_final(const struct talk *t)
{
    fprintf(t->report,
            "{\"final\": true, \"bytes_sent\": %" PRIu64 ", \"bytes_verified\": %" PRIu64
            ", \"lost\": %" PRIu64 ", \"duplicated\": 0, \"reordered\": 0"
            ", \"corrupted\": %" PRIu64 ", \"eof\": %s, \"latency_us\": [",
            t->asked * REQUEST, t->answered * REQUEST,
            (t->asked - t->answered - t->wrong) * REQUEST, t->wrong * REQUEST,
            t->error ? "false" : "true");
    for (size_t i = 0; i < BUCKETS; i++)
        fprintf(t->report, "%s%" PRIu64, i ? ", " : "", t->latency[i]);
    fprintf(t->report, "], \"error\": %s%s%s", t->error ? "\"" : "", t->error ? t->error : "null",
            t->error ? "\"" : "");
    put_counts(t, t->report);
}

static void note_latency(struct talk *t, uint64_t ns)
{
    size_t bucket = 0;
    for (uint64_t us = ns / 1000; us && bucket < BUCKETS - 1; us /= 2)
        bucket++;
    t->latency[bucket]++;
}

/* Waits until there is something to read, and makes the samples that are due meanwhile. */
static void await(struct talk *t, int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (;;) {
        uint64_t now_ns = clock_ns();
        if (now_ns >= t->sample_ns)
            sample(t, now_ns);
        int left_ms = (int)((t->sample_ns - now_ns) / NS_PER_MS) + 1;
        if (poll(&wait, 1, left_ms) > 0)
            return;
    }
}

/* 0, or a positive errno; an answer that never comes ends as the connection does. */
static int read_answer(struct talk *t, int fd, uint8_t *answer)
{
    for (size_t got = 0; got < REQUEST;) {
        await(t, fd);
        ssize_t length = read(fd, answer + got, REQUEST - got);
        if (length == 0)
            return EPIPE;
        if (length < 0 && errno != EINTR)
            return errno;
        got += length > 0 ? (size_t)length : 0;
    }
    return 0;
}

static int request(struct talk *t, int fd)
{
    uint8_t expected[REQUEST], answer[REQUEST];
    pattern_fill(expected, REQUEST_WORDS, t->start, t->asked * REQUEST_WORDS);
    uint64_t began_ns = clock_ns();
    meter_want(&t->meter, began_ns);
    t->asked++;
    if (send(fd, expected, REQUEST, MSG_NOSIGNAL) != REQUEST)
        return errno ? errno : EPIPE;
    int error = read_answer(t, fd, answer);
    if (error)
        return error;
    meter_progress(&t->meter, clock_ns());
    meter_rest(&t->meter);
    note_latency(t, clock_ns() - began_ns);
    for (size_t i = 0; i < REQUEST; i++)
        expected[i] = (uint8_t)~expected[i];
    bool right = memcmp(expected, answer, REQUEST) == 0;
    t->answered += right;
    t->wrong += !right;
    return 0;
}

static void pause_between(struct talk *t)
{
    uint64_t now_ns = clock_ns();
    if (now_ns >= t->sample_ns)
        sample(t, now_ns);
    if (t->pace_ms)
        poll(NULL, 0, (int)t->pace_ms);
}

/* Makes the requests of one connection. 0, or a positive errno. */
static int converse(struct talk *t, int fd)
{
    int error = 0;
    for (uint64_t made = 0; !error && !stops && (!t->each || made < t->each); made++) {
        error = request(t, fd);
        pause_between(t);
    }
    return error;
}

/* A server that is not there yet is waited for, the first time only. */
static int connect_once(struct talk *t)
{
    uint64_t deadline_ns = clock_ns() + CONNECT_SECONDS * NS_PER_S;
    int fd = reach_connect(t->where);
    while (fd < 0 && !t->connections && !stops && clock_ns() < deadline_ns) {
        poll(NULL, 0, RETRY_MS);
        fd = reach_connect(t->where);
    }
    t->connections += fd >= 0;
    return fd;
}

static void run(struct talk *t)
{
    while (!stops && !t->error) {
        meter_want(&t->meter, clock_ns()); /* connecting may stall, too */
        int fd = connect_once(t);
        int error = fd < 0 ? errno : converse(t, fd);
        if (fd >= 0)
            close(fd);
        if (error && !(fd < 0 && stops))
            t->error = strerror(error);
    }
}

enum exit_code talk(char **arguments)
{
    if (!*arguments)
        return complain(USAGE, "nobody to talk to", "talk", "load talk WHERE");
    const char *path = text_option(arguments, "report", "/dev/stdout");
    struct talk t = {
        .where = *arguments,
        .report = fopen(path, "we"),
        .start = pattern_start(number_option(arguments, "seed", 0)),
        .each = number_option(arguments, "each", 0),
        .pace_ms = number_option(arguments, "pace", 0),
        .interval_ms = number_option(arguments, "interval", 100),
    };
    if (!t.report)
        return complain(USAGE, "cannot write the report", path, strerror(errno));
    catch_stop();
    run(&t);
    put_final(&t);
    if (fclose(t.report) != 0)
        return complain(BROKEN, "the report is not complete", path, strerror(errno));
    return t.error ? BROKEN : t.wrong ? WRONG : CLEAN;
}
