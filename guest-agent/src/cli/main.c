#include "cli/cli.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: domsock COMMAND [--run-dir DIR] ...\n"
    "  ls [--json]                 domains, names and ports; what is not shown, and why\n"
    "  streams [--json] [--watch]  each stream's path, bytes and longest stall\n"
    "  links [--json] [--watch]    the links to other domains\n"
    "  path DOMAIN [--json]        how bytes travel to a domain now\n"
    "  ping [DOMAIN] [-c COUNT]    whether the agent there (here) answers\n"
    "  nc DOMAIN PORT|PATH         standard input and output to a program there\n"
    "  nc -l PORT|PATH             the same, for the first who connects here\n"
    "  bench DOMAIN [--json]       round trip and rate, against: domsock bench --serve\n"
    "  run [--] PROGRAM [ARG]...   a program with AF_VSOCK between domains\n"
    "  routes [--json]             on a host: by which way each domain is reached\n"
    "  route                       the routes of one owner, as JSON on standard input\n"
    "  ctl                         requests to the agent on standard input, a line each; answers "
    "out\n"
    "  region create PATH --size BYTES --nonce HEX --ids A,B --generation N [--mode 0600]\n"
    "  region show PATH\n"
    "  region rm PATH --nonce HEX\n"
    "A DOMAIN is a name, an id, or host: the host this domain is on. Exit codes: 0 fine, 1 it "
    "failed, 2 asked for wrongly.\n";

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

int cli_run_dir(int argc, char **argv, const char **run_dir)
{
    static const struct option options[] = {{"run-dir", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    int letter;

    *run_dir = CLI_RUN_DIR_DEFAULT;
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == '?')
            return cli_usage("that is no option of %s, or a value is missing", argv[0]);
        *run_dir = optarg;
    }
    if (optind != argc)
        return cli_usage("%s takes no arguments: it reads standard input", argv[0]);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"ls", cli_ls},       {"links", cli_show},  {"streams", cli_show},
                {"path", cli_path},   {"ping", cli_ping},   {"nc", cli_nc},
                {"bench", cli_bench}, {"run", cli_run},     {"region", cli_region},
                {"routes", cli_show}, {"route", cli_route}, {"ctl", cli_ctl}};

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
