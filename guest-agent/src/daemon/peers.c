#include "daemon/peers.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/socket.h"
#include "daemon/ctl.h"
#include "daemon/dialling.h"
#include "daemon/host.h"
#include "daemon/imports.h"
#include "daemon/link_user.h"
#include "daemon/relay.h"
#include "daemon/requests.h"

#define PATIENCE_WITH_RELAY_MS 3000u

/* ---- sessions ---- */

/* The place of a stranger, or with NULL a free one; NULL if there is none. */
static struct session **stranger(struct agent *agent, const struct session *session)
{
    for (int i = 0; i < AGENT_STRANGERS_MAX; i++)
        if (agent->strangers[i] == session)
            return &agent->strangers[i];
    return NULL;
}

/* A link is going away: nobody may be about to become its connection. */
static void forget_strangers(struct agent *agent, const struct link *link)
{
    for (int i = 0; i < AGENT_STRANGERS_MAX; i++)
        if (agent->strangers[i] && (!link || session_link(agent->strangers[i]) == link))
            agent->strangers[i] = session_free(agent->strangers[i]);
}

static struct peer *find_by_link(struct agent *agent, const struct link *link)
{
    struct peer *peer = agent->peers;

    while (peer && peer->link != link)
        peer = peer->next;
    return peer;
}

static struct link *find_link(void *user, uint32_t peer_id, struct keys **keys)
{
    struct agent *agent = user;

    for (struct peer *peer = agent->peers; peer; peer = peer->next) {
        if (peer->link->peer_id != peer_id)
            continue;
        *keys = &peer->keys;
        return peer->link;
    }
    return NULL;
}

/* Where the hosts are another way, a network that is silent is given up sooner. */
static void set_patience(const struct peer *peer)
{
    if (peer->session && !peer->relayed)
        session_set_patience(peer->session, relay_ready(peer->agent) ? PATIENCE_WITH_RELAY_MS : 0);
}

static void session_up(void *user, struct session *session, struct link *link)
{
    struct agent *agent = user;
    struct peer *peer = find_by_link(agent, link);

    if (peer->session != session) {
        *stranger(agent, session) = NULL;
        link_down(link);
        session_free(peer->session);
        peer->session = session;
    }
    peer->relayed = session_relayed(session);
    set_patience(peer);
    dialling_done(peer);
}

static struct peer *find_by_session(struct agent *agent, const struct session *session)
{
    struct peer *peer = agent->peers;

    while (peer && peer->session != session)
        peer = peer->next;
    return peer;
}

/* Who calls is only called by his name once he has proven it. */
static void tell_of_end(struct agent *agent, const struct session *session, const struct link *link,
                        const char *reason)
{
    const struct peer *peer = find_by_link(agent, link ? link : session_dialled(session));
    const char *name = peer ? peer->name : "";

    if (!link && session_relayed(session) && !session_heard(session))
        return; /* nobody was there: as when nobody listens on TCP */
    log_warning("connection with %s ended: %s", peer ? name : "a caller", reason);
    ctl_event(agent, json_pack("{s:s, s:s, s:s}", "event", link ? "link.down" : "link.refused",
                               "peer", name, "reason", reason));
}

static void session_ended(void *user, struct session *session, struct link *link,
                          const char *reason)
{
    struct agent *agent = user;
    struct peer *peer = find_by_session(agent, session);

    if (!peer)
        *stranger(agent, session) = NULL;
    tell_of_end(agent, session, link, reason);
    if (peer) {
        peer->session = NULL;
        if (link)
            loop_arm(&agent->loop, &peer->grace, agent->options.grace_us);
        if (link || session_relayed(session))
            dialling_later(peer);
        else
            dialling_fall_back(peer); /* somebody is there, but it is not the peer */
    }
    session_free(session);
}

static const struct session_user session_user = {
    .find = find_link, .up = session_up, .ended = session_ended};

/* Takes the socket. Who has not proven himself yet has a place among the strangers. */
static bool admit(struct agent *agent, int fd, bool relayed, struct link *expected)
{
    struct session **place = stranger(agent, NULL);

    if (place)
        *place = session_new(&agent->loop, fd, relayed, agent->options.id, agent->options.name,
                             expected, &session_user, agent);
    if (place && *place)
        return true;
    log_warning("a caller is turned away: too many have not yet proven who they are");
    close(fd);
    return false;
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
    struct agent *agent = container_of(source, struct agent, listener);
    int fd = socket_accept(source->fd);

    (void)events;
    if (fd == -EMFILE || fd == -ENFILE)
        log_warning("a caller is turned away: no file descriptor is left");
    if (fd >= 0)
        admit(agent, fd, false, NULL);
}

bool peers_expect(struct agent *agent, uint32_t id)
{
    const struct peer *peer = peers_find_by_id(agent, id);

    return peer && peer->link->lower;
}

void peers_called(struct agent *agent, int fd)
{
    admit(agent, fd, true, NULL);
}

bool peers_connect(struct peer *peer, int fd, bool relayed)
{
    struct agent *agent = peer->agent;

    if (peer->session) /* it serves until the new one has proven itself */
        return admit(agent, fd, relayed, peer->link);
    peer->session = session_new(&agent->loop, fd, relayed, agent->options.id, agent->options.name,
                                peer->link, &session_user, agent);
    if (!peer->session)
        close(fd);
    return peer->session != NULL;
}

