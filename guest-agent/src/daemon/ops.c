#include "daemon/ops.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/name.h"
#include "daemon/args.h"
#include "daemon/ctl.h"
#include "daemon/describe.h"
#include "daemon/domains.h"
#include "daemon/exports.h"
#include "daemon/host.h"
#include "daemon/imports.h"
#include "daemon/ports.h"
#include "daemon/requests.h"
#include "daemon/routes.h"

#define OP_DEADLINE_MAX_MS 600000u
#define OP_DEADLINE_MS 10000u

static bool refused(const struct args *args, struct reply *reply)
{
    if (args->fault[0])
        reply_error(reply, "bad-argument", "%s", args->fault);
    return args->fault[0] != '\0';
}

/* The peer the request names; answers itself if there is none. Several may command the agent of a
 * host: who names himself as the owner means his own links. */
static struct peer *named_peer(struct agent *agent, struct args *args, struct reply *reply)
{
    const char *name = args_text(args, "peer", WIRE_DOMAIN_NAME_MAX);
    const char *owner = args_text_or_null(args, "owner", PEER_OWNER_MAX);
    struct peer *peer;

    if (refused(args, reply))
        return NULL;
    peer = peers_find(agent, name);
    if (peer && owner && strcmp(peer->owner, owner) != 0)
        peer = NULL;
    if (!peer)
        reply_error(reply, "no-link", "there is no link to \"%s\" here: use link.add first", name);
    return peer;
}

static void op_ping(struct agent *agent, struct args *args, struct reply *reply)
{
    (void)agent, (void)args;
    reply_ok(reply, NULL);
}

static void op_hello(struct agent *agent, struct args *args, struct reply *reply)
{
    uint64_t now_us = clock_now_us();
    char incarnation[17];

    (void)args;
    lingering_look(&agent->lingering);
    snprintf(incarnation, sizeof(incarnation), "%016" PRIx64, agent->incarnation);
    reply_ok(reply,
             json_pack("{s:s, s:I, s:s, s:i, s:s, s:i, s:I, s:I, s:i, s:I, s:i}", "name",
                       agent->options.name, "domain_id", (json_int_t)agent->options.id, "version",
                       AGENT_VERSION, "abi", (int)REGION_ABI_VERSION, "incarnation", incarnation,
                       "pid", (int)getpid(), "monotonic_ns", (json_int_t)(now_us * 1000u),
                       "uptime_ms", (json_int_t)((now_us - agent->started_us) / 1000u), "port",
                       (int)agent->port, "host", (json_int_t)host_id(agent), "lingering",
                       (int)agent->lingering.count));
}

static const char *link_fault(const char *name, const char *address)
{
    struct in_addr parsed;

    if (!domain_name_valid(name))
        return "\"peer\" must be a domain name: letters, digits, '-', '_' and '.'";
    if (address && inet_pton(AF_INET, address, &parsed) != 1)
        return "\"address\" must be an IPv4 address";
    return NULL;
}

/* The texts belong to the request. */
static void parse_link(struct args *args, struct peer_told *told)
{
    const char *owner = args_text_or_null(args, "owner", PEER_OWNER_MAX);
    const char *address =
        args_text_or_null(args, "address", sizeof(((struct peer *)0)->address) - 1);
    const char *name = args_text(args, "peer", WIRE_DOMAIN_NAME_MAX);

    *told = (struct peer_told){
        .name = name ? name : "",
        .id = (uint32_t)args_number(args, "peer_id", DOMAIN_ID_MIN, DOMAIN_ID_MAX),
        .owner = owner ? owner : "",
        .address = address ? address : "",
        .port = (uint16_t)args_number_or(args, "port", 1, UINT16_MAX, AGENT_PORT_DEFAULT)};
    args_hex(args, "key", told->key, sizeof(told->key));
    if (!args->fault[0] && link_fault(name, address))
        args_fault(args, "%s", link_fault(name, address));
}

static void op_link_add(struct agent *agent, struct args *args, struct reply *reply)
{
    struct peer_told told;
    int result;

    parse_link(args, &told);
    if (refused(args, reply))
        return;
    result = peers_add(agent, &told);
    if (result == EADDRINUSE)
        reply_error(
            reply, "clash",
            "the name \"%s\" or the id %u belongs to another domain, or the link to another "
            "owner",
            told.name, told.id);
    else if (result < 0)
        reply_error(reply, "failed", "the link cannot be made: %s", strerror(-result));
    else
        reply_ok(reply, NULL);
}

