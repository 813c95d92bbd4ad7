/* Whoever commands a host's agent reaches it so, by SSH: as a guest's by its port. */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/ask.h"

static int pass_on(const char *run_dir, const char *line)
{
    json_error_t fault;
    json_t *request = json_loads(line, 0, &fault), *answer = NULL;
    int error;

    if (!json_is_object(request)) {
        json_decref(request);
        return cli_fail("a line of standard input is no JSON object: %s", fault.text);
    }
    error = ask_agent_whatever(run_dir, request, &answer);
    if (error)
        return error;
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(answer);
    return fflush(stdout) == 0 ? 0 : CLI_EXIT_FAILED; /* nobody reads it */
}

/* Empty lines are skipped, as the agent does. */
static int pass_all_on(const char *run_dir)
{
    char *line = NULL;
    size_t size = 0;
    int error = 0;

    while (!error && getline(&line, &size, stdin) > 0)
        error = line[0] == '\n' ? 0 : pass_on(run_dir, line);
    free(line);
    return error;
}

int cli_ctl(int argc, char **argv)
{
    const char *run_dir;
    int error = cli_run_dir(argc, argv, &run_dir);

    return error ? error : pass_all_on(run_dir);
}