void peers_relay_changed(struct agent *agent)
{
    for (struct peer *peer = agent->peers; peer; peer = peer->next) {
        set_patience(peer);
        if (!peer->session && peer->dialling.fd < 0 && relay_ready(agent))
            dialling_start(peer);
    }
}

static void hang_up(struct peer *peer)
{
    dialling_stop(peer);
    if (peer->link->carrier)
        loop_arm(&peer->agent->loop, &peer->grace, peer->agent->options.grace_us);
    link_down(peer->link);
    peer->session = session_free(peer->session);
}

/* ---- peers ---- */

static void grace_over(struct loop_timer *timer)
{
    imports_remove_all(container_of(timer, struct peer, grace));
}

int peers_start(struct agent *agent)
{
    const struct options *options = &agent->options;
    int fd = socket_listen_tcp(options->listen_address, options->listen_port);

    if (fd < 0)
        return fd;
    agent->listener = (struct loop_source){.fd = fd, .ready = listener_ready};
    agent->port = socket_port(fd);
    return loop_add(&agent->loop, &agent->listener, EPOLLIN);
}

void peers_stop(struct agent *agent)
{
    forget_strangers(agent, NULL);
    while (agent->peers)
        peers_remove(agent->peers);
    loop_remove(&agent->loop, &agent->listener);
    close(agent->listener.fd);
}

struct peer *peers_find(struct agent *agent, const char *name)
{
    struct peer *peer = agent->peers;

    while (peer && strcmp(peer->name, name) != 0)
        peer = peer->next;
    return peer;
}

struct peer *peers_find_by_id(const struct agent *agent, uint32_t id)
{
    struct peer *peer = agent->peers;

    while (peer && peer->link->peer_id != id)
        peer = peer->next;
    return peer;
}

/* A small guest has one budget for all its links. A host has one for each: none of its guests has
 * less for the others. */
static struct budget *budget_of(struct agent *agent, struct peer *peer)
{
    peer->budget.limit = agent->options.memory;
    return agent->options.relay_address[0] ? &peer->budget : &agent->budget;
}

static struct peer *peer_new(struct agent *agent, const struct peer_told *told)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    if (!peer)
        return NULL;
    *peer = (struct peer){.next = agent->peers,
                          .agent = agent,
                          .grace.expired = grace_over,
                          .attach.retry.expired = requests_attach_retry,
                          .as = agent->options.remote_user};
    dialling_init(peer);
    snprintf(peer->name, sizeof(peer->name), "%s", told->name);
    snprintf(peer->owner, sizeof(peer->owner), "%s", told->owner);
    peer->link = link_new(&agent->loop, budget_of(agent, peer), &agent->lingering,
                          agent->options.id, told->id, &peer_link_user, peer);
    if (!peer->link) {
        free(peer);
        return NULL;
    }
    peer->link->grace_us = agent->options.grace_us;
    agent->peers = peer;
    imports_clear(peer);
    host_changed(agent);
    return peer;
}

static bool is_at(const struct peer *peer, const char *address, uint16_t port)
{
    return peer->port == port && strcmp(peer->address, address) == 0;
}

static void begin_dialling(struct peer *peer)
{
    hang_up(peer);
    peer->relayed = !peer->address[0];
    dialling_start(peer);
}

int peers_add(struct agent *agent, const struct peer_told *told)
{
    struct peer *peer = peers_find(agent, told->name);
    bool moved, new_key;

    if (peer != peers_find_by_id(agent, told->id) || told->id == agent->options.id)
        return EADDRINUSE;
    if (peer && strcmp(peer->owner, told->owner) != 0)
        return EADDRINUSE;
    if (!peer)
        peer = peer_new(agent, told);
    if (!peer)
        return -ENOMEM;
    moved = !is_at(peer, told->address, told->port);
    new_key = keys_tell(&peer->keys, told->key);
    snprintf(peer->address, sizeof(peer->address), "%s", told->address);
    peer->port = told->port;
    if (moved)
        begin_dialling(peer);
    else if (new_key && !peer->session && peer->dialling.fd < 0)
        dialling_start(peer);
    return 0;
}

void peers_remove(struct peer *peer)
{
    struct peer **at = &peer->agent->peers;

    requests_drop(peer);
    hang_up(peer);
    forget_strangers(peer->agent, peer->link);
    imports_remove_all(peer);
    link_free(peer->link);
    loop_disarm(&peer->agent->loop, &peer->grace);
    while (*at != peer)
        at = &(*at)->next;
    *at = peer->next;
    host_changed(peer->agent);
    sodium_memzero(&peer->keys, sizeof(peer->keys));
    free(peer);
}

void peers_find_users(struct agent *agent)
{
    for (struct peer *peer = agent->peers; peer; peer = peer->next)
        remote_user_find(&peer->as, peer->name, &agent->options.remote_user);
}

void peers_watch_regions(struct agent *agent)
{
    for (struct peer *peer = agent->peers; peer; peer = peer->next)
        link_watch_region(peer->link);
}

uint64_t peers_pump(struct agent *agent)
{
    uint64_t limit = LOOP_FOREVER;
    bool moved = false;

    for (struct peer *peer = agent->peers; peer; peer = peer->next) {
        moved |= imports_accept(peer);
        moved |= link_pump(peer->link);
    }
    for (struct peer *peer = agent->peers; peer && !moved; peer = peer->next) {
        uint64_t own = link_sleep(peer->link);

        limit = own < limit ? own : limit;
    }
    return moved ? 0 : limit;
}
