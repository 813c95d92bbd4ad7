/* Making sockets, binding and naming them. */
#include "stage.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static void try_socket(const char *what, int type, int protocol)
{
    int fd = socket(AF_VSOCK, type, protocol);

    note(what, fd < 0 ? fd : 0);
    if (fd >= 0)
        close(fd);
}

static void kinds(void)
{
    try_socket("stream", SOCK_STREAM, 0);
    try_socket("packets", SOCK_SEQPACKET, 0);
    try_socket("raw", SOCK_RAW, 0);
    try_socket("family", SOCK_STREAM, AF_VSOCK);
    try_socket("protocol", SOCK_STREAM, 7);
}

static void names_of_a_fresh_socket(void)
{
    int fd = make_socket(SOCK_STREAM);

    note_address("own", fd, false);
    note_address("peer", fd, true);
    close(fd);
}

static void bind_any_port(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("bind", bind_to(fd, VMADDR_CID_ANY, VMADDR_PORT_ANY));
    note_address("own", fd, false);
    close(fd);
}

static void bind_any_domain(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("bind", bind_to(fd, VMADDR_CID_ANY, fresh_port()));
    note_address("own", fd, false);
    close(fd);
}

static void bind_local(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("bind", bind_to(fd, VMADDR_CID_LOCAL, fresh_port()));
    close(fd);
}

static void bind_twice(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("first", bind_to(fd, VMADDR_CID_ANY, fresh_port()));
    note("second", bind_to(fd, VMADDR_CID_ANY, fresh_port()));
    close(fd);
}

static void bind_in_use(void)
{
    uint32_t port = fresh_port();
    int one = make_socket(SOCK_STREAM), two = make_socket(SOCK_STREAM);

    note("one", bind_to(one, VMADDR_CID_ANY, port));
    note("two", bind_to(two, VMADDR_CID_ANY, port));
    close(one);
    note("again", bind_to(two, VMADDR_CID_ANY, port));
    close(two);
}

static void bind_another_domain(void)
{
    int fd = make_socket(SOCK_STREAM);

    note("bind", bind_to(fd, 77, fresh_port()));
    close(fd);
}

static void strange_addresses(void)
{
    struct sockaddr_vm vm = address_of(VMADDR_CID_ANY, fresh_port());
    struct sockaddr_vm inet = {.svm_family = AF_INET, .svm_cid = stage_cid()};
    int fd = make_socket(SOCK_STREAM);

    note("bind-short", bind(fd, (struct sockaddr *)&vm, sizeof(vm) - 1));
    note("bind-family", bind(fd, (struct sockaddr *)&inet, sizeof(inet)));
    note("connect-short", connect(fd, (struct sockaddr *)&vm, sizeof(vm) - 1));
    note("connect-family", connect(fd, (struct sockaddr *)&inet, sizeof(inet)));
    close(fd);
}

static void a_name_cut_short(void)
{
    struct sockaddr_vm vm;
    socklen_t length = 4;
    int fd = make_socket(SOCK_STREAM);

    memset(&vm, 0xee, sizeof(vm));
    note("own", getsockname(fd, (struct sockaddr *)&vm, &length));
    note("length", length);
    note("kept", vm.svm_cid == 0xeeeeeeee);
    close(fd);
}

static void names_of_a_pair(void)
{
    int ends[2];

    make_pair(SOCK_STREAM, ends);
    note_address("client-peer", ends[0], true);
    note_address("server-own", ends[1], false);
    close_pair(ends);
}

static uint32_t port_of(int fd)
{
    struct sockaddr_vm vm = {0};
    socklen_t length = sizeof(vm);

    return getpeername(fd, (struct sockaddr *)&vm, &length) < 0 ? 0 : vm.svm_port;
}

static void a_bound_client(void)
{
    uint32_t server_port = fresh_port();
    int listener = make_listener(SOCK_STREAM, server_port, 1), fd = make_socket(SOCK_STREAM);
    uint32_t port = fresh_port();
    int accepted;

    note("bind", bind_to(fd, VMADDR_CID_ANY, port));
    note("connect", connect_to(fd, server_port));
    accepted = accept(listener, NULL, NULL);
    note("caller-port", port_of(accepted) == port);
    close(fd);
    close(accepted);
    close(listener);
}

const struct test_case socket_cases[] = {PORT_CASE(kinds),
                                         PORT_CASE(names_of_a_fresh_socket),
                                         PORT_CASE(bind_any_port),
                                         PORT_CASE(bind_any_domain),
                                         PORT_CASE(bind_local),
                                         PORT_CASE(bind_twice),
                                         PORT_CASE(bind_in_use),
                                         PORT_CASE(bind_another_domain),
                                         PORT_CASE(strange_addresses),
                                         PORT_CASE(a_name_cut_short),
                                         CASE(names_of_a_pair),
                                         PORT_CASE(a_bound_client),
                                         CASES_END};
