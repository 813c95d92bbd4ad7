/* The agent of one domain: its links to peers, its exports, and who may command it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "daemon/remote.h"
#include "link/link.h"
#include "link/session.h"

#define AGENT_PATH_MAX 256
#define AGENT_PORT_DEFAULT 7777
#define AGENT_STRANGERS_MAX 16
#define AGENT_VERSION "0.1.0"

struct options {
    const char *name;
    uint32_t id;
    const char *run_dir;
    const char *ctl;  /* NULL: no port */
    const char *data; /* the port to the host's agent; NULL: none */
    char listen_address[64];
    uint16_t listen_port;
    char relay_address[64]; /* where other hosts connect; empty: nowhere */
    uint16_t relay_port;
    const char *log;
    uint64_t memory;
    uint64_t grace_us;
    struct remote_user user;        /* as whom the agent runs where root has started it */
    struct remote_user remote_user; /* for domains that have no user of their own here */
};

struct domains;
struct peer;
struct ctl;
struct exports;
struct opener;
struct ports;
struct relay;
struct shim;

struct agent {
    struct options options;
    struct loop loop;
    struct budget budget;
    struct lingering lingering;
    uint64_t incarnation;
    uint64_t started_us;
    struct loop_source signals;
    int lock;    /* on RUN_DIR, against a second agent */
    int failure; /* a negative errno: it cannot go on */
    struct loop_source listener;
    uint16_t port;
    struct peer *peers;
    struct domains *domains;
    struct session *strangers[AGENT_STRANGERS_MAX]; /* callers that have not proven who they are */
    struct ctl *ctl;
    struct exports *exports;
    struct opener *opener; /* NULL: the agent does all itself */
    struct ports *ports;
    struct relay *relay;
    struct shim *shim;
};

/* A command to an agent arrives, is answered once, now or later. */
struct reply;

int options_parse(struct options *options, int argc, char **argv);
