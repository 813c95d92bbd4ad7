/* The C library's own functions, behind those of the same name in this library. */
#pragma once

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define REAL_FUNCTIONS(X)                                                                          \
    X(int, socket, (int domain, int type, int protocol))                                           \
    X(int, bind, (int fd, const struct sockaddr *address, socklen_t length))                       \
    X(int, listen, (int fd, int backlog))                                                          \
    X(int, accept, (int fd, struct sockaddr *address, socklen_t *length))                          \
    X(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags))              \
    X(int, connect, (int fd, const struct sockaddr *address, socklen_t length))                    \
    X(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length))                     \
    X(int, getpeername, (int fd, struct sockaddr *address, socklen_t *length))                     \
    X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length))              \
    X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length))         \
    X(int, ioctl, (int fd, unsigned long request, ...))                                            \
    X(int, open, (const char *path, int flags, ...))                                               \
    X(int, openat, (int folder, const char *path, int flags, ...))                                 \
    X(int, close, (int fd))                                                                        \
    X(int, close_range, (unsigned first, unsigned last, int flags))                                \
    X(void, closefrom, (int first))                                                                \
    X(int, fclose, (FILE * file))                                                                  \
    X(FILE *, freopen, (const char *path, const char *mode, FILE *file))                           \
    X(int, dup, (int fd))                                                                          \
    X(int, dup2, (int from, int to))                                                               \
    X(int, dup3, (int from, int to, int flags))                                                    \
    X(int, fcntl, (int fd, int command, ...))                                                      \
    X(int, shutdown, (int fd, int how))                                                            \
    X(ssize_t, read, (int fd, void *bytes, size_t length))                                         \
    X(ssize_t, readv, (int fd, const struct iovec *pieces, int count))                             \
    X(ssize_t, recv, (int fd, void *bytes, size_t length, int flags))                              \
    X(ssize_t, recvfrom,                                                                           \
      (int fd, void *bytes, size_t length, int flags, struct sockaddr *from, socklen_t *size))     \
    X(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))                               \
    X(ssize_t, write, (int fd, const void *bytes, size_t length))                                  \
    X(ssize_t, writev, (int fd, const struct iovec *pieces, int count))                            \
    X(ssize_t, send, (int fd, const void *bytes, size_t length, int flags))                        \
    X(ssize_t, sendto,                                                                             \
      (int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to,             \
       socklen_t size))                                                                            \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))                         \
    X(ssize_t, sendfile, (int out, int in, off_t *offset, size_t count))                           \
    X(ssize_t, splice,                                                                             \
      (int in, off_t *in_offset, int out, off_t *out_offset, size_t length, unsigned flags))       \
    X(int, poll, (struct pollfd * fds, nfds_t count, int timeout_ms))                              \
    X(int, ppoll,                                                                                  \
      (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask))   \
    X(int, select, (int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout))  \
    X(int, pselect,                                                                                \
      (int count, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,         \
       const sigset_t *mask))                                                                      \
    X(int, epoll_create, (int size))                                                               \
    X(int, epoll_create1, (int flags))                                                             \
    X(int, epoll_wait, (int epoll, struct epoll_event *events, int max, int timeout_ms))           \
    X(int, epoll_pwait,                                                                            \
      (int epoll, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask))      \
    X(int, epoll_pwait2,                                                                           \
      (int epoll, struct epoll_event *events, int max, const struct timespec *timeout,             \
       const sigset_t *mask))                                                                      \
    X(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event))               \
    X(int, execve, (const char *path, char *const arguments[], char *const environment[]))         \
    X(int, execv, (const char *path, char *const arguments[]))                                     \
    X(int, execvp, (const char *file, char *const arguments[]))                                    \
    X(int, execvpe, (const char *file, char *const arguments[], char *const environment[]))        \
    X(int, fexecve, (int fd, char *const arguments[], char *const environment[]))                  \
    X(int, posix_spawn,                                                                            \
      (pid_t * child, const char *path, const posix_spawn_file_actions_t *actions,                 \
       const posix_spawnattr_t *how, char *const arguments[], char *const environment[]))          \
    X(int, posix_spawnp,                                                                           \
      (pid_t * child, const char *file, const posix_spawn_file_actions_t *actions,                 \
       const posix_spawnattr_t *how, char *const arguments[], char *const environment[]))          \
    X(int, posix_spawn_file_actions_adddup2,                                                       \
      (posix_spawn_file_actions_t * actions, int from, int to))                                    \
    X(int, system, (const char *command))                                                          \
    X(FILE *, popen, (const char *command, const char *mode))                                      \
    X(FILE *, fdopen, (int fd, const char *mode))                                                  \
    X(int, vdprintf, (int fd, const char *format, va_list arguments))                              \
    X(int, __vdprintf_chk, (int fd, int flag, const char *format, va_list arguments))              \
    X(int, sigaction, (int number, const struct sigaction *action, struct sigaction *old))         \
    X(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags))                \
    X(int, recvmmsg,                                                                               \
      (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout))

#define REAL_DECLARE(type, name, arguments) type(*name) arguments;
struct real {
    REAL_FUNCTIONS(REAL_DECLARE)
};
#undef REAL_DECLARE

/* Finds them at the first call; safe at any time, from any thread. */
const struct real *real(void);
