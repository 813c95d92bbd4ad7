/* Region files on the host. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/region_file.h"

enum given { SIZE = 1, NONCE = 2, IDS = 4, GENERATION = 8, MODE = 16 };

struct request {
    struct region_identity identity;
    unsigned mode;
    unsigned given;
    const char *path;
};

static int print(const char *path, const struct region_identity *identity)
{
    char nonce[2 * REGION_NONCE_SIZE + 1];

    hex_encode(nonce, identity->nonce, sizeof(identity->nonce));
    printf("{\"path\":\"");
    for (; *path; path++)
        printf(*path == '"' || *path == '\\' ? "\\%c" : "%c", *path);
    printf("\",\"size\":%" PRIu64 ",\"nonce\":\"%s\",\"ids\":[%u,%u],\"generation\":%" PRIu64
           ",\"abi\":%u}\n",
           identity->size, nonce, identity->lower_id, identity->higher_id, identity->generation,
           REGION_ABI_VERSION);
    return 0;
}

static int number(const char *text, int base, uint64_t max, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, base);
    return errno || end == text || *end || text[0] == '-' || *value > max ? -EINVAL : 0;
}

static int ids(const char *text, struct region_identity *identity)
{
    uint32_t a, b;
    char rest;

    if (strchr(text, '-') || sscanf(text, "%" SCNu32 ",%" SCNu32 "%c", &a, &b, &rest) != 2 ||
        a == b)
        return -EINVAL;
    identity->lower_id = a < b ? a : b;
    identity->higher_id = a < b ? b : a;
    return 0;
}

static int set(struct request *request, int letter, const char *text)
{
    struct region_identity *identity = &request->identity;
    uint64_t value;

    switch (letter) {
    case 's':
        request->given |= SIZE;
        return number(text, 10, UINT64_MAX, &identity->size);
    case 'n':
        request->given |= NONCE;
        return hex_decode(identity->nonce, sizeof(identity->nonce), text);
    case 'i':
        request->given |= IDS;
        return ids(text, identity);
    case 'g':
        request->given |= GENERATION;
        return number(text, 10, UINT64_MAX, &identity->generation);
    default:
        request->given |= MODE;
        if (number(text, 8, 0777, &value) < 0)
            return -EINVAL;
        request->mode = (unsigned)value;
        return 0;
    }
}

static int parse(struct request *request, int argc, char **argv)
{
    static const struct option options[] = {
        {"size", required_argument, NULL, 's'}, {"nonce", required_argument, NULL, 'n'},
        {"ids", required_argument, NULL, 'i'},  {"generation", required_argument, NULL, 'g'},
        {"mode", required_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
    int letter, index = 0;

    *request = (struct request){.mode = 0600};
    while ((letter = getopt_long(argc, argv, "", options, &index)) != -1) {
        if (letter == '?')
            return cli_usage("that is no option of a region command");
        if (set(request, letter, optarg) < 0)
            return cli_usage("--%s %s: not a valid value", options[index].name, optarg);
    }
    if (optind != argc - 1)
        return cli_usage("one PATH is needed");
    request->path = argv[optind];
    return 0;
}

static int create(const struct request *request)
{
    char why[REGION_FILE_WHY_MAX];
    const char *fault = region_size_fault(request->identity.size);

    if (fault)
        return cli_usage("--size %" PRIu64 ": %s", request->identity.size, fault);
    if (region_file_create(request->path, &request->identity, request->mode, why) < 0)
        return cli_fail("region %s is not created: %s", request->path, why);
    return print(request->path, &request->identity);
}

static int show(const struct request *request)
{
    struct region_identity identity;
    char why[REGION_FILE_WHY_MAX];

    if (region_file_read(request->path, &identity, why) < 0)
        return cli_fail("region %s cannot be shown: %s", request->path, why);
    return print(request->path, &identity);
}

static int rm(const struct request *request)
{
    char why[REGION_FILE_WHY_MAX];

    if (region_file_remove(request->path, request->identity.nonce, why) < 0)
        return cli_fail("region %s is not removed: %s", request->path, why);
    return 0;
}

static const struct {
    const char *name;
    unsigned needs;
    unsigned takes;
    int (*run)(const struct request *request);
} actions[] = {{"create", SIZE | NONCE | IDS | GENERATION, MODE, create},
               {"show", 0, 0, show},
               {"rm", NONCE, 0, rm}};

int cli_region(int argc, char **argv)
{
    struct request request;
    int error;

    for (size_t i = 0; argc > 1 && i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].name, argv[1]) != 0)
            continue;
        error = parse(&request, argc - 1, argv + 1);
        if (error)
            return error;
        if ((request.given & actions[i].needs) != actions[i].needs ||
            request.given & ~(actions[i].needs | actions[i].takes))
            return cli_usage("region %s: options are missing or too many", argv[1]);
        return actions[i].run(&request);
    }
    return cli_usage("region: create, show or rm?");
}
