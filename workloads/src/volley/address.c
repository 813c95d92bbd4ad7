#include "address.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int parse_vsock(struct address *address, const char *text)
{
    struct sockaddr_vm vm = {.svm_family = AF_VSOCK};
    char end;

    if (sscanf(text, "%u:%u%c", &vm.svm_cid, &vm.svm_port, &end) != 2)
        return 0;
    memcpy(&address->where, &vm, sizeof(vm));
    address->length = sizeof(vm);
    return 1;
}

static int parse_tcp(struct address *address, const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN], end;
    unsigned port;

    if (sscanf(text, "%15[0-9.]:%u%c", host, &port, &end) != 2 || port > UINT16_MAX ||
        inet_pton(AF_INET, host, &in.sin_addr) != 1)
        return 0;
    in.sin_port = htons((uint16_t)port);
    memcpy(&address->where, &in, sizeof(in));
    address->length = sizeof(in);
    return 1;
}

static int parse_unix(struct address *address, const char *text)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (!*text || strlen(text) >= sizeof(un.sun_path))
        return 0;
    strcpy(un.sun_path, text);
    memcpy(&address->where, &un, sizeof(un));
    address->length = sizeof(un);
    return 1;
}

int address_parse(struct address *address, const char *text)
{
    *address = (struct address){0};
    if (strncmp(text, "vsock:", 6) == 0)
        return parse_vsock(address, text + 6);
    if (strncmp(text, "tcp:", 4) == 0)
        return parse_tcp(address, text + 4);
    return strncmp(text, "unix:", 5) == 0 && parse_unix(address, text + 5);
}

static int make(const struct address *address)
{
    int fd = socket(address->where.ss_family, SOCK_STREAM, 0);
    int yes = 1;

    if (fd >= 0 && address->where.ss_family == AF_INET) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    }
    return fd;
}

int address_connect(const struct address *address)
{
    int fd = make(address);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address->where, address->length) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Who may connect to a port may connect to a path: the agent comes as nobody in particular. */
static int open_to_all(const struct address *address)
{
    if (address->where.ss_family != AF_UNIX)
        return 0;
    return chmod(((const struct sockaddr_un *)&address->where)->sun_path, 0666);
}

int address_accept_one(const struct address *address)
{
    int listener = make(address), fd = -1;

    if (listener >= 0 &&
        bind(listener, (const struct sockaddr *)&address->where, address->length) == 0 &&
        open_to_all(address) == 0 && listen(listener, 1) == 0) {
        puts("listening");
        fflush(stdout);
        fd = accept(listener, NULL, NULL);
    }
    if (listener >= 0)
        close(listener);
    if (fd >= 0 && address->where.ss_family == AF_UNIX)
        unlink(((const struct sockaddr_un *)&address->where)->sun_path);
    return fd;
}
