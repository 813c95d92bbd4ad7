/* Where a server is: domain and port, or domain and path. A case knows only ports; the path of one
 * is a file of that name. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apart.h"
#include "stage.h"

#define FIRST_PORT 20000u

static uint32_t servers_cid;
static uint32_t last_port = FIRST_PORT;
static const char *servers_folder, *clients_folder; /* NULL: by port */

void use_ports(uint32_t cid)
{
    servers_cid = cid;
}

void use_paths(const char *servers, const char *clients)
{
    umask(0); /* whoever wants to may connect */
    servers_folder = servers;
    clients_folder = clients;
}

bool by_path(void)
{
    return servers_folder;
}

struct sockaddr_vm address_of(uint32_t cid, uint32_t port)
{
    return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
}

uint32_t stage_cid(void)
{
    return servers_cid;
}

uint32_t fresh_port(void)
{
    return ++last_port;
}

static struct sockaddr_un path_of(const char *folder, uint32_t port)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    if (snprintf(un.sun_path, sizeof(un.sun_path), "%s/%u", folder, port) >=
        (int)sizeof(un.sun_path)) {
        errno = ENAMETOOLONG;
        must(-1, folder);
    }
    return un;
}

int make_socket(int type)
{
    return must(socket(by_path() ? AF_UNIX : AF_VSOCK, type, 0), "socket");
}

int bind_to(int fd, uint32_t cid, uint32_t port)
{
    struct sockaddr_vm vm = address_of(cid, port);
    struct sockaddr_un un;

    if (!by_path())
        return bind(fd, (struct sockaddr *)&vm, sizeof(vm));
    un = path_of(servers_folder, port);
    return bind(fd, (struct sockaddr *)&un, sizeof(un));
}

int connect_to(int fd, uint32_t port)
{
    struct sockaddr_vm vm = address_of(servers_cid, port);
    struct sockaddr_un un;

    if (!by_path())
        return connect(fd, (struct sockaddr *)&vm, sizeof(vm));
    un = path_of(clients_folder, port);
    return connect(fd, (struct sockaddr *)&un, sizeof(un));
}

void await_name(uint32_t port)
{
    struct sockaddr_un un;

    if (!by_path() || apart_owner(false) == THEIRS)
        return;
    un = path_of(clients_folder, port);
    for (int waited = 0; waited < PATIENCE_MS && access(un.sun_path, F_OK) < 0; waited++)
        usleep(1000);
}

/* ---- names ---- */

static const char *cid_word(uint32_t cid)
{
    if (cid == VMADDR_CID_ANY)
        return "any";
    return cid == servers_cid ? "servers" : "other";
}

static const char *port_word(uint32_t port)
{
    if (port == VMADDR_PORT_ANY)
        return "any";
    if (port == last_port)
        return "case";
    return port > FIRST_PORT + 999 ? "ephemeral" : "other";
}

static int name_of(int fd, bool peer, void *address, socklen_t *length)
{
    return peer ? getpeername(fd, address, length) : getsockname(fd, address, length);
}

static void note_port(const char *what, int fd, bool peer)
{
    struct sockaddr_vm vm = {0};
    socklen_t length = sizeof(vm);
    int error = name_of(fd, peer, &vm, &length);

    if (error < 0)
        note(what, error);
    else
        printf(" %s=%s:%s/%u/%u", what, cid_word(vm.svm_cid), port_word(vm.svm_port), vm.svm_family,
               length);
}

static void note_path(const char *what, int fd, bool peer)
{
    struct sockaddr_un un = {0};
    socklen_t length = sizeof(un);
    int error = name_of(fd, peer, &un, &length);
    const char *file = strrchr(un.sun_path, '/');

    if (error < 0)
        note(what, error);
    else
        printf(" %s=%s/%u", what, file ? port_word((uint32_t)strtoul(file + 1, NULL, 10)) : "none",
               un.sun_family);
}

void note_address(const char *what, int fd, bool peer)
{
    if (by_path())
        note_path(what, fd, peer);
    else
        note_port(what, fd, peer);
}
