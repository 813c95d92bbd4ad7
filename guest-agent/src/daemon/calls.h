/* A program's question to the agent, by its shim: one connection, with one request and one answer
 * once there is one (abi/shim.h). */
#pragma once

#include <sys/socket.h>

#include "daemon/shim.h"

struct call {
    struct call *next;
    struct agent *agent;
    struct loop_source source;
    uint64_t stream; /* CONNECT: waits for this one; 0: nothing was asked yet */
    uint32_t local_port;
    uint32_t filler; /* so many bytes of no meaning are in the way */
    int socket;      /* to be given back when that fails; -1: its program has another */
    struct loop_timer deadline;
    int parked; /* the other end of one to the host, while that is not known; else -1 */
    struct shim_request request; /* what it wants then */
    struct loop_timer patience;
};

struct shim {
    struct agent *agent;
    struct loop_source listener;
    struct call *calls;
    unsigned count;
};

/* All that there was of it is closed. */
void call_hang_up(struct call *call);
/* And hangs up; but one whose stream is open, and who cannot be told, is about to be found gone. */
void call_answer(struct call *call, int error, uint32_t port);
/* From now on its program can write. */
void call_take_filler(struct call *call);
struct ucred call_asking(const struct call *call);
