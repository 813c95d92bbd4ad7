/* domsock run: a program with AF_VSOCK through this domain's agent. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/shim.h"

#define SHIM_LIBRARY "libdomsock.so"
#define SHIM_INSTALLED "/usr/lib/domsock/" SHIM_LIBRARY
#define EXIT_NOT_FOUND 127 /* as a shell has it */
#define EXIT_NOT_EXECUTABLE 126

/* Beside this program (a build folder), else where it is installed. */
static int find_library(char path[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - sizeof(SHIM_LIBRARY));
    char *name;

    if (length > 0) {
        path[length] = '\0';
        name = strrchr(path, '/') + 1;
        strcpy(name, SHIM_LIBRARY);
        if (access(path, R_OK) == 0)
            return 0;
    }
    strcpy(path, SHIM_INSTALLED);
    return access(path, R_OK);
}

/* In front of what the program is to preload already. */
static void preload(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    char *all;

    if (!others || !*others) {
        setenv("LD_PRELOAD", library, 1);
    } else if (asprintf(&all, "%s:%s", library, others) > 0) {
        setenv("LD_PRELOAD", all, 1);
        free(all);
    }
}

int cli_run(int argc, char **argv)
{
    static const struct option options[] = {{"run-dir", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    char library[PATH_MAX];
    int letter;

    while ((letter = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
        if (letter != 'r')
            return cli_usage("run: unknown option, or a value is missing: %s", argv[optind - 1]);
        setenv(SHIM_RUN_DIR_VARIABLE, optarg, 1);
    }
    if (optind == argc)
        return cli_usage("run: a program is missing");
    if (find_library(library) < 0)
        return cli_fail("%s is neither beside domsock nor at %s", SHIM_LIBRARY, SHIM_INSTALLED);
    preload(library);
    execvp(argv[optind], argv + optind);
    cli_fail("%s cannot be run: %s", argv[optind], strerror(errno));
    return errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE;
}
