#include "base/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_BACKLOG 128

static int close_with(int fd, int error)
{
    close(fd);
    return error;
}

static int unix_socket(struct sockaddr_un *address, const char *path, int type)
{
    int fd;

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address->sun_path))
        return -ENAMETOOLONG;
    strcpy(address->sun_path, path);
    fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

/* Nobody sees the path before it can be connected to: it is bound aside and renamed. No export has
 * a space in its name, so what lies aside is nobody else's. */
static int listen_at(const char *path, mode_t mode, int type)
{
    char aside[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
    struct sockaddr_un address;
    int fd, error;

    if ((size_t)snprintf(aside, sizeof(aside), "%s ", path) >= sizeof(aside))
        return -ENAMETOOLONG;
    fd = unix_socket(&address, aside, type);
    if (fd < 0)
        return fd;
    unlink(aside); /* left over from an earlier life */
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && chmod(aside, mode) == 0 &&
        listen(fd, SOCKET_BACKLOG) == 0 && rename(aside, path) == 0)
        return fd;
    error = -errno;
    unlink(aside);
    return close_with(fd, error);
}

int socket_listen_unix(const char *path, mode_t mode)
{
    return listen_at(path, mode, SOCK_STREAM);
}

int socket_listen_packets(const char *path, mode_t mode)
{
    return listen_at(path, mode, SOCK_SEQPACKET);
}

/* Held back for the moment when there is no other descriptor left. */
static int reserve = -1;

static void hold_reserve(void)
{
    if (reserve < 0)
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* A caller that nobody can take would keep the listener readable, and the loop awake, for ever. */
static void turn_away(int listener)
{
    int fd;

    if (reserve < 0)
        return;
    close(reserve);
    reserve = -1;
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    hold_reserve();
}

int socket_accept(int listener)
{
    int fd, error;

    hold_reserve();
    fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    error = -errno;
    if (fd < 0 && (error == -EMFILE || error == -ENFILE))
        turn_away(listener);
    return fd < 0 ? error : fd;
}

static void bind_abstract(int fd, const char *name)
{
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    size_t length = strnlen(name, sizeof(own.sun_path) - 1);

    memcpy(own.sun_path + 1, name, length);
    if (bind(fd, (struct sockaddr *)&own, (socklen_t)(sizeof(own.sun_family) + 1 + length)) < 0)
        return; /* nameless, then */
}

int socket_connect_unix(const char *path, const char *name)
{
    struct sockaddr_un address;
    int fd = unix_socket(&address, path, SOCK_STREAM);

    if (fd < 0)
        return fd;
    bind_abstract(fd, name);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return close_with(fd, -errno);
    return fd;
}

static int tcp_address(struct sockaddr_in *address, const char *text, uint16_t port)
{
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    if (inet_pton(AF_INET, text, &address->sin_addr) != 1)
        return -EINVAL;
    return 0;
}

int socket_listen_tcp(const char *text, uint16_t port)
{
    struct sockaddr_in address;
    int yes = 1;
    int fd;

    if (tcp_address(&address, text, port) < 0)
        return -EINVAL;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, SOCKET_BACKLOG) < 0)
        return close_with(fd, -errno);
    return fd;
}

int socket_connect_tcp(const char *text, uint16_t port)
{
    struct sockaddr_in address;
    int fd;

    if (tcp_address(&address, text, port) < 0)
        return -EINVAL;
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno != EINPROGRESS)
        return close_with(fd, -errno);
    return fd;
}

static void set(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value));
}

void socket_set_unacknowledged(int fd, int ms)
{
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, ms);
}

void socket_set_patience(int fd, const struct socket_patience *patience)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    socket_set_unacknowledged(fd, patience->unacknowledged_ms);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, patience->idle_s);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, patience->interval_s);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, patience->count);
}

int socket_name(int fd)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};

    return bind(fd, (struct sockaddr *)&any, offsetof(struct sockaddr_un, sun_path)) < 0 ? -errno
                                                                                         : 0;
}

uint16_t socket_port(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);

    getsockname(fd, (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    return -error;
}

int socket_type(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ? -errno : type;
}
