/* What the command line asked for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHUNK_MAX = 64 * 1024 };

enum endpoint_kind {
    ENDPOINT_CONNECT = 1,
    ENDPOINT_LISTEN,
    ENDPOINT_TCP_CONNECT,
    ENDPOINT_TCP_LISTEN,
    ENDPOINT_EXEC
};

struct options {
    enum endpoint_kind kind;
    const char *where; /* a path, or ADDRESS:PORT */
    char **command;    /* for ENDPOINT_EXEC */
    bool sends, expects;
    bool unchecked; /* bytes are counted, neither made nor compared: what checking costs */
    uint64_t send_seed, expect_seed;
    uint64_t bytes;
    size_t chunk;
    uint64_t pace_ms, read_pace_ms, interval_ms;
    uint64_t connect_within, finish_within; /* seconds */
    const char *report, *stop_file;
};

/* 0, or 1: the command line is wrong, and standard error says how. */
int options_parse(struct options *options, int argc, char **argv);
