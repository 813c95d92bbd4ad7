#include "reach.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

union address {
    struct sockaddr any;
    struct sockaddr_un unix;
    struct sockaddr_in inet;
};

static socklen_t parse_inet(const char *where, struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(where, ':');
    size_t length = colon ? (size_t)(colon - where) : sizeof host;
    if (length >= sizeof host)
        return 0;
    memcpy(host, where, length);
    host[length] = '\0';
    address->sin_family = AF_INET;
    address->sin_port = htons((uint16_t)atoi(colon + 1));
    return inet_pton(AF_INET, host, &address->sin_addr) == 1 ? sizeof *address : 0;
}

/* The length of the address, or 0: `where` is none. */
static socklen_t parse(const char *where, union address *address)
{
    memset(address, 0, sizeof *address);
    if (*where != '/')
        return parse_inet(where, &address->inet);
    if (strlen(where) >= sizeof address->unix.sun_path)
        return 0;
    address->unix.sun_family = AF_UNIX;
    strcpy(address->unix.sun_path, where);
    return sizeof address->unix;
}

static int open_socket(const char *where, union address *address, socklen_t *length)
{
    int one = 1;
    *length = parse(where, address);
    if (!*length) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && address->any.sa_family == AF_INET) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return fd;
}

static int close_failed(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Who may connect to a port may connect to a path: the agent comes as nobody in particular. */
static int open_to_all(const char *where)
{
    return *where == '/' ? chmod(where, 0666) : 0;
}

int reach_listen(const char *where)
{
    union address address;
    socklen_t length;
    int fd = open_socket(where, &address, &length);
    if (fd >= 0 &&
        (bind(fd, &address.any, length) < 0 || open_to_all(where) < 0 || listen(fd, BACKLOG) < 0))
        return close_failed(fd);
    return fd;
}

int reach_connect(const char *where)
{
    union address address;
    socklen_t length;
    int fd = open_socket(where, &address, &length);
    if (fd >= 0 && connect(fd, &address.any, length) < 0)
        return close_failed(fd);
    return fd;
}
