/* Whoever commands a host's agent reaches it so, by SSH: as a guest's by its port. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"

static int pass_on(const char *run_dir)
{
    char *line = NULL;
    size_t size = 0;
    int error = 0;

    while (!error && getline(&line, &size, stdin) > 0) {
        json_error_t fault;
        json_t *request = json_loads(line, 0, &fault), *answer = NULL;

        if (line[0] == '\n')
            continue;
        if (json_is_object(request))
            error = ask_agent_whatever(run_dir, request, &answer);
        else
            error = cli_fail("a line of standard input is no JSON object: %s", fault.text);
        if (!error)
            error = json_dumpf(answer, stdout, JSON_COMPACT) < 0 || puts("") < 0;
        json_decref(answer);
        fflush(stdout);
    }
    free(line);
    return error;
}

int cli_ctl(int argc, char **argv)
{
    static const struct option options[] = {{"run-dir", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *run_dir = CLI_RUN_DIR_DEFAULT;
    int letter;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == '?')
            return cli_usage("that is no option of ctl, or a value is missing");
        run_dir = optarg;
    }
    if (optind != argc)
        return cli_usage("ctl takes no arguments: requests come on standard input");
    return pass_on(run_dir);
}
