#include "daemon/routes.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/log.h"
#include "base/name.h"
#include "daemon/ctl.h"
#include "daemon/opener.h"
#include "daemon/peers.h"
#include "daemon/trunks.h"

#define ROUTE_SOCKET_MAX 107u
#define ROUTE_OWNER_MAX 63u
#define ROUTE_ADDRESS_MAX 63u
#define ROUTES_MAX 256u
#define ROUTES_FILE "routes.json"

struct route {
    struct route *next;
    struct relay *relay;
    json_t *said;
    char owner[ROUTE_OWNER_MAX + 1];
    bool kept; /* while a table is replaced: it is in the new one, too */
    uint32_t domain;
    struct trunk *trunk; /* to the domain's host; NULL: the domain is a guest here */
    char socket[ROUTE_SOCKET_MAX + 1];
    struct relay_pipe port;
    struct loop_timer retry;
    struct backoff backoff;
};

static struct route *find(const struct relay *relay, uint32_t domain)
{
    struct route *route = relay->routes;

    while (route && route->domain != domain)
        route = route->next;
    return route;
}

struct relay_way *routes_find(struct agent *agent, uint32_t domain)
{
    struct route *route = find(agent->relay, domain);

    if (route && route->trunk)
        return trunk_way(route->trunk);
    return route && route->port.line.up ? &route->port.line.way : NULL;
}

void routes_changed(struct agent *agent)
{
    relay_switch_settle(&agent->relay->between);
    peers_relay_changed(agent); /* a host's own links take these ways, too */
}

/* ---- the host's end of a guest's port ---- */

static void port_up(struct relay_line *line)
{
    struct route *route = container_of(line, struct route, port.line);

    log_info("relay: domain %u is at its port", route->domain);
    backoff_reset(&route->backoff);
    routes_changed(route->relay->agent);
}

static void port_reset(struct relay_line *line)
{
    struct route *route = container_of(line, struct route, port.line);

    relay_switch_reset(&route->relay->between, &line->way);
}

static void port_frame(struct relay_line *line, const struct relay_frame *frame,
                       const uint8_t *payload)
{
    struct route *route = container_of(line, struct route, port.line);

    relay_switch_pass(&route->relay->between, &line->way, frame, payload);
}

static const struct relay_line_user port_user = {
    .up = port_up, .reset = port_reset, .frame = port_frame};

static void retry_later(struct route *route)
{
    loop_arm(&route->relay->agent->loop, &route->retry, backoff_next(&route->backoff));
}

static void port_ended(struct relay_pipe *pipe, const char *reason)
{
    struct route *route = container_of(pipe, struct route, port);

    log_warning("relay: the port of domain %u ended: %s", route->domain, reason);
    retry_later(route);
}

static void open_port(struct loop_timer *timer)
{
    struct route *route = container_of(timer, struct route, retry);
    int fd = opener_meet_guest(route->relay->agent, route->socket);

    if (fd < 0 || relay_pipe_open(&route->port, fd, false) < 0)
        retry_later(route);
}

/* ---- the table ---- */

static void route_free(struct route *route)
{
    struct route **at = &route->relay->routes;

    while (*at != route)
        at = &(*at)->next;
    *at = route->next;
    loop_disarm(&route->relay->agent->loop, &route->retry);
    relay_pipe_deinit(&route->port);
    json_decref(route->said);
    free(route);
}

static struct route *route_new(struct relay *relay, uint32_t domain)
{
    struct route *route = calloc(1, sizeof(*route));
    uint32_t count = 0;

    for (const struct route *other = relay->routes; other; other = other->next)
        count++;
    if (!route || count >= ROUTES_MAX) {
        free(route);
        return NULL;
    }
    *route = (struct route){
        .next = relay->routes, .relay = relay, .domain = domain, .retry.expired = open_port};
    relay_pipe_init(&route->port, &relay->agent->loop, false, &port_user, port_ended);
    route->port.line.self = relay->agent->options.id;
    relay->routes = route;
    return route;
}

