/* Messages with a file descriptor beside them, on UNIX sockets. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* `fd` < 0: none. Returns 0 or a negative errno; never blocks, raises no SIGPIPE. */
int passing_send(int socket, const void *message, size_t length, int fd);
/* Room for messages as large as AF_VSOCK's. */
void passing_make_room(int socket);
/* Receives one message and at most one descriptor (else *fd is -1), which the caller owns. Flags
 * as for recvmsg(). Returns the message's length, 0 at the end, or a negative errno. */
ssize_t passing_receive(int socket, void *message, size_t length, int *fd, int flags);
