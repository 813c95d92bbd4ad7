/* Non-blocking sockets, made the one way this program uses them. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* All return a file descriptor or a negative errno. */
int socket_listen_unix(const char *path, mode_t mode);
int socket_listen_packets(const char *path, mode_t mode); /* SOCK_SEQPACKET */
int socket_connect_unix(const char *path); /* -EAGAIN: the listener's backlog is full */
/* With no descriptor left the caller is turned away: level-triggered listeners may be used. */
int socket_accept(int listener);
int socket_listen_tcp(const char *address, uint16_t port);
int socket_connect_tcp(const char *address, uint16_t port); /* in progress: wait for EPOLLOUT */

uint16_t socket_port(int fd); /* the local port of a TCP socket */
int socket_error(int fd);     /* the pending error as a negative errno, 0 if none */
