/* SOCK_SEQPACKET: messages go through the socket, which keeps their bounds. What a UNIX socket does
 * not carry, MSG_EOR, is told by a descriptor beside the message (link/packets.h). */
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

/* As sendmsg() and recvmsg(), but errors are negative errnos; *told are a message's flags. */
ssize_t packets_send(int fd, const struct iovec *pieces, int count, int flags);
ssize_t packets_receive(int fd, const struct iovec *pieces, int count, int flags, int *told);