/* A route's trunk is kept while a route needs it. */
static void drop_idle_trunks(struct relay *relay)
{
    trunks_unmark(relay);
    for (struct route *route = relay->routes; route; route = route->next)
        if (route->trunk)
            trunk_mark(route->trunk);
    trunks_sweep(relay->agent);
}

void routes_stop(struct agent *agent)
{
    while (agent->relay->routes)
        route_free(agent->relay->routes);
}

/* ---- kept in a file ---- */

static void file_path(const struct agent *agent, const char *suffix, char path[AGENT_PATH_MAX + 32])
{
    snprintf(path, AGENT_PATH_MAX + 32, "%s/" ROUTES_FILE "%s", agent->options.run_dir, suffix);
}

/* A route that is not kept is only said again by whoever commands us. */
static void save(const struct agent *agent)
{
    char path[AGENT_PATH_MAX + 32], aside[AGENT_PATH_MAX + 32];
    json_t *list = json_array();
    int fd;

    file_path(agent, "", path);
    file_path(agent, ".new", aside);
    for (const struct route *route = agent->relay->routes; route; route = route->next)
        json_array_append_new(list,
                              json_pack("{s:s, s:O}", "owner", route->owner, "said", route->said));
    fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600); /* it holds a key */
    if (fd < 0 || json_dumpfd(list, fd, JSON_COMPACT) < 0 || rename(aside, path) < 0)
        log_warning("relay: the routes cannot be kept in %s", path);
    if (fd >= 0)
        close(fd);
    json_decref(list);
}

/* ---- setting ---- */

/* A route as it is said. */
struct wish {
    const char *owner;
    uint32_t domain;
    const char *socket;
    const char *address;
    uint32_t host;
    uint16_t port;
    uint8_t key[TRUNK_KEY_SIZE];
};

static void parse(const struct agent *agent, struct args *args, struct wish *wish)
{
    struct in_addr parsed;

    wish->domain = (uint32_t)args_number(args, "domain", DOMAIN_ID_MIN, DOMAIN_ID_MAX);
    wish->socket = args_text_or_null(args, "socket", ROUTE_SOCKET_MAX);
    wish->address = args_text_or_null(args, "address", ROUTE_ADDRESS_MAX);
    if (wish->address) {
        wish->host = (uint32_t)args_number(args, "host", DOMAIN_ID_MIN, DOMAIN_ID_MAX);
        wish->port = (uint16_t)args_number_or(args, "port", 1, UINT16_MAX, TRUNK_PORT_DEFAULT);
        args_hex(args, "key", wish->key, sizeof(wish->key));
    }
    if (!wish->socket == !wish->address)
        args_fault(args, "a route needs \"socket\", or \"address\" and \"host\"");
    if (wish->address && inet_pton(AF_INET, wish->address, &parsed) != 1)
        args_fault(args, "\"address\" must be an IPv4 address");
    if (wish->domain == agent->options.id || wish->host == agent->options.id)
        args_fault(args, "%u is this domain itself", agent->options.id);
}

static bool is_as_wished(const struct route *route, const struct wish *wish,
                         const struct trunk *trunk)
{
    return route && route->trunk == trunk &&
           strcmp(route->socket, wish->socket ? wish->socket : "") == 0;
}

static struct route *replace(struct agent *agent, struct route *route, const struct wish *wish,
                             struct trunk *trunk)
{
    if (route)
        route_free(route);
    route = route_new(agent->relay, wish->domain);
    if (!route)
        return NULL;
    route->trunk = trunk;
    snprintf(route->owner, sizeof(route->owner), "%s", wish->owner);
    snprintf(route->socket, sizeof(route->socket), "%s", wish->socket ? wish->socket : "");
    if (wish->socket)
        loop_arm(&agent->loop, &route->retry, 0);
    return route;
}

