/* What the shim inside a program and the agent of its domain say to each other.
 *
 * RUN_DIR/shim.sock is a SOCK_SEQPACKET socket. A connection carries one request and one answer:
 * there is nothing that fork, exec or another thread could confuse. Descriptors travel beside the
 * messages.
 *
 * A program's AF_VSOCK socket is one end of a UNIX socketpair; the other end is given to the agent
 * by bind, as the port's, and by connect, as the stream's. So everything the kernel does with a
 * descriptor (dup, fork, poll, close) is right.
 *
 *   BIND      + the other end, from then on the port's
 *   CONNECT   + the other end, from then on the stream's; answered when the peer's server has it,
 *             or is known not to. For a program that does not wait the shim has put `filler` bytes
 *             into its end, so that it cannot be written to: the agent takes them out just before
 *             it answers, and with an error gives the other end back.
 *   PROMOTE   asks for one end of a ring: direct mode (abi/direct.h). With the answer comes the
 *             page; messages of one byte follow, with the region, with an eventfd that means "kick
 *             the peer" and, if it is wanted, with the one that means "look again".
 *
 * Before the agent tells a program of the orderly end of its stream it gives its own end of the
 * pair a name, whichever: an end without one was a reset, or the agent has died.
 *
 * On a port's pair the program says shim_word (listen, accept); the agent says shim_caller, with
 * the caller's descriptor. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SHIM_SOCKET "shim.sock"
#define SHIM_RUN_DIR "/run/domsock"
#define SHIM_RUN_DIR_VARIABLE "DOMSOCK_RUN_DIR"
#define SHIM_PORT_ANY UINT32_MAX
#define SHIM_CID_LOCAL 1u
#define SHIM_CID_HOST 2u /* the host that the domain is on, when it connects */
/* getsockopt(fd, AF_VSOCK, this, uint64_t *): a caller's user, as its domain numbers them */
#define SHIM_PEER_USER 0x4453
#define SHIM_FILLER_MAX 256u
#define SHIM_PACKET_MAX 262144u     /* as much as the kernel's AF_VSOCK takes by default */
#define SHIM_PORTS_PRIVILEGED 1024u /* below: for root, as the kernel has it */

enum shim_type { SHIM_WHOAMI = 1, SHIM_BIND = 2, SHIM_CONNECT = 3, SHIM_PROMOTE = 4 };

struct shim_request {
    uint32_t type;
    uint32_t cid; /* CONNECT: the domain */
    uint32_t port;
    uint32_t local_port; /* CONNECT: as bound before, or SHIM_PORT_ANY */
    uint32_t end;        /* PROMOTE: an enum direct_which, and DIRECT_WATCHED */
    uint32_t filler;     /* CONNECT */
    uint64_t stream;     /* PROMOTE */
    uint64_t timeout_us; /* CONNECT: the agent gives up after so long; 0: the program will */
};

struct shim_answer {
    int32_t error;   /* an errno; 0: fine */
    uint32_t cid;    /* this domain's */
    uint32_t port;   /* BIND and CONNECT: the local one */
    uint32_t host;   /* the domain that CID 2 is now; 0: not known */
    uint64_t stream; /* CONNECT: which one it is to the agent */
};

enum shim_saying { SHIM_LISTENS = 1, SHIM_ACCEPTED = 2 };

struct shim_word {
    uint32_t saying;
    uint32_t backlog; /* SHIM_LISTENS */
};

struct shim_caller {
    uint32_t cid;
    uint32_t port;
    uint32_t own_cid;
    uint32_t user;   /* of the caller, as its domain numbers them; UINT32_MAX: not known */
    uint64_t stream; /* 0: the caller is in the same domain */
};

_Static_assert(sizeof(struct shim_request) == 40, "struct shim_request");
_Static_assert(sizeof(struct shim_answer) == 24, "struct shim_answer");
_Static_assert(sizeof(struct shim_word) == 8, "struct shim_word");
_Static_assert(sizeof(struct shim_caller) == 24, "struct shim_caller");
