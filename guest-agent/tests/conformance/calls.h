/* The calls of the cases that a linker's --wrap catches (the Makefile lists them), and the C
 * library's own ones. */
#pragma once

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define CAUGHT(type, name, ...)                                                                    \
    type __real_##name(__VA_ARGS__);                                                               \
    type __wrap_##name(__VA_ARGS__);

CAUGHT(int, socket, int, int, int)
CAUGHT(int, bind, int, const struct sockaddr *, socklen_t)
CAUGHT(int, listen, int, int)
CAUGHT(int, connect, int, const struct sockaddr *, socklen_t)
CAUGHT(int, accept, int, struct sockaddr *, socklen_t *)
CAUGHT(int, accept4, int, struct sockaddr *, socklen_t *, int)
CAUGHT(int, getsockname, int, struct sockaddr *, socklen_t *)
CAUGHT(int, getpeername, int, struct sockaddr *, socklen_t *)
CAUGHT(int, getsockopt, int, int, int, void *, socklen_t *)
CAUGHT(int, setsockopt, int, int, int, const void *, socklen_t)
CAUGHT(int, shutdown, int, int)
CAUGHT(int, close, int)
CAUGHT(int, dup, int)
CAUGHT(int, dup2, int, int)
CAUGHT(int, dup3, int, int, int)
CAUGHT(int, fcntl, int, int, ...)
CAUGHT(int, ioctl, int, unsigned long, ...)
CAUGHT(ssize_t, send, int, const void *, size_t, int)
CAUGHT(ssize_t, sendto, int, const void *, size_t, int, const struct sockaddr *, socklen_t)
CAUGHT(ssize_t, sendmsg, int, const struct msghdr *, int)
CAUGHT(ssize_t, write, int, const void *, size_t)
CAUGHT(ssize_t, writev, int, const struct iovec *, int)
CAUGHT(ssize_t, recv, int, void *, size_t, int)
CAUGHT(ssize_t, recvfrom, int, void *, size_t, int, struct sockaddr *, socklen_t *)
CAUGHT(ssize_t, recvmsg, int, struct msghdr *, int)
CAUGHT(ssize_t, read, int, void *, size_t)
CAUGHT(ssize_t, readv, int, const struct iovec *, int)
CAUGHT(int, poll, struct pollfd *, nfds_t, int)
CAUGHT(int, select, int, fd_set *, fd_set *, fd_set *, struct timeval *)
CAUGHT(int, epoll_create1, int)
CAUGHT(int, epoll_ctl, int, int, int, struct epoll_event *)
CAUGHT(int, epoll_wait, int, struct epoll_event *, int, int)
CAUGHT(pid_t, fork, void)
CAUGHT(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *)
