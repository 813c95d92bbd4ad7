#include "daemon/agent.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

#define AGENT_USER "domsockd"
#define AGENT_UID 65533u /* nobody's, by anybody's rules */

static const char usage[] =
    "usage: domsockd --name NAME --id ID [--run-dir DIR] [--ctl PORT] [--data PORT]\n"
    "                [--listen ADDRESS:PORT] [--relay-listen ADDRESS:PORT]\n"
    "                [--log FILE] [--memory MIB] [--grace MS] [--user USER]\n"
    "                [--remote-user USER]\n"
    "  --name     this domain's name: letters, digits, '-', '_' and '.'\n"
    "  --id       this domain's id, 3 or more\n"
    "  --run-dir  where sockets are (default /run/domsock)\n"
    "  --ctl      a character device with the harness at its other end (default: none)\n"
    "  --data     a character device with the host's agent at its other end (default: none)\n"
    "  --listen   where peers' agents connect (default 0.0.0.0:7777; port 0: any free one)\n"
    "  --relay-listen  on a host: where other hosts' agents connect (default: nowhere)\n"
    "  --log      a file to append to (default: standard error)\n"
    "  --memory   MiB that all streams' windows may use together (default 8); on a host,\n"
    "             those of each link\n"
    "  --grace    ms that streams wait for a lost connection to come back (default 60000)\n"
    "  --user     as whom it runs when root starts it: a name or number, never root (default: the\n"
    "             user " AGENT_USER ", or 65533 where there is none)\n"
    "  --remote-user  who connects to servers here for a remote domain that has no user\n"
    "             domsock-DOMAIN on this machine: a name or number, never root (default 65534)\n";

static const struct option long_options[] = {
    {"name", required_argument, NULL, 'n'},
    {"id", required_argument, NULL, 'i'},
    {"run-dir", required_argument, NULL, 'r'},
    {"ctl", required_argument, NULL, 'c'},
    {"data", required_argument, NULL, 'd'},
    {"listen", required_argument, NULL, 'l'},
    {"relay-listen", required_argument, NULL, 'y'},
    {"log", required_argument, NULL, 'o'},
    {"memory", required_argument, NULL, 'm'},
    {"grace", required_argument, NULL, 'g'},
    {"user", required_argument, NULL, 'a'},
    {"remote-user", required_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] == '-' || *number < min || *number > max)
        return -EINVAL;
    return 0;
}

static int parse_listen(char address[64], uint16_t *port, const char *text)
{
    const char *colon = strrchr(text, ':');
    uint64_t number;

    if (!colon || colon - text >= 64 || parse_number(colon + 1, 0, UINT16_MAX, &number) < 0)
        return -EINVAL;
    memcpy(address, text, (size_t)(colon - text));
    address[colon - text] = '\0';
    *port = (uint16_t)number;
    return 0;
}

static int set(struct options *options, int letter, const char *text)
{
    uint64_t number;

    switch (letter) {
    case 'n':
        options->name = text;
        return domain_name_valid(text) ? 0 : -EINVAL;
    case 'i':
        if (parse_number(text, 3, UINT32_MAX - 1, &number) < 0)
            return -EINVAL;
        options->id = (uint32_t)number;
        return 0;
    case 'r':
        options->run_dir = text;
        return strlen(text) < AGENT_PATH_MAX - 64 ? 0 : -EINVAL;
    case 'c':
        options->ctl = strcmp(text, "none") ? text : NULL;
        return 0;
    case 'd':
        options->data = strcmp(text, "none") ? text : NULL;
        return 0;
    case 'l':
        return parse_listen(options->listen_address, &options->listen_port, text);
    case 'y':
        return parse_listen(options->relay_address, &options->relay_port, text);
    case 'o':
        options->log = text;
        return 0;
    case 'm':
        if (parse_number(text, 1, 4096, &number) < 0)
            return -EINVAL;
        options->memory = number << 20;
        return 0;
    case 'g':
        if (parse_number(text, 1, 3600000, &number) < 0)
            return -EINVAL;
        options->grace_us = number * 1000;
        return 0;
    case 'a':
        return remote_user_parse(&options->user, text);
    case 'u':
        return remote_user_parse(&options->remote_user, text);
    default:
        return -EINVAL;
    }
}

int options_parse(struct options *options, int argc, char **argv)
{
    int letter, index = 0;

    *options = (struct options){.run_dir = "/run/domsock",
                                .listen_address = "0.0.0.0",
                                .listen_port = AGENT_PORT_DEFAULT,
                                .memory = 8u << 20,
                                .grace_us = 60000000u,
                                .user = {.uid = AGENT_UID, .gid = AGENT_UID},
                                .remote_user = {.uid = REMOTE_NOBODY, .gid = REMOTE_NOBODY}};
    remote_user_parse(&options->user, AGENT_USER); /* as it was where there is none */
    while ((letter = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (letter == '?' || letter == 'h') {
            fputs(usage, letter == 'h' ? stdout : stderr);
            exit(letter == 'h' ? 0 : 2);
        }
        if (set(options, letter, optarg) < 0) {
            fprintf(stderr, "domsockd: --%s %s: not a valid value\n%s", long_options[index].name,
                    optarg, usage);
            return -EINVAL;
        }
    }
    if (options->name && options->id && optind == argc)
        return 0;
    fprintf(stderr, "domsockd: --name and --id are needed, and nothing beside options\n%s", usage);
    return -EINVAL;
}
