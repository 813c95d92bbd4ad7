/* Links, streams and routes, as the local agent sees them. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cli.h"

#define CLEAR_SCREEN "\033[H\033[2J"

static void print_cell(const json_t *row, const char *field, int width)
{
    const json_t *value = json_object_get(row, field);

    if (!value)
        printf("%-*s ", width, "-");
    else if (json_is_string(value))
        printf("%-*s ", width, json_string_value(value));
    else if (json_is_boolean(value))
        printf("%-*s ", width, json_is_true(value) ? "yes" : "no");
    else if (json_is_real(value))
        printf("%-*.1f ", width, json_real_value(value));
    else
        printf("%-*lld ", width, (long long)json_integer_value(value));
}

struct column {
    const char *field;
    int width;
};

static void print_table(const json_t *rows, const struct column *columns)
{
    size_t index;
    json_t *row;

    for (const struct column *c = columns; c->field; c++)
        printf("%-*s ", c->width, c->field);
    putchar('\n');
    json_array_foreach(rows, index, row)
    {
        for (const struct column *c = columns; c->field; c++)
            print_cell(row, c->field, c->width);
        putchar('\n');
    }
}

static void show_links(const json_t *answer)
{
    static const struct column columns[] = {{"peer", 16}, {"peer_id", 8}, {"state", 10},
                                            {"path", 4},  {"epoch", 6},   {"streams", 7},
                                            {"mbps", 6},  {NULL, 0}};

    print_table(json_object_get(answer, "links"), columns);
}

static void show_streams(const json_t *answer)
{
    static const struct column columns[] = {{"id", 6},
                                            {"peer", 12},
                                            {"name", 20},
                                            {"role", 8},
                                            {"path", 4},
                                            {"direct", 6},
                                            {"state", 8},
                                            {"sent", 12},
                                            {"acked", 12},
                                            {"received", 12},
                                            {"delivered", 12},
                                            {"handovers", 9},
                                            {"longest_stall_ms", 16},
                                            {NULL, 0}};

    print_table(json_object_get(answer, "streams"), columns);
}

static void show_routes(const json_t *answer)
{
    static const struct column columns[] = {{"domain", 8},   {"owner", 24},  {"up", 4}, {"host", 8},
                                            {"address", 16}, {"socket", 40}, {NULL, 0}};

    print_table(json_object_get(answer, "routes"), columns);
}

static const struct {
    const char *name;
    void (*show)(const json_t *answer);
} commands[] = {{"links", show_links}, {"streams", show_streams}, {"routes", show_routes}};

static void print_json(json_t *answer)
{
    json_object_del(answer, "id");
    json_object_del(answer, "ok");
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
}

struct wish {
    const char *run_dir;
    int json;
    int watch;
};

static int parse(struct wish *wish, int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"watch", no_argument, NULL, 'w'},
                                            {"run-dir", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    int letter;

    *wish = (struct wish){.run_dir = CLI_RUN_DIR_DEFAULT};
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == '?')
            return cli_usage("that is no option of %s, or a value is missing", argv[0]);
        wish->json |= letter == 'j';
        wish->watch |= letter == 'w';
        wish->run_dir = letter == 'r' ? optarg : wish->run_dir;
    }
    return optind == argc ? 0 : cli_usage("%s takes no arguments", argv[0]);
}

static int show_once(const struct wish *wish, size_t which)
{
    json_t *answer = NULL;
    int error = ask_agent(wish->run_dir, commands[which].name, &answer);

    if (!error && wish->json)
        print_json(answer);
    else if (!error)
        commands[which].show(answer);
    json_decref(answer);
    return error;
}

int cli_show(int argc, char **argv)
{
    struct wish wish;
    size_t which = 0;
    int error = parse(&wish, argc, argv);

    if (error)
        return error;
    while (strcmp(commands[which].name, argv[0]) != 0)
        which++;
    error = show_once(&wish, which);
    while (wish.watch && !error) {
        fflush(stdout);
        sleep(1);
        fputs(isatty(STDOUT_FILENO) ? CLEAR_SCREEN : "\n", stdout);
        error = show_once(&wish, which);
    }
    return error;
}
