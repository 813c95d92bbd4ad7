/* domsock ls: the domains there are, and what can be reached by name and by port. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/cli.h"

static const char *text(const json_t *object, const char *field)
{
    const char *value = json_string_value(json_object_get(object, field));

    return value ? value : "";
}

static long long number(const json_t *object, const char *field)
{
    return (long long)json_integer_value(json_object_get(object, field));
}

static void print_domains(const json_t *answer)
{
    size_t index;
    json_t *link;

    printf("%-16s %-10s %-10s %-4s %7s %10s\n", "domain", "id", "state", "path", "streams",
           "shared MiB");
    json_array_foreach(json_object_get(answer, "links"), index, link)
    {
        printf("%-16s %-10lld %-10s %-5s %6lld %10.1f%s\n", text(link, "peer"),
               number(link, "peer_id"), text(link, "state"), text(link, "path"),
               number(link, "streams"), (double)number(link, "size") / (1 << 20),
               number(link, "peer_id") == number(answer, "host") ? "  this host" : "");
    }
    json_array_foreach(json_object_get(answer, "domains"), index, link)
    {
        printf("%-16s %-10lld %-10s\n", text(link, "name"), number(link, "id"), "no grant");
    }
}

static void print_withheld(const json_t *item)
{
    const char *peer = text(item, "peer");

    if (!*peer)
        printf("self/%-27s not shown: %s\n", text(item, "name"), text(item, "why"));
    else
        printf("self/%-27s not shown to %s: %s (user %lld)\n", text(item, "name"), peer,
               text(item, "why"), number(item, "user"));
}

/* From some domain at least: then a line of its own says so. */
static bool is_withheld(const json_t *withheld, const char *name)
{
    size_t index;
    json_t *item;

    json_array_foreach(withheld, index, item)
    {
        if (strcmp(text(item, "name"), name) == 0)
            return true;
    }
    return false;
}

static void print_names(const json_t *exports)
{
    const json_t *withheld = json_object_get(exports, "withheld");
    json_t *remote = json_object_get(exports, "remote"), *names, *item;
    const char *peer;
    size_t index;

    json_array_foreach(json_object_get(exports, "local"), index, item)
    {
        if (!is_withheld(withheld, json_string_value(item)))
            printf("self/%s\n", json_string_value(item));
    }
    json_array_foreach(withheld, index, item) print_withheld(item);
    json_object_foreach(remote, peer, names)
    {
        json_array_foreach(names, index, item) printf("%s/%s\n", peer, json_string_value(item));
    }
}

static void print_ports(const json_t *exports)
{
    size_t index;
    json_t *port;

    json_array_foreach(json_object_get(exports, "ports"), index, port)
    {
        if (json_is_true(json_object_get(port, "listens")))
            printf("port %-27lld backlog %lld, waiting %lld\n", number(port, "port"),
                   number(port, "backlog"), number(port, "waiting"));
    }
}

static void print_json(const json_t *links, const json_t *exports)
{
    json_t *all = json_pack(
        "{s:O, s:O, s:O, s:O, s:O, s:O}", "links", json_object_get(links, "links"), "domains",
        json_object_get(links, "domains"), "local", json_object_get(exports, "local"), "withheld",
        json_object_get(exports, "withheld"), "remote", json_object_get(exports, "remote"), "ports",
        json_object_get(exports, "ports"));

    json_dumpf(all, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(all);
}

static int show(const char *run_dir, bool as_json)
{
    json_t *links = NULL, *exports = NULL;
    int error = ask_agent(run_dir, "links", &links);

    if (!error)
        error = ask_agent(run_dir, "exports", &exports);
    if (!error && as_json) {
        print_json(links, exports);
    } else if (!error) {
        print_domains(links);
        print_names(exports);
        print_ports(exports);
    }
    json_decref(links);
    json_decref(exports);
    return error;
}

int cli_ls(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"run-dir", required_argument, NULL, 'r'}, {0}};
    const char *run_dir = CLI_RUN_DIR_DEFAULT;
    bool as_json = false;
    int letter;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (letter == '?')
            return cli_usage("that is no option of ls, or a value is missing");
        as_json |= letter == 'j';
        run_dir = letter == 'r' ? optarg : run_dir;
    }
    if (optind != argc)
        return cli_usage("ls takes no arguments");
    return show(run_dir, as_json);
}