/* What is wrong with it is in `args` afterwards. */
static void set(struct agent *agent, struct args *args, const char *owner)
{
    struct wish wish = {.owner = owner};
    struct trunk *trunk = NULL;
    struct route *route;

    parse(agent, args, &wish);
    route = find(agent->relay, wish.domain);
    if (route && strcmp(route->owner, owner) != 0)
        args_fault(args, "domain %u is one of %s's here", wish.domain, route->owner);
    if (args->fault[0])
        return;
    if (wish.address) {
        trunk = trunk_get(agent, wish.host, wish.address, wish.port, wish.key);
        if (!trunk)
            args_fault(args, "no memory for another host");
    }
    if (!args->fault[0] && !is_as_wished(route, &wish, trunk)) {
        route = replace(agent, route, &wish, trunk);
        if (!route)
            args_fault(args, "there is no room for another route");
    }
    if (args->fault[0])
        return;
    route->kept = true;
    json_decref(route->said);
    route->said = json_deep_copy(args->request);
}

static void drop_those_left_out(struct relay *relay, const char *owner)
{
    struct route *next;

    for (struct route *route = relay->routes; route; route = next) {
        next = route->next;
        if (!route->kept && strcmp(route->owner, owner) == 0)
            route_free(route);
    }
}

static void set_all(struct agent *agent, struct args *args, const char *owner, json_t *list)
{
    size_t index;
    json_t *said;

    for (struct route *route = agent->relay->routes; route; route = route->next)
        route->kept = false;
    json_array_foreach(list, index, said)
    {
        struct args each = {.request = said};

        set(agent, &each, owner);
        if (each.fault[0])
            args_fault(args, "route %zu: %s", index, each.fault);
    }
    drop_those_left_out(agent->relay, owner);
    drop_idle_trunks(agent->relay);
    routes_changed(agent);
}

void routes_load(struct agent *agent)
{
    char path[AGENT_PATH_MAX + 32];
    json_t *list, *route;
    size_t index;

    file_path(agent, "", path);
    list = json_load_file(path, 0, NULL);
    json_array_foreach(list, index, route)
    {
        struct args args = {.request = json_object_get(route, "said")};
        struct args whose = {.request = route};
        const char *owner = args_text(&whose, "owner", ROUTE_OWNER_MAX);

        if (owner)
            set(agent, &args, owner);
        if (!owner || args.fault[0])
            log_warning("relay: a route in %s is left out: %s", path, args.fault);
    }
    json_decref(list);
}

/* ---- requests ---- */

void routes_serve_set(struct agent *agent, struct args *args, struct reply *reply)
{
    const char *owner = args_text(args, "owner", ROUTE_OWNER_MAX);
    json_t *list = json_object_get(args->request, "routes");

    if (!json_is_array(list))
        args_fault(args, "\"routes\" must be a list");
    if (!args->fault[0]) {
        set_all(agent, args, owner, list);
        save(agent);
    }
    if (args->fault[0])
        reply_error(reply, "bad-argument", "%s", args->fault);
    else
        reply_ok(reply, NULL);
}

static json_t *describe(struct route *route)
{
    bool up = routes_find(route->relay->agent, route->domain) != NULL;
    json_t *object = json_pack("{s:I, s:s, s:b}", "domain", (json_int_t)route->domain, "owner",
                               route->owner, "up", up);

    if (route->trunk)
        trunk_describe(route->trunk, object);
    else
        json_object_set_new(object, "socket", json_string(route->socket));
    return object;
}

void routes_serve_list(struct agent *agent, struct args *args, struct reply *reply)
{
    json_t *list = json_array();

    (void)args;
    for (struct route *route = agent->relay->routes; route; route = route->next)
        json_array_append_new(list, describe(route));
    reply_ok(reply, json_pack("{s:I, s:o, s:i, s:i}", "domain_id", (json_int_t)agent->options.id,
                              "routes", list, "channels", (int)agent->relay->between.count, "port",
                              (int)agent->relay->listen_port));
}