static void op_link_remove(struct agent *agent, struct args *args, struct reply *reply)
{
    const char *policy = args_text_or_null(args, "policy", 16);
    struct peer *peer;

    if (policy && strcmp(policy, "reset") != 0) {
        reply_error(reply, "bad-argument", "\"policy\" must be \"reset\"");
        return;
    }
    peer = named_peer(agent, args, reply);
    if (!peer)
        return;
    peers_remove(peer);
    reply_ok(reply, NULL);
}

static void op_links(struct agent *agent, struct args *args, struct reply *reply)
{
    json_t *links = json_array();

    (void)args;
    for (struct peer *peer = agent->peers; peer; peer = peer->next)
        json_array_append_new(links, describe_link(peer));
    reply_ok(reply,
             json_pack("{s:o, s:o, s:I}", "links", links, "domains",
                       domains_describe_unlinked(agent), "host", (json_int_t)host_id(agent)));
}

static void op_streams(struct agent *agent, struct args *args, struct reply *reply)
{
    json_t *streams = json_array();

    (void)args;
    for (struct peer *peer = agent->peers; peer; peer = peer->next)
        describe_streams(peer, streams);
    reply_ok(reply, json_pack("{s:o}", "streams", streams));
}

static void op_exports(struct agent *agent, struct args *args, struct reply *reply)
{
    json_t *remote = json_object();

    (void)args;
    for (struct peer *peer = agent->peers; peer; peer = peer->next)
        json_object_set_new(remote, peer->name, imports_describe(peer));
    reply_ok(reply, json_pack("{s:o, s:o, s:o, s:o}", "local", exports_describe(agent), "withheld",
                              exports_describe_withheld(agent), "remote", remote, "ports",
                              ports_describe(agent)));
}

static void op_region_attach(struct agent *agent, struct args *args, struct reply *reply)
{
    const char *file = args_text_or_null(args, "file", AGENT_PATH_MAX - 1);
    uint32_t deadline_ms =
        (uint32_t)args_number_or(args, "deadline_ms", 0, OP_DEADLINE_MAX_MS, OP_DEADLINE_MS);
    uint8_t nonce[REGION_NONCE_SIZE];
    struct peer *peer;

    args_hex(args, "nonce", nonce, sizeof(nonce));
    peer = named_peer(agent, args, reply);
    if (peer)
        requests_attach(peer, nonce, file, deadline_ms, reply);
}

static void op_region_detach(struct agent *agent, struct args *args, struct reply *reply)
{
    struct peer *peer = named_peer(agent, args, reply);

    if (!peer)
        return;
    if (link_detach(peer->link) == LINK_BUSY)
        reply_error(reply, "busy", "the link to %s is on shm: hand it over to tcp first",
                    peer->name);
    else
        reply_ok(reply, NULL);
}

static void op_handover(struct agent *agent, struct args *args, struct reply *reply)
{
    const char *to = args_text(args, "to", 8);
    uint32_t deadline_ms =
        (uint32_t)args_number_or(args, "deadline_ms", 1, OP_DEADLINE_MAX_MS, OP_DEADLINE_MS);
    struct peer *peer = named_peer(agent, args, reply);

    if (!peer)
        return;
    if (strcmp(to, "shm") == 0)
        requests_hand_over(peer, WIRE_PATH_SHM, deadline_ms, reply);
    else if (strcmp(to, "tcp") == 0 || strcmp(to, "relay") == 0) /* whichever its connection is */
        requests_hand_over(peer, WIRE_PATH_TCP, deadline_ms, reply);
    else
        reply_error(reply, "bad-argument", "\"to\" must be \"shm\", \"tcp\" or \"relay\"");
}

static const struct {
    const char *name;
    void (*serve)(struct agent *agent, struct args *args, struct reply *reply);
} ops[] = {
    {"ping", op_ping},
    {"hello", op_hello},
    {"link.add", op_link_add},
    {"link.remove", op_link_remove},
    {"links", op_links},
    {"domains.set", domains_serve_set},
    {"streams", op_streams},
    {"exports", op_exports},
    {"region.attach", op_region_attach},
    {"region.detach", op_region_detach},
    {"handover", op_handover},
    {"routes.set", routes_serve_set},
    {"routes", routes_serve_list},
};

void ops_serve(struct agent *agent, json_t *request, struct reply *reply)
{
    struct args args = {.request = request};
    const char *name = args_text(&args, "op", 32);

    if (refused(&args, reply))
        return;
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strcmp(ops[i].name, name) == 0) {
            ops[i].serve(agent, &args, reply);
            return;
        }
    }
    reply_error(reply, "unknown-op", "this agent (version " AGENT_VERSION ") knows no op \"%s\"",
                name);
}
