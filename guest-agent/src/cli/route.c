/* Telling a host's agent its routes: on standard input, because there is a key in them. */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/ask.h"

int cli_route(int argc, char **argv)
{
    const char *run_dir;
    json_t *request, *answer = NULL;
    json_error_t fault;
    int error = cli_run_dir(argc, argv, &run_dir);

    if (error)
        return error;
    request = json_loadf(stdin, 0, &fault);
    if (!json_is_object(request)) {
        json_decref(request);
        return cli_fail("standard input is no JSON object: %s", fault.text);
    }
    json_object_set_new(request, "op", json_string("routes.set"));
    error = ask_agent_for(run_dir, request, &answer);
    json_decref(answer);
    return error;
}
