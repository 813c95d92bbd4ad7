/* The agent's peers: one link each, the connections that carry it, and what is asked of it. */
#pragma once

#include "base/backoff.h"
#include "daemon/agent.h"

#define PEER_OWNER_MAX 63u

struct import;

/* A request that waits for the link's next handover to end. */
struct pending_handover {
    struct pending_handover *next;
    struct reply *reply;
    enum wire_path to;
};

struct pending_attach {
    struct loop_timer retry;
    struct reply *reply;
    char file[AGENT_PATH_MAX]; /* empty: an ivshmem device */
    uint8_t nonce[REGION_NONCE_SIZE];
    uint64_t until_us;
};

struct peer {
    struct peer *next;
    struct agent *agent;
    char name[WIRE_DOMAIN_NAME_MAX + 1];
    char owner[PEER_OWNER_MAX + 1]; /* who said the link; empty: who has the agent for himself */
    char address[64];               /* empty: it has none in a network of ours */
    uint16_t port;
    struct keys keys;
    bool relayed;          /* its last connection goes, or went, through the hosts */
    struct remote_user as; /* who acts here for it */
    struct budget budget;  /* of a host's link */
    struct link *link;
    struct session *session; /* carries the link, or is on the way to it */
    struct loop_source dialling;
    struct loop_timer dial;
    struct backoff backoff;
    struct loop_timer grace;
    struct import *imports;
    struct pending_handover *handovers;
    struct pending_attach attach;
};

/* What a link.add says. */
struct peer_told {
    const char *name;
    uint32_t id;
    const char *owner;   /* may be empty */
    const char *address; /* likewise */
    uint16_t port;
    uint8_t key[WIRE_KEY_SIZE];
};

int peers_start(struct agent *agent); /* listens */
void peers_stop(struct agent *agent);

struct peer *peers_find(struct agent *agent, const char *name);
struct peer *peers_find_by_id(const struct agent *agent, uint32_t id);
/* Idempotent. Another key is for the next connection: one that is up goes on. A positive result:
 * the name or id belongs to another peer, or the peer is another owner's. */
int peers_add(struct agent *agent, const struct peer_told *told);
void peers_remove(struct peer *peer);

/* A connection to it, which is to prove itself; takes the socket. */
bool peers_connect(struct peer *peer, int fd, bool relayed);
/* Whether that domain may call through the hosts: it is known, and it is the one that dials. */
bool peers_expect(struct agent *agent, uint32_t id);
/* Such a domain calls; takes the socket. */
void peers_called(struct agent *agent, int fd);
/* The way through the hosts has come, or gone. */
void peers_relay_changed(struct agent *agent);

/* Looks up again who acts for each of them: this machine's users may have changed. */
void peers_find_users(struct agent *agent);
/* Every region that has gone is known to have gone afterwards. */
void peers_watch_regions(struct agent *agent);
/* Moves what can be moved on all links. Returns for how long the agent may sleep. */
uint64_t peers_pump(struct agent *agent);
