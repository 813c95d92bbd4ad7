/* Receiving and sending on a handle, by the ring where the program holds it, else by the socket. */
#pragma once

#include <sys/uio.h>

#include "shim/handles.h"

/* As recvmsg() and sendmsg() without address and control data, but errors are negative errnos. */
ssize_t transfer_receive(struct handle *handle, int fd, const struct iovec *pieces, int count,
                         int flags);
/* Whether these pieces have no room at all. */
bool transfer_is_empty(const struct iovec *pieces, int count);
ssize_t transfer_send(struct handle *handle, int fd, const struct iovec *pieces, int count,
                      int flags);
