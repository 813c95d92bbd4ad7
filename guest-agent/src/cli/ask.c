#include "cli/ask.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/shim.h"
#include "base/name.h"
#include "cli/cli.h"

#define ANSWER_PATIENCE_S 5

static int dial(const char *run_dir, int patience_s, char path[108])
{
    struct timeval patience = {.tv_sec = patience_s};
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

static int refused(const json_t *answer)
{
    const char *why =
        json_string_value(json_object_get(json_object_get(answer, "error"), "message"));

    return cli_fail("the agent refused: %s", why ? why : "it does not say why");
}

/* A patience of 0 has no end. */
static int exchange(const char *run_dir, json_t *request, int patience_s, json_t **answer)
{
    char path[108];
    int fd = dial(run_dir, patience_s, path);
    FILE *channel = fd < 0 ? NULL : fdopen(fd, "r+");

    if (channel) {
        json_dumpf(request, channel, JSON_COMPACT);
        fputc('\n', channel);
        fflush(channel);
        *answer = read_answer(channel);
        fclose(channel);
    }
    json_decref(request);
    if (!channel)
        return cli_fail("no agent at %s: %s (is domsockd running? --run-dir?)", path,
                        strerror(-fd));
    if (!*answer && patience_s)
        return cli_fail("the agent at %s did not answer within %d s", path, patience_s);
    if (!*answer)
        return cli_fail("the agent at %s has hung up", path);
    return 0;
}

int ask_agent_whatever(const char *run_dir, json_t *request, json_t **answer)
{
    return exchange(run_dir, request, 0, answer);
}

int ask_agent_for(const char *run_dir, json_t *request, json_t **answer)
{
    int error = exchange(run_dir, request, ANSWER_PATIENCE_S, answer);

    if (error)
        return error;
    return json_is_true(json_object_get(*answer, "ok")) ? 0 : refused(*answer);
}

int ask_agent(const char *run_dir, const char *op, json_t **answer)
{
    return ask_agent_for(run_dir, json_pack("{s:s}", "op", op), answer);
}

/* The id that a text says by itself: a number, or "host". */
static bool says_id(const char *text, uint32_t *id)
{
    char *end;

    errno = 0;
    *id = (uint32_t)strtoul(text, &end, 10);
    if (!errno && end != text && !*end)
        return true;
    *id = SHIM_CID_HOST;
    return strcmp(text, DOMAIN_NAME_HOST) == 0;
}

json_t *ask_find_link(const json_t *answer, const char *domain)
{
    uint32_t id = 0;
    bool by_id = says_id(domain, &id);
    size_t index;
    json_t *link;

    if (by_id && id == SHIM_CID_HOST)
        id = (uint32_t)json_integer_value(json_object_get(answer, "host"));
    json_array_foreach(json_object_get(answer, "links"), index, link)
    {
        if (by_id ? json_integer_value(json_object_get(link, "peer_id")) == id
                  : strcmp(json_string_value(json_object_get(link, "peer")), domain) == 0)
            return link;
    }
    return NULL;
}

int ask_domain(const char *run_dir, const char *text, uint32_t *cid)
{
    json_t *answer = NULL;
    const json_t *link;
    int error;

    if (says_id(text, cid))
        return 0;
    error = ask_agent(run_dir, "links", &answer);
    if (error)
        return error;
    link = ask_find_link(answer, text);
    if (link)
        *cid = (uint32_t)json_integer_value(json_object_get(link, "peer_id"));
    else
        error = cli_fail("there is no grant with a domain \"%s\"; domsock ls shows which there are",
                         text);
    json_decref(answer);
    return error;
}
