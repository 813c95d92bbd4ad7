/* Telling a host's agent its routes: on standard input, because there is a key in them. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>

#include "cli/ask.h"

int cli_route(int argc, char **argv)
{
    static const struct option options[] = {{"run-dir", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *run_dir = CLI_RUN_DIR_DEFAULT;
    json_t *request, *answer = NULL;
    json_error_t fault;
    int letter, error;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == '?')
            return cli_usage("that is no option of route, or a value is missing");
        run_dir = optarg;
    }
    if (optind != argc)
        return cli_usage("route takes no arguments: the routes come on standard input");
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
