/* What the opener does when it is asked to; who asks is not trusted. */
#pragma once

#include "base/region_open.h"
#include "daemon/agent.h"

enum opener_act {
    OPENER_OPEN_CTL,
    OPENER_OPEN_DATA,
    OPENER_OPEN_REGION,
    OPENER_MEET_GUEST,
    OPENER_CONNECT,
    OPENER_PAIR,
    OPENER_REACHES,
};

struct opener_request {
    uint32_t act;
    int32_t type;                          /* PAIR: of sockets */
    char domain[WIRE_DOMAIN_NAME_MAX + 1]; /* CONNECT, PAIR, REACHES: who wants it */
    char name[WIRE_NAME_MAX + 1];          /* CONNECT, REACHES: the server's */
    /* OPEN_REGION: the file, or empty; MEET_GUEST: the socket; CONNECT: the caller's name */
    char text[REGION_PATH_MAX];
    uint8_t nonce[REGION_NONCE_SIZE];
};

struct opener_answer {
    int32_t error; /* a negative errno; 0: fine */
    char path[REGION_PATH_MAX];
    char why[REGION_WHY_MAX];
};

/* Does it. The descriptors become the caller's; -1: none. */
void opener_act(const struct options *options, struct opener_request *request,
                struct opener_answer *answer, int fds[2]);
