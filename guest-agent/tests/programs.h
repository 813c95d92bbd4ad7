/* The programs of a simulation: they write and read at random, and know every byte by its offset.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "pick.h"

#define STREAMS 16

/* One program at one end of a stream. */
struct program {
    int fd;
    int side; /* whose agent serves it */
    uint64_t written;
    uint64_t read;
    bool shut;
    bool ended;
};

static struct program programs[STREAMS][2]; /* [][0] opened the stream */
static bool excused[STREAMS];               /* an agent that carried the stream died */
static uint32_t seed;

static uint8_t byte_at(int stream, int direction, uint64_t offset)
{
    uint64_t mixed = (offset + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)(stream * 2 + direction) << 32;

    return (uint8_t)(mixed >> 29 ^ mixed >> 47);
}

/* A program that was put back to an older state writes other bytes from there on. Its reader may
 * get the ones or the others, and never both. */
static struct {
    bool written; /* it has been put back */
    uint64_t from;
    enum { NEITHER, THE_FIRST, THE_OTHERS } read;
} others[STREAMS][2];

static void write_otherwise(int stream, int which)
{
    uint64_t from = programs[stream][which].written;
    bool had_more = programs[stream][1 - which].read > from;

    others[stream][which].written = true;
    others[stream][which].from = from;
    others[stream][which].read = had_more ? THE_FIRST : NEITHER;
}

static uint8_t written_at(int stream, int which, uint64_t offset)
{
    bool other = others[stream][which].written && offset >= others[stream][which].from;

    return byte_at(stream, which, offset) ^ (other ? 0xff : 0);
}

/* The next bytes that a program writes. */
static void fill(int stream, int which, uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = written_at(stream, which, programs[stream][which].written + i);
}

static bool is_right(int stream, int writer, uint64_t offset, uint8_t byte)
{
    bool first = byte == byte_at(stream, writer, offset);

    if (!others[stream][writer].written || offset < others[stream][writer].from)
        return first;
    if (others[stream][writer].read == NEITHER)
        others[stream][writer].read = first ? THE_FIRST : THE_OTHERS;
    return others[stream][writer].read == THE_FIRST ? first
                                                    : byte == written_at(stream, writer, offset);
}

/* What a program has read must be what the other one wrote there. */
static void program_check(int stream, int which, const uint8_t *bytes, ssize_t got)
{
    struct program *program = &programs[stream][which];

    for (ssize_t i = 0; i < got; i++) {
        if (is_right(stream, 1 - which, program->read + (uint64_t)i, bytes[i]))
            continue;
        fprintf(stderr, "seed %u: stream %d: wrong byte at %llu\n", seed, stream,
                (unsigned long long)program->read + (unsigned long long)i);
        exit(1);
    }
    program->read += got > 0 ? (uint64_t)got : 0;
}

static void program_write(int stream, int which)
{
    struct program *program = &programs[stream][which];
    uint8_t bytes[8192];
    size_t length = 1 + pick(sizeof(bytes));
    ssize_t put;

    if (program->fd < 0 || program->shut)
        return;
    fill(stream, which, bytes, length);
    put = send(program->fd, bytes, length, MSG_NOSIGNAL);
    if (put > 0)
        program->written += (uint64_t)put;
}

/* False: nothing is there. */
static bool program_read(int stream, int which)
{
    struct program *program = &programs[stream][which];
    uint8_t bytes[16384];
    ssize_t got = program->fd < 0 ? -1 : recv(program->fd, bytes, 1 + pick(sizeof(bytes)), 0);

    if (got == 0)
        program->ended = true;
    program_check(stream, which, bytes, got);
    return got >= 0;
}

static void program_shut(int stream, int which)
{
    struct program *program = &programs[stream][which];

    if (program->fd < 0 || program->shut)
        return;
    shutdown(program->fd, SHUT_WR);
    program->shut = true;
}
