#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: oracle ENDPOINT [--send-seed N] [--expect-seed N] [OPTION]...\n"
    "One end of one full-duplex stream: sends its own byte pattern and checks the peer's.\n"
    "\n"
    "ENDPOINT is one of\n"
    "  --connect PATH | --listen PATH       a UNIX stream socket\n"
    "  --tcp-connect A:P | --tcp-listen A:P a TCP connection; port 0: any, told on stderr\n"
    "  --exec -- PROGRAM [ARGUMENT]...      the standard input and output of a program\n"
    "\n"
    "  --bytes N            send that many bytes, then end (default: until told to stop)\n"
    "  --stop-file FILE     end sending once FILE exists (so does SIGTERM)\n"
    "  --chunk N            bytes per write, at most 65536 (default 65536; with --pace 64)\n"
    "  --pace MS            send one chunk each MS milliseconds\n"
    "  --read-pace MS       read at most 64 KiB each MS milliseconds\n"
    "  --unchecked          only count: what the checking costs\n"
    "  --report FILE        JSON lines: a sample per interval, and the final result\n"
    "  --interval MS        time between samples (default 100)\n"
    "  --connect-within S   how long to wait for the peer to be there (default 30)\n"
    "  --finish-within S    how long the peer may be silent once we have ended (default 60)\n"
    "\n"
    "exit code: 0 clean, 1 bytes wrong, 2 wrong usage, 3 the stream broke\n";

enum option_key {
    SEND_SEED = 256,
    EXPECT_SEED,
    BYTES,
    STOP_FILE,
    CHUNK,
    PACE,
    READ_PACE,
    UNCHECKED,
    REPORT,
    INTERVAL,
    CONNECT_WITHIN,
    FINISH_WITHIN,
    HELP
};

static const struct option table[] = {
    {"connect", required_argument, NULL, ENDPOINT_CONNECT},
    {"listen", required_argument, NULL, ENDPOINT_LISTEN},
    {"tcp-connect", required_argument, NULL, ENDPOINT_TCP_CONNECT},
    {"tcp-listen", required_argument, NULL, ENDPOINT_TCP_LISTEN},
    {"exec", no_argument, NULL, ENDPOINT_EXEC},
    {"send-seed", required_argument, NULL, SEND_SEED},
    {"expect-seed", required_argument, NULL, EXPECT_SEED},
    {"bytes", required_argument, NULL, BYTES},
    {"stop-file", required_argument, NULL, STOP_FILE},
    {"chunk", required_argument, NULL, CHUNK},
    {"pace", required_argument, NULL, PACE},
    {"read-pace", required_argument, NULL, READ_PACE},
    {"unchecked", no_argument, NULL, UNCHECKED},
    {"report", required_argument, NULL, REPORT},
    {"interval", required_argument, NULL, INTERVAL},
    {"connect-within", required_argument, NULL, CONNECT_WITHIN},
    {"finish-within", required_argument, NULL, FINISH_WITHIN},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static int wrong(const char *what, const char *value)
{
    fprintf(stderr, "oracle: %s%s%s\n  next: oracle --help\n", what, value ? ": " : "",
            value ? value : "");
    return 1;
}

static int parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text < '0' || *text > '9' || value < least || value > most)
        return wrong("not a number in the range allowed here", text);
    *number = value;
    return 0;
}

static int set_endpoint(struct options *options, enum endpoint_kind kind, const char *where)
{
    if (options->kind)
        return wrong("more than one endpoint", where);
    options->kind = kind;
    options->where = where;
    return 0;
}

static int set_number(struct options *options, int key, const char *text)
{
    const uint64_t day = 24 * 3600;
    uint64_t chunk = 0;
    switch (key) {
    case SEND_SEED:
        options->sends = true;
        return parse_number(text, 0, UINT64_MAX, &options->send_seed);
    case EXPECT_SEED:
        options->expects = true;
        return parse_number(text, 0, UINT64_MAX, &options->expect_seed);
    case BYTES:
        return parse_number(text, 0, UINT64_MAX / 2, &options->bytes);
    case CHUNK:
        if (parse_number(text, 1, CHUNK_MAX, &chunk) != 0)
            return 1;
        options->chunk = chunk;
        return 0;
    case PACE:
        return parse_number(text, 1, day * 1000, &options->pace_ms);
    case READ_PACE:
        return parse_number(text, 1, day * 1000, &options->read_pace_ms);
    case INTERVAL:
        return parse_number(text, 1, day * 1000, &options->interval_ms);
    case CONNECT_WITHIN:
        return parse_number(text, 0, day, &options->connect_within);
    case FINISH_WITHIN:
        return parse_number(text, 0, day, &options->finish_within);
    default:
        return wrong("unknown option or missing value", NULL);
    }
}

static int set_option(struct options *options, int key, const char *value)
{
    switch (key) {
    case ENDPOINT_CONNECT:
    case ENDPOINT_LISTEN:
    case ENDPOINT_TCP_CONNECT:
    case ENDPOINT_TCP_LISTEN:
    case ENDPOINT_EXEC:
        return set_endpoint(options, (enum endpoint_kind)key, value);
    case STOP_FILE:
        options->stop_file = value;
        return 0;
    case REPORT:
        options->report = value;
        return 0;
    case UNCHECKED:
        options->unchecked = true;
        return 0;
    case HELP:
        fputs(usage, stdout);
        exit(0);
    default:
        return set_number(options, key, value);
    }
}

static int check(struct options *options, char **rest)
{
    if (!options->kind)
        return wrong("no endpoint", NULL);
    if (!options->sends && !options->expects)
        return wrong("nothing to do: neither --send-seed nor --expect-seed", NULL);
    if (options->kind == ENDPOINT_EXEC && !*rest)
        return wrong("--exec needs a program behind --", NULL);
    if (options->kind != ENDPOINT_EXEC && *rest)
        return wrong("unexpected argument", *rest);
    options->command = rest;
    return 0;
}

int options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){
        .bytes = UINT64_MAX, .interval_ms = 100, .connect_within = 30, .finish_within = 60};
    int key;
    while ((key = getopt_long(argc, argv, "+", table, NULL)) != -1)
        if (set_option(options, key, optarg) != 0)
            return 1;
    if (!options->chunk)
        options->chunk = options->pace_ms ? 64 : CHUNK_MAX;
    return check(options, argv + optind);
}
