/* Asking the local agent. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_PATIENCE_S 5

static int dial(const char *run_dir, char path[108])
{
    struct timeval patience = {.tv_sec = ANSWER_PATIENCE_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd;

    snprintf(path, 108, "%.90s/agent.sock", run_dir);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = -errno;

        close(fd);
        return error;
    }
    return fd;
}

/* The agent also sends events, which have no "ok"; NULL when the connection ends or is silent. */
static json_t *read_answer(FILE *channel)
{
    char *line = NULL;
    size_t size = 0;
    json_t *message = NULL;

    while (getline(&line, &size, channel) > 0) {
        message = json_loads(line, 0, NULL);
        if (json_object_get(message, "ok"))
            break;
        json_decref(message);
        message = NULL;
    }
    free(line);
    return message;
}

static int ask(const char *run_dir, const char *op, json_t **answer)
{
    char path[108];
    int fd = dial(run_dir, path);
    FILE *channel;

    if (fd < 0)
        return cli_fail("no agent at %s: %s (is domsockd running? --run-dir?)", path,
                        strerror(-fd));
    channel = fdopen(fd, "r+");
    fprintf(channel, "{\"id\":1,\"op\":\"%s\"}\n", op);
    fflush(channel);
    *answer = read_answer(channel);
    fclose(channel);
    if (!*answer)
        return cli_fail("the agent at %s did not answer within %d s", path, ANSWER_PATIENCE_S);
    return json_is_true(json_object_get(*answer, "ok")) ? 0 : cli_fail("the agent refused");
}

static void print_cell(const json_t *row, const char *field, int width)
{
    const json_t *value = json_object_get(row, field);

    if (json_is_string(value))
        printf("%-*s ", width, json_string_value(value));
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
    static const struct column columns[] = {
        {"id", 6},        {"peer", 12},      {"name", 20},     {"role", 8},
        {"path", 4},      {"state", 8},      {"sent", 12},     {"acked", 12},
        {"received", 12}, {"delivered", 12}, {"handovers", 9}, {"longest_stall_ms", 16},
        {NULL, 0}};

    print_table(json_object_get(answer, "streams"), columns);
}

static void show_exports(const json_t *answer)
{
    const json_t *local = json_object_get(answer, "local");
    json_t *remote = json_object_get(answer, "remote");
    json_t *names, *name;
    const char *peer;
    size_t index;

    json_array_foreach(local, index, name) printf("self/%s\n", json_string_value(name));
    json_object_foreach(remote, peer, names)
    {
        json_array_foreach(names, index, name) printf("%s/%s\n", peer, json_string_value(name));
    }
}

static void show_ping(const json_t *answer)
{
    (void)answer;
    puts("the agent answers");
}

static const struct {
    const char *name;
    const char *op;
    void (*show)(const json_t *answer);
} commands[] = {{"ls", "exports", show_exports},
                {"links", "links", show_links},
                {"streams", "streams", show_streams},
                {"ping", "ping", show_ping}};

static void print_json(json_t *answer)
{
    json_object_del(answer, "id");
    json_object_del(answer, "ok");
    json_dumpf(answer, stdout, JSON_INDENT(2));
    putchar('\n');
}

int cli_show(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"run-dir", required_argument, NULL, 'r'},
                                            {NULL, 0, NULL, 0}};
    const char *run_dir = CLI_RUN_DIR_DEFAULT;
    json_t *answer = NULL;
    int letter, error, json = 0;
    size_t which = 0;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (letter == '?')
            return cli_usage("that is no option of %s", argv[0]);
        json |= letter == 'j';
        run_dir = letter == 'r' ? optarg : run_dir;
    }
    if (optind != argc)
        return cli_usage("%s takes no arguments", argv[0]);
    while (strcmp(commands[which].name, argv[0]) != 0)
        which++;
    error = ask(run_dir, commands[which].op, &answer);
    if (!error && json)
        print_json(answer);
    else if (!error)
        commands[which].show(answer);
    json_decref(answer);
    return error;
}
