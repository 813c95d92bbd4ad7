/* load: programs that burden guests and streams in ways the oracle does not. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: load COMMAND [ARGUMENT]...\n"
    "WHERE is a UNIX socket's path, or an IPv4 ADDRESS:PORT.\n"
    "\n"
    "  serve WHERE              answer requests, on any number of connections\n"
    "  talk WHERE               make requests, one after the other, and check each answer\n"
    "    --seed N --report FILE [--interval MS] [--pace MS]\n"
    "    [--each N]             requests per connection (default 0: one connection for ever)\n"
    "  pour WHERE [--streams N] fill so many streams, for ever\n"
    "  drain WHERE --report FILE [--least MS]\n"
    "                           empty any number of streams; note each silence of that length\n"
    "  pages --socket PATH --seed N [--ram BYTES] [--disk BYTES --file FILE] [--dirty BYTES]\n"
    "                           hold patterns, and rewrite that many bytes of each per second\n"
    "  ask PATH                 have `pages` check everything it holds, and print what it found\n"
    "  harvest [--patterns PATH] [--size-of PROGRAM] FILE OFFSET ...\n"
    "                           ask as above, tell a program's memory and descriptors, print what "
    "each file gained since OFFSET, give its memory back\n"
    "\n"
    "exit code: 0 clean, 1 something is wrong, 2 wrong usage, 3 it broke\n";

static const struct {
    const char *name;
    enum exit_code (*run)(char **arguments);
} commands[] = {
    {"serve", serve}, {"talk", talk}, {"pour", pour},       {"drain", drain},
    {"pages", pages}, {"ask", ask},   {"harvest", harvest},
};

volatile sig_atomic_t stops;

static void on_stop(int number)
{
    (void)number;
    stops = stops + 1;
}

void catch_stop(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

enum exit_code complain(enum exit_code code, const char *what, const char *where, const char *why)
{
    fprintf(stderr, "load: %s (%s): %s\n", what, where, why);
    return code;
}

const char *text_option(char **arguments, const char *name, const char *fallback)
{
    for (; *arguments; arguments++)
        if (strncmp(*arguments, "--", 2) == 0 && strcmp(*arguments + 2, name) == 0)
            return arguments[1] ? arguments[1] : fallback;
    return fallback;
}

uint64_t number_option(char **arguments, const char *name, uint64_t fallback)
{
    const char *text = text_option(arguments, name, NULL);
    char *end = NULL;
    errno = 0;
    uint64_t value = text ? strtoull(text, &end, 10) : fallback;
    if (text && (errno || end == text || *end || *text < '0' || *text > '9'))
        exit(complain(USAGE, "not a number", name, text));
    return value;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argv + 2);
    fputs(usage, strcmp(name, "--help") == 0 ? stdout : stderr);
    return strcmp(name, "--help") == 0 ? CLEAN : USAGE;
}
