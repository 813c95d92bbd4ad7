/* The ports of this domain that programs have bound, and who waits at them to be accepted. */
#pragma once

#include "abi/shim.h"
#include "daemon/peers.h"

int ports_start(struct agent *agent);
void ports_stop(struct agent *agent);
/* Takes `fd`, the agent's end of the port's pair; the port is free again when the program's end
 * closes. SHIM_PORT_ANY becomes a free one. -EADDRINUSE, or another negative errno. */
int ports_bind(struct agent *agent, int fd, uint32_t *port);
/* Whether that port was bound by this socket; then it serves to call from. */
bool ports_become_caller(struct agent *agent, uint32_t port, int fd);
/* A free port for a program that connects without having bound one. */
uint32_t ports_ephemeral(struct agent *agent);
/* Hands a connected socket to whoever listens there; the caller keeps `fd`. -ECONNREFUSED: nobody,
 * -EAGAIN: its backlog is full, or it is of another type. */
int ports_pass(struct agent *agent, uint32_t port, struct shim_caller caller, int fd);
/* The same with a fresh pair of sockets, made by the peer's user: SO_PEERCRED tells of nobody else.
 * Returns the agent's end. */
int ports_call(const struct peer *peer, uint32_t port, struct shim_caller caller, int type);
json_t *ports_describe(const struct agent *agent);
