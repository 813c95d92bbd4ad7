/* The cases' calls, where the two domains' programs run apart (apart.h); else the C library's. */
#include "calls.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "apart.h"

#define OUTPUTS(...)                                                                               \
    (struct output[])                                                                              \
    {                                                                                              \
        __VA_ARGS__ __VA_OPT__(, )                                                                 \
        {                                                                                          \
            0                                                                                      \
        }                                                                                          \
    }

#define ALL(at, size)                                                                              \
    {                                                                                              \
        at, size, false                                                                            \
    }
#define UP_TO(at, size)                                                                            \
    {                                                                                              \
        at, size, true                                                                             \
    }

/* The value of the call, by whoever makes it. What else it hands back follows: all of it, or as
 * much as the value says. */
#define BY(owner, call, ...)                                                                       \
    ((owner) == NOBODYS ? (call)                                                                   \
     : (owner) == OURS  ? tell(__func__, (call), OUTPUTS(__VA_ARGS__))                             \
                        : hear(__func__, OUTPUTS(__VA_ARGS__)))
#define BY_OWNER(fd, call, ...) BY(owner_of(fd), call __VA_OPT__(, ) __VA_ARGS__)

static int owned(enum owner owner, long fd)
{
    return owner == NOBODYS ? (int)fd : owner == OURS ? own((int)fd) : stand_for((int)fd);
}

/* ---- sockets ---- */

int __wrap_socket(int domain, int type, int protocol)
{
    enum owner maker = apart_maker();

    return owned(maker, BY(maker, __real_socket(domain, type, protocol)));
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    return (int)BY_OWNER(fd, __real_bind(fd, address, length));
}

int __wrap_listen(int fd, int backlog)
{
    return (int)BY_OWNER(fd, __real_listen(fd, backlog));
}

int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return (int)BY_OWNER(fd, __real_connect(fd, address, length));
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    socklen_t room = length ? *length : 0;

    return owned(owner_of(fd), BY_OWNER(fd, __real_accept4(fd, address, length, flags),
                                        ALL(address, room), ALL(length, sizeof(*length))));
}

int __wrap_accept(int fd, struct sockaddr *address, socklen_t *length)
{
    socklen_t room = length ? *length : 0;

    return owned(owner_of(fd), BY_OWNER(fd, __real_accept(fd, address, length), ALL(address, room),
                                        ALL(length, sizeof(*length))));
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    socklen_t room = *length;

    return (int)BY_OWNER(fd, __real_getsockname(fd, address, length), ALL(address, room),
                         ALL(length, sizeof(*length)));
}

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    socklen_t room = *length;

    return (int)BY_OWNER(fd, __real_getpeername(fd, address, length), ALL(address, room),
                         ALL(length, sizeof(*length)));
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    socklen_t room = *length;

    return (int)BY_OWNER(fd, __real_getsockopt(fd, level, name, value, length), ALL(value, room),
                         ALL(length, sizeof(*length)));
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    return (int)BY_OWNER(fd, __real_setsockopt(fd, level, name, value, length));
}

int __wrap_shutdown(int fd, int how)
{
    return (int)BY_OWNER(fd, __real_shutdown(fd, how));
}

/* ---- descriptors ---- */

/* An owner's number may be another thread's as soon as it is closed: it is disowned before. */
static int close_ours(int fd)
{
    belongs_to(fd, NOBODYS);
    return __real_close(fd);
}

int __wrap_close(int fd)
{
    enum owner owner = owner_of(fd);
    int result = (int)BY(owner, close_ours(fd)), error = errno;

    if (owner == THEIRS)
        close_ours(fd);
    errno = error;
    return result;
}

int __wrap_dup(int fd)
{
    return owned(owner_of(fd), BY_OWNER(fd, __real_dup(fd)));
}

/* Where it is put is a place of each program's own. */
static int put(enum owner owner, int fd, int at, int flags, long result)
{
    if (owner == THEIRS && result >= 0)
        result = __real_dup3(fd, at, flags);
    if (result >= 0)
        belongs_to(at, owner);
    return (int)result;
}

int __wrap_dup2(int fd, int at)
{
    return put(owner_of(fd), fd, at, 0, BY_OWNER(fd, __real_dup2(fd, at)));
}

