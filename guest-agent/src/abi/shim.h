/* What the shim inside a program and the agent of its domain say to each other.
 *
 * RUN_DIR/shim.sock is a SOCK_SEQPACKET socket. A connection carries one request and one answer:
 * there is nothing that fork, exec or another thread could confuse. Descriptors travel beside the
 * messages.
 *
 * A program's AF_VSOCK socket is one end of a UNIX socketpair; bind and connect give the other end
 * to the agent. So everything the kernel does with a descriptor (dup, fork, poll, close) is right.
 *
 *   BIND      + the agent's end of a SOCK_SEQPACKET pair, from then on the port's
 *   CONNECT   + the agent's end of a SOCK_STREAM pair, from then on the stream's; answered when
 *             the peer's server has it, or is known not to
 *   PROMOTE   asks for one end of a ring: direct mode (abi/direct.h). With the answer comes the
 * page; two messages of one byte follow, with the region and with an eventfd that means "kick the
 * peer"
 *
 * On a port's pair the program says shim_backlog (listen) and one byte for each caller it has
 * taken (accept); the agent says shim_caller, with the caller's descriptor. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHIM_SOCKET "shim.sock"
#define SHIM_RUN_DIR "/run/domsock"
#define SHIM_RUN_DIR_VARIABLE "DOMSOCK_RUN_DIR"
#define SHIM_PORT_ANY UINT32_MAX
#define SHIM_PORTS_PRIVILEGED 1024u /* below: for root, as the kernel has it */

enum shim_type { SHIM_WHOAMI = 1, SHIM_BIND = 2, SHIM_CONNECT = 3, SHIM_PROMOTE = 4 };

struct shim_request {
    uint32_t type;
    uint32_t cid; /* CONNECT: the domain */
    uint32_t port;
    uint32_t local_port; /* CONNECT: as bound before, or SHIM_PORT_ANY */
    uint32_t end;        /* PROMOTE: an enum direct_which */
    uint32_t reserved;
    uint64_t stream; /* PROMOTE */
};

struct shim_answer {
    int32_t error; /* an errno; 0: fine */
    uint32_t cid;  /* this domain's */
    uint32_t port; /* BIND and CONNECT: the local one */
    uint32_t reserved;
    uint64_t stream; /* CONNECT: which one it is to the agent */
};

struct shim_backlog {
    uint32_t backlog;
};

struct shim_caller {
    uint32_t cid;
    uint32_t port;
    uint32_t own_cid;
    uint32_t reserved;
    uint64_t stream; /* 0: the caller is in the same domain */
};

_Static_assert(sizeof(struct shim_request) == 32, "struct shim_request");
_Static_assert(sizeof(struct shim_answer) == 24, "struct shim_answer");
_Static_assert(sizeof(struct shim_backlog) == 4, "struct shim_backlog");
_Static_assert(sizeof(struct shim_caller) == 24, "struct shim_caller");
