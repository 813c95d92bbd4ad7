/* Non-blocking sockets, made the one way this program uses them. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* All return a file descriptor or a negative errno. */
int socket_listen_unix(const char *path, mode_t mode);
int socket_listen_packets(const char *path, mode_t mode); /* SOCK_SEQPACKET */
/* Under a name of its own, which has no place in a folder, unless it is taken. -EAGAIN: the
 * listener's backlog is full. */
int socket_connect_unix(const char *path, const char *name);
/* With no descriptor left the caller is turned away: level-triggered listeners may be used. */
int socket_accept(int listener);
int socket_listen_tcp(const char *address, uint16_t port);
int socket_connect_tcp(const char *address, uint16_t port); /* in progress: wait for EPOLLOUT */

/* How long a machine at the other end may be silent. */
struct socket_patience {
    int unacknowledged_ms; /* with bytes on the way */
    int idle_s;            /* without: then it is asked, */
    int interval_s;        /* so often, */
    int count;             /* so many times */
};

/* For TCP: small messages go at once, and a silence that is too long ends the connection. */
void socket_set_patience(int fd, const struct socket_patience *patience);
void socket_set_unacknowledged(int fd, int ms);

/* Gives a UNIX socket an address that nobody else has; 0 or a negative errno. */
int socket_name(int fd);
uint16_t socket_port(int fd); /* the local port of a TCP socket */
int socket_type(int fd);      /* SOCK_STREAM and so on; negative: it is no socket */
int socket_error(int fd);     /* the pending error as a negative errno, 0 if none */
