#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: domsock run [--run-dir DIR] [--] PROGRAM [ARGUMENT]...\n"
    "       domsock ls | links | streams | ping   [--json] [--run-dir DIR]\n"
    "       domsock region create PATH --size BYTES --nonce HEX --ids A,B --generation N\n"
    "                             [--mode 0600]\n"
    "       domsock region show PATH\n"
    "       domsock region rm PATH --nonce HEX\n";

static void complain(const char *format, va_list args)
{
    fputs("domsock: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
}

int cli_fail(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(format, args);
    va_end(args);
    return CLI_EXIT_FAILED;
}

int cli_usage(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain(format, args);
    va_end(args);
    fputs(usage, stderr);
    return CLI_EXIT_USAGE;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"ls", cli_show},   {"links", cli_show},    {"streams", cli_show},
                {"ping", cli_show}, {"region", cli_region}, {"run", cli_run}};

int main(int argc, char **argv)
{
    opterr = 0; /* the commands complain themselves */
    if (argc < 2)
        return cli_usage("a command is missing");
    if (strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, argv[1]) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return cli_usage("there is no command \"%s\"", argv[1]);
}
