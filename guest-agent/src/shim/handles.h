/* Which of the program's descriptors are AF_VSOCK sockets, and what is known of each.
 *
 * Descriptors that dup() made share one handle. The memory of a handle is never given back: it is
 * used again for another one, so that a thread that reads it while another closes it is safe. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/held.h"

enum handle_state {
    HANDLE_FRESH,
    HANDLE_BOUND,
    HANDLE_LISTENING,
    HANDLE_CONNECTING, /* and its program does not wait for it */
    HANDLE_CONNECTED,
    HANDLE_DEVICE, /* /dev/vsock */
    HANDLE_EPOLL,
};

struct handle {
    atomic_uint users; /* descriptors, and threads at work on it; 0: free */
    struct handle *next_free;
    enum handle_state state;
    int other_end; /* of the pair behind a socket, while the agent has it not or not alone; else -1
                    */
    int answer;    /* connecting: where the agent will tell how it ended; else -1 */
    int error;     /* how it ended, until SO_ERROR asks */
    int send_size; /* connecting: what SO_SNDBUF was */
    uint32_t local_cid;
    uint32_t local_port;
    uint32_t peer_cid;
    uint32_t peer_port;
    uint64_t peer_user;   /* of one who called; UINT32_MAX: not known */
    bool packets;         /* SOCK_SEQPACKET */
    uint64_t stream;      /* 0: the peer is in the same domain */
    bool deaf;            /* shut down for reading, by this program */
    atomic_bool end_told; /* a reset is told once */
    uint64_t connect_timeout_us;
    uint64_t buffer_sizes[3];    /* what SO_VM_SOCKETS_BUFFER_* was set to */
    atomic_bool nonblocking;     /* O_NONBLOCK, as far as this program has set it */
    uint64_t receive_timeout_us; /* SO_RCVTIMEO, SO_SNDTIMEO; 0: none */
    uint64_t send_timeout_us;
    int low_water;           /* SO_RCVLOWAT */
    struct side sides[2];    /* by enum direction */
    atomic_uint watches;     /* by epoll */
    atomic_bool watched;     /* it has ever been */
    struct epoll_set *epoll; /* HANDLE_EPOLL */
};

#define HANDLE_FDS_MAX 65536
#define HANDLE_CONNECT_TIMEOUT_US 2000000u /* VSOCK_DEFAULT_CONNECT_TIMEOUT of the kernel */

/* After vfork() a child works in its parent's memory, with descriptors of its own: the table is not
 * to be touched. */
bool handles_are_borrowed(void);
/* The process whose table it is. */
pid_t handles_process(void);

/* A new handle for this descriptor; NULL: no memory, or the number is too large. */
struct handle *handle_new(int fd, enum handle_state state);
/* The same for an epoll; it is freed with the handle. */
struct handle *handle_new_epoll(int fd, struct epoll_set *epoll);
/* The handle behind a descriptor, to be given back by handle_put(); NULL: none of ours. */
struct handle *handle_get(int fd);
struct handle *handle_get_epoll(int fd);
void handle_put(struct handle *handle);
/* Whether the descriptor stands for that one still. */
bool handle_is_at(const struct handle *handle, int fd);
/* The program has set O_NONBLOCK, by whatever way. */
void handle_set_nonblocking(int fd, bool nonblocking);
/* Calls for every handle there is, with one of its descriptors. */
void handle_each(void (*visit)(struct handle *handle, int fd));
/* The descriptor is about to be closed, or to stand for something else. */
void handle_closing(int fd);
/* The descriptor is closed, or about to be: it stands for nothing from here on. */
void handle_forget(int fd);
/* Both, as far as the table is this process's. */
void handle_drop(int fd);
/* A number that the kernel has just given, and which stands for none of ours: what had it before
 * was closed by ways that nobody sees. Returns it. */
int handle_made(int fd);
/* `to` is a duplicate of `from` now, whatever either stood for. */
void handle_duplicate(int from, int to);
/* Whatever it stands for is used in ways that only the kernel can serve: for good. */
void handle_renounce(int fd);
/* Closes the other end here: the agent has it. */
void handle_let_go(struct handle *handle);