int __wrap_dup3(int fd, int at, int flags)
{
    return put(owner_of(fd), fd, at, flags, BY_OWNER(fd, __real_dup3(fd, at, flags)));
}

int __wrap_fcntl(int fd, int command, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, command);
    argument = va_arg(arguments, long);
    va_end(arguments);
    return (int)BY_OWNER(fd, __real_fcntl(fd, command, argument));
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    int *argument;

    va_start(arguments, request);
    argument = va_arg(arguments, int *);
    va_end(arguments);
    return (int)BY_OWNER(fd, __real_ioctl(fd, request, argument), ALL(argument, sizeof(*argument)));
}

/* ---- bytes ---- */

ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    return BY_OWNER(fd, __real_send(fd, bytes, length, flags));
}

ssize_t __wrap_sendto(int fd, const void *bytes, size_t length, int flags,
                      const struct sockaddr *address, socklen_t size)
{
    return BY_OWNER(fd, __real_sendto(fd, bytes, length, flags, address, size));
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return BY_OWNER(fd, __real_sendmsg(fd, message, flags));
}

ssize_t __wrap_write(int fd, const void *bytes, size_t length)
{
    return BY_OWNER(fd, __real_write(fd, bytes, length));
}

ssize_t __wrap_writev(int fd, const struct iovec *pieces, int count)
{
    return BY_OWNER(fd, __real_writev(fd, pieces, count));
}

ssize_t __wrap_recv(int fd, void *bytes, size_t length, int flags)
{
    return BY_OWNER(fd, __real_recv(fd, bytes, length, flags), UP_TO(bytes, length));
}

ssize_t __wrap_recvfrom(int fd, void *bytes, size_t length, int flags, struct sockaddr *address,
                        socklen_t *size)
{
    socklen_t room = *size;

    return BY_OWNER(fd, __real_recvfrom(fd, bytes, length, flags, address, size),
                    UP_TO(bytes, length), ALL(address, room), ALL(size, sizeof(*size)));
}

/* The cases receive messages in one piece. */
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags)
{
    return BY_OWNER(fd, __real_recvmsg(fd, message, flags),
                    UP_TO(message->msg_iov->iov_base, message->msg_iov->iov_len),
                    ALL(&message->msg_flags, sizeof(message->msg_flags)),
                    ALL(&message->msg_controllen, sizeof(message->msg_controllen)));
}

ssize_t __wrap_read(int fd, void *bytes, size_t length)
{
    return BY_OWNER(fd, __real_read(fd, bytes, length), UP_TO(bytes, length));
}

/* The cases read two pieces. */
ssize_t __wrap_readv(int fd, const struct iovec *pieces, int count)
{
    return BY_OWNER(fd, __real_readv(fd, pieces, count), ALL(pieces[0].iov_base, pieces[0].iov_len),
                    ALL(pieces[1].iov_base, pieces[1].iov_len));
}

/* ---- waiting: no case waits for both domains' sockets in one call ---- */

int __wrap_poll(struct pollfd *asked, nfds_t count, int timeout_ms)
{
    return (int)BY_OWNER(asked->fd, __real_poll(asked, count, timeout_ms),
                         ALL(&asked->revents, sizeof(asked->revents)));
}

int __wrap_select(int count, fd_set *in, fd_set *out, fd_set *error, struct timeval *limit)
{
    int first = 0;

    while (first < count && !FD_ISSET(first, in))
        first++;
    return (int)BY_OWNER(first, __real_select(count, in, out, error, limit));
}

/* Each program has one; whose it is shows when something is put into it. */
int __wrap_epoll_create1(int flags)
{
    int epoll = __real_epoll_create1(flags);

    belongs_to(epoll, apart_maker());
    return epoll;
}

int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    if (owner_of(fd) != NOBODYS)
        belongs_to(epoll, owner_of(fd));
    return (int)BY_OWNER(fd, __real_epoll_ctl(epoll, operation, fd, event));
}

int __wrap_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout_ms)
{
    return (int)BY_OWNER(epoll, __real_epoll_wait(epoll, events, count, timeout_ms),
                         ALL(events, (size_t)count * sizeof(*events)));
}
