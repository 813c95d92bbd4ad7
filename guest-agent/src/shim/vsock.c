/* AF_VSOCK through this domain's agent: socket, bind, listen, accept, connect. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/passing.h"
#include "shim/address.h"
#include "shim/ask.h"
#include "shim/handles.h"
#include "shim/real.h"

#define ASK_PATIENCE_US 5000000u

static int fail(int error)
{
    errno = -error;
    return -1;
}

int socket(int domain, int type, int protocol)
{
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct handle *handle;
    int ends[2];

    if (domain != AF_VSOCK)
        return real()->socket(domain, type, protocol);
    if (protocol && protocol != AF_VSOCK)
        return fail(-EPROTONOSUPPORT);
    if ((type & ~flags) != SOCK_STREAM)
        return fail(-ESOCKTNOSUPPORT);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    handle = handle_new(ends[0], HANDLE_FRESH);
    if (!handle) {
        real()->close(ends[0]);
        real()->close(ends[1]);
        return fail(-EMFILE);
    }
    handle->other_end = ends[1];
    if (!(flags & SOCK_CLOEXEC))
        real()->fcntl(ends[0], F_SETFD, 0);
    if (flags & SOCK_NONBLOCK)
        real()->fcntl(ends[0], F_SETFL, O_RDWR | O_NONBLOCK);
    handle->nonblocking = flags & SOCK_NONBLOCK;
    return ends[0];
}

/* ---- bind and listen ---- */

static int bind_port(struct handle *handle, const struct sockaddr_vm *vm)
{
    struct shim_request request = {.type = SHIM_BIND, .port = vm->svm_port};
    struct shim_answer answer;
    int ends[2], error;

    if (handle->state != HANDLE_FRESH)
        return -EINVAL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    error = ask(&request, ends[1], ASK_PATIENCE_US, &answer);
    real()->close(ends[1]);
    if (!error && vm->svm_cid != VMADDR_CID_ANY && vm->svm_cid != VMADDR_CID_LOCAL &&
        vm->svm_cid != answer.cid)
        error = -EADDRNOTAVAIL;
    if (error) {
        real()->close(ends[0]);
        return error;
    }
    handle->port_end = ends[0];
    handle->local_cid = vm->svm_cid;
    handle->local_port = answer.port;
    handle->state = HANDLE_BOUND;
    return 0;
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
    struct handle *handle = handle_get(fd);
    struct sockaddr_vm vm;
    int error;

    if (!handle)
        return real()->bind(fd, address, length);
    error = address_read(&vm, address, length);
    if (!error)
        error = bind_port(handle, &vm);
    handle_put(handle);
    return error ? fail(error) : 0;
}

/* The port's pair takes the place of the socket's own: a caller makes it readable. */
static int begin_to_listen(struct handle *handle)
{
    int error = handle_replace(handle, handle->port_end);

    if (error)
        return error;
    real()->close(handle->other_end);
    handle->other_end = -1;
    handle->state = HANDLE_LISTENING;
    return 0;
}

int listen(int fd, int backlog)
{
    struct handle *handle = handle_get(fd);
    struct shim_backlog word = {.backlog = backlog < 0 ? 0 : (uint32_t)backlog};
    int error = 0;

    if (!handle)
        return real()->listen(fd, backlog);
    if (handle->state != HANDLE_BOUND && handle->state != HANDLE_LISTENING)
        error = -EINVAL;
    if (!error && handle->state == HANDLE_BOUND)
        error = begin_to_listen(handle);
    if (!error)
        error = passing_send(handle->port_end, &word, sizeof(word), -1);
    handle_put(handle);
    return error ? fail(error) : 0;
}

/* ---- accept ---- */

static int adopt(uint32_t port, int fd, const struct shim_caller *caller, int flags)
{
    struct handle *handle = handle_new(fd, HANDLE_CONNECTED);

    if (!handle)
        return -EMFILE;
    handle->local_cid = caller->own_cid;
    handle->local_port = port;
    handle->peer_cid = caller->cid;
    handle->peer_port = caller->port;
    handle->stream = caller->stream;
    handle->nonblocking = flags & SOCK_NONBLOCK;
    real()->fcntl(fd, F_SETFD, flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
    real()->fcntl(fd, F_SETFL, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));
    return fd;
}

static int accept_caller(const struct handle *listener, int at, int flags,
                         struct shim_caller *caller)
{
    static const uint8_t taken = 1;
    int fd, error;
    ssize_t got;

    if (listener->state != HANDLE_LISTENING)
        return -EINVAL;
    got = passing_receive(at, caller, sizeof(*caller), &fd, 0);
    if (got < 0)
        return (int)got;
    passing_send(at, &taken, sizeof(taken), -1);
    if (fd < 0)
        return got ? -EMFILE : -ECONNABORTED; /* no room for the descriptor; the agent has gone */
    error = adopt(listener->local_port, fd, caller, flags);
    if (error < 0)
        real()->close(fd);
    return error;
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    struct handle *listener = handle_get(fd);
    struct shim_caller caller;
    int accepted;

    if (!listener)
        return real()->accept4(fd, address, length, flags);
    accepted = accept_caller(listener, fd, flags, &caller);
    handle_put(listener);
    if (accepted < 0)
        return fail(accepted);
    address_write(address, length, caller.cid, caller.port);
    return accepted;
}

int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    return accept4(fd, address, length, 0);
}

/* ---- connect ---- */

static int connect_handle(struct handle *handle, const struct sockaddr_vm *vm)
{
    struct shim_request request = {.type = SHIM_CONNECT,
                                   .cid = vm->svm_cid,
                                   .port = vm->svm_port,
                                   .local_port = handle->local_port};
    struct shim_answer answer;
    int error;

    if (handle->state == HANDLE_CONNECTED)
        return -EISCONN;
    if (handle->state == HANDLE_LISTENING)
        return -EINVAL;
    error = ask(&request, handle->other_end, handle->connect_timeout_us, &answer);
    if (error)
        return error;
    real()->close(handle->other_end);
    handle->other_end = -1;
    handle->local_cid = answer.cid;
    handle->local_port = answer.port;
    handle->peer_cid = vm->svm_cid;
    handle->peer_port = vm->svm_port;
    handle->stream = answer.stream;
    handle->state = HANDLE_CONNECTED;
    return 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    struct handle *handle = handle_get(fd);
    struct sockaddr_vm vm;
    int error;

    if (!handle)
        return real()->connect(fd, address, length);
    error = address_read(&vm, address, length);
    if (!error)
        error = connect_handle(handle, &vm);
    handle_put(handle);
    return error ? fail(error) : 0;
}
