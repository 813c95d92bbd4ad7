#include "daemon/trunks.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/socket.h"
#include "daemon/trunk_line.h"

/* ---- connecting ---- */

void trunk_dial_later(struct trunk *trunk)
{
    if (trunk->host > trunk->agent->options.id)
        return; /* the higher id dials */
    loop_arm(&trunk->agent->loop, &trunk->dial, backoff_next(&trunk->backoff));
}

static void dial(struct loop_timer *timer)
{
    struct trunk *trunk = container_of(timer, struct trunk, dial);
    int fd = socket_connect_tcp(trunk->address, trunk->port);

    if (fd < 0 || !trunk_line_new(trunk->agent, fd, trunk))
        trunk_dial_later(trunk);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
    struct relay *relay = container_of(source, struct relay, listener);
    int fd = socket_accept(source->fd);

    (void)events;
    if (fd >= 0 && !trunk_line_new(relay->agent, fd, NULL))
        log_warning("relay: a host is turned away: too many have not yet proven who they are");
}

int trunks_listen(struct agent *agent)
{
    const struct options *options = &agent->options;
    struct relay *relay = agent->relay;
    int fd;

    relay->listener = (struct loop_source){.fd = -1, .ready = listener_ready};
    if (!options->relay_address[0])
        return 0;
    fd = socket_listen_tcp(options->relay_address, options->relay_port);
    if (fd < 0)
        return fd;
    relay->listener.fd = fd;
    relay->listen_port = socket_port(fd);
    return loop_add(&agent->loop, &relay->listener, EPOLLIN);
}

/* ---- the other hosts ---- */

struct trunk *trunk_find(const struct relay *relay, uint32_t host)
{
    struct trunk *trunk = relay->trunks;

    while (trunk && trunk->host != host)
        trunk = trunk->next;
    return trunk;
}

/* A connection that proves itself replaces the old one. */
void trunk_serve(struct trunk *trunk, struct trunk_line *line)
{
    loop_disarm(&trunk->agent->loop, &trunk->dial);
    if (trunk->line)
        trunk_line_free(trunk->line);
    trunk->line = line;
    backoff_reset(&trunk->backoff);
}

static void hang_up(struct trunk *trunk)
{
    struct relay *relay = trunk->agent->relay;

    loop_disarm(&trunk->agent->loop, &trunk->dial);
    if (trunk->line)
        trunk_line_free(trunk->line);
    for (int i = 0; i < RELAY_STRANGERS_MAX; i++)
        if (relay->strangers[i] && relay->strangers[i]->trunk == trunk)
            trunk_line_free(relay->strangers[i]);
}

static struct trunk *trunk_new(struct agent *agent, uint32_t host)
{
    struct trunk *trunk = calloc(1, sizeof(*trunk));

    if (!trunk)
        return NULL;
    *trunk = (struct trunk){
        .next = agent->relay->trunks, .agent = agent, .host = host, .dial.expired = dial};
    agent->relay->trunks = trunk;
    return trunk;
}

struct trunk *trunk_get(struct agent *agent, uint32_t host, const char *address, uint16_t port,
                        const uint8_t key[TRUNK_KEY_SIZE])
{
    struct trunk *trunk = trunk_find(agent->relay, host);

    if (trunk && trunk->port == port && strcmp(trunk->address, address) == 0 &&
        memcmp(trunk->key, key, TRUNK_KEY_SIZE) == 0)
        return trunk;
    if (!trunk)
        trunk = trunk_new(agent, host);
    if (!trunk)
        return NULL;
    hang_up(trunk);
    snprintf(trunk->address, sizeof(trunk->address), "%s", address);
    trunk->port = port;
    memcpy(trunk->key, key, TRUNK_KEY_SIZE);
    backoff_reset(&trunk->backoff);
    if (host < agent->options.id)
        loop_arm(&agent->loop, &trunk->dial, 0);
    return trunk;
}

struct relay_way *trunk_way(struct trunk *trunk)
{
    return trunk->line ? &trunk->line->pipe.line.way : NULL;
}

void trunk_describe(const struct trunk *trunk, json_t *object)
{
    json_object_set_new(object, "host", json_integer((json_int_t)trunk->host));
    json_object_set_new(object, "address", json_string(trunk->address));
    json_object_set_new(object, "port", json_integer(trunk->port));
}

void trunks_unmark(struct relay *relay)
{
    for (struct trunk *trunk = relay->trunks; trunk; trunk = trunk->next)
        trunk->marked = false;
}

void trunk_mark(struct trunk *trunk)
{
    trunk->marked = true;
}

void trunks_sweep(struct agent *agent)
{
    struct trunk **at = &agent->relay->trunks;

    while (*at) {
        struct trunk *trunk = *at;

        if (trunk->marked) {
            at = &trunk->next;
            continue;
        }
        hang_up(trunk);
        *at = trunk->next;
        sodium_memzero(trunk->key, sizeof(trunk->key));
        free(trunk);
    }
}

void trunks_stop(struct agent *agent)
{
    struct relay *relay = agent->relay;

    trunks_unmark(relay);
    trunks_sweep(agent);
    for (int i = 0; i < RELAY_STRANGERS_MAX; i++)
        if (relay->strangers[i])
            trunk_line_free(relay->strangers[i]);
    if (relay->listener.fd < 0)
        return;
    loop_remove(&agent->loop, &relay->listener);
    close(relay->listener.fd);
}
