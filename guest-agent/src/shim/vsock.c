/* AF_VSOCK through this domain's agent: socket, bind, listen, accept. */
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

static void make_packets(struct handle *handle, const int ends[2], bool packets)
{
    handle->packets = packets;
    for (int i = 0; i < 2 && packets; i++)
        passing_make_room(ends[i]);
}

int socket(int domain, int type, int protocol)
{
    int flags = type & (SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct handle *handle;
    int ends[2];

    if (domain != AF_VSOCK)
        return handle_made(real()->socket(domain, type, protocol));
    if (protocol && protocol != AF_VSOCK)
        return fail(-EPROTONOSUPPORT);
    if ((type & ~flags) != SOCK_STREAM && (type & ~flags) != SOCK_SEQPACKET)
        return fail(-ESOCKTNOSUPPORT);
    if (socketpair(AF_UNIX, (type & ~flags) | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    handle = handle_new(ends[0], HANDLE_FRESH);
    if (!handle) {
        real()->close(ends[0]);
        real()->close(ends[1]);
        return fail(-EMFILE);
    }
    handle->other_end = ends[1];
    make_packets(handle, ends, (type & ~flags) == SOCK_SEQPACKET);
    if (!(flags & SOCK_CLOEXEC))
        real()->fcntl(ends[0], F_SETFD, 0);
    if (flags & SOCK_NONBLOCK)
        real()->fcntl(ends[0], F_SETFL, O_RDWR | O_NONBLOCK);
    handle->nonblocking = flags & SOCK_NONBLOCK;
    return ends[0];
}

/* ---- bind and listen ---- */

/* Only a host itself is at CID 2. */
static int check_own(uint32_t asked)
{
    uint32_t cid, host;
    int error;

    if (asked == VMADDR_CID_ANY || asked == VMADDR_CID_LOCAL)
        return 0;
    error = ask_cids(&cid, &host);
    if (error)
        return error;
    if (asked == VMADDR_CID_HOST)
        asked = host;
    return asked == cid ? 0 : -EADDRNOTAVAIL;
}

static int bind_port(struct handle *handle, const struct sockaddr_vm *vm)
{
    struct shim_request request = {.type = SHIM_BIND, .port = vm->svm_port};
    struct shim_answer answer;
    int error;

    if (handle->state != HANDLE_FRESH)
        return -EINVAL;
    error = check_own(vm->svm_cid);
    if (error)
        return error;
    error = ask(&request, handle->other_end, ASK_PATIENCE_US, &answer);
    if (error)
        return error;
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

int listen(int fd, int backlog)
{
    struct handle *handle = handle_get(fd);
    struct shim_word word = {.saying = SHIM_LISTENS,
                             .backlog = backlog < 0 ? 0 : (uint32_t)backlog};
    int error = 0;

    if (!handle)
        return real()->listen(fd, backlog);
    if (handle->state != HANDLE_BOUND && handle->state != HANDLE_LISTENING)
        error = -EINVAL;
    if (!error) {
        handle->state = HANDLE_LISTENING;
        error = passing_send(fd, &word, sizeof(word), -1);
        handle_let_go(handle);
    }
    handle_put(handle);
    return error ? fail(error) : 0;
}

/* ---- accept ---- */

static int adopt(const struct handle *listener, int fd, const struct shim_caller *caller, int flags)
{
    struct handle *handle = handle_new(fd, HANDLE_CONNECTED);

    if (!handle)
        return -EMFILE;
    handle->local_cid = caller->own_cid;
    handle->local_port = listener->local_port;
    handle->peer_cid = caller->cid;
    handle->peer_port = caller->port;
    handle->peer_user = caller->user;
    handle->packets = listener->packets;
    handle->stream = caller->stream;
    handle->nonblocking = flags & SOCK_NONBLOCK;
    real()->fcntl(fd, F_SETFD, flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0);
    real()->fcntl(fd, F_SETFL, O_RDWR | (flags & SOCK_NONBLOCK ? O_NONBLOCK : 0));
    return fd;
}

static int accept_caller(const struct handle *listener, int at, int flags,
                         struct shim_caller *caller)
{
    static const struct shim_word taken = {.saying = SHIM_ACCEPTED};
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
    error = adopt(listener, fd, caller, flags);
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
        return handle_made(real()->accept4(fd, address, length, flags));
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
