/* connect(). A program that does not wait must not find its socket writable before it is connected,
 * whatever it waits with. So the shim fills the socket's buffer, made as small as it can be, and
 * the agent empties it when there is an answer: the kernel then wakes whoever waits. */
#include "shim/connect.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/critical.h"
#include "base/passing.h"
#include "shim/address.h"
#include "shim/ask.h"
#include "shim/real.h"

/* ---- the filler ---- */

static bool ready(int fd, short events)
{
    struct pollfd asked = {.fd = fd, .events = events};

    return real()->poll(&asked, 1, 0) > 0;
}

static int send_size(int fd)
{
    int size = 0;
    socklen_t length = sizeof(size);

    real()->getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, &length);
    return size;
}

static void set_send_size(int fd, int size)
{
    real()->setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* Returns with how many bytes. */
static uint32_t fill(struct handle *handle, int fd)
{
    uint32_t count = 0;

    handle->send_size = send_size(fd);
    set_send_size(fd, 0);
    while (count < SHIM_FILLER_MAX && ready(fd, POLLOUT) &&
           real()->send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1)
        count++;
    return count;
}

/* Nobody has heard of it: what is sent by this pair one day is not to come behind it. */
static void empty(const struct handle *handle, uint32_t count)
{
    uint8_t bytes[SHIM_FILLER_MAX];

    while (count) {
        ssize_t got = real()->recv(handle->other_end, bytes, count, MSG_DONTWAIT);

        if (got <= 0)
            return;
        count -= (uint32_t)got;
    }
}

/* ---- how it ends ---- */

static void connected(struct handle *handle, const struct shim_answer *answer)
{
    handle_let_go(handle);
    handle->local_cid = answer->cid;
    handle->local_port = answer->port;
    handle->stream = answer->stream;
    handle->state = HANDLE_CONNECTED;
}

static void not_connected(struct handle *handle, int socket)
{
    handle->state = handle->local_port == VMADDR_PORT_ANY ? HANDLE_FRESH : HANDLE_BOUND;
    handle->peer_cid = handle->peer_port = UINT32_MAX;
    if (socket >= 0)
        handle->other_end = socket;
}

/* The answer stays where it is: another process that has the socket wants to know it, too. */
static int look(struct handle *handle, int fd, int flags)
{
    struct shim_answer answer;
    int socket, error;
    ssize_t got =
        passing_receive(handle->answer, &answer, sizeof(answer), &socket, flags | MSG_PEEK);

    if (got == -EAGAIN || got == -EINTR)
        return (int)got;
    error = got == (ssize_t)sizeof(answer) ? -answer.error : -ECONNRESET;
    set_send_size(fd, handle->send_size / 2); /* the kernel doubles it */
    real()->close(handle->answer);
    handle->answer = -1;
    if (error)
        not_connected(handle, socket);
    else
        connected(handle, &answer);
    return error;
}

/* A socket that can be written to has been emptied, and the answer is on its way. No handler may
 * use the socket half-way. */
void connect_settle(struct handle *handle, int fd)
{
    int error;

    if (handle->state != HANDLE_CONNECTING)
        return;
    critical_enter();
    error = look(handle, fd, ready(fd, POLLOUT) ? 0 : MSG_DONTWAIT);
    critical_leave();
    if (handle->state != HANDLE_CONNECTING)
        handle->error = -error;
}

int connect_take_error(struct handle *handle, int fd)
{
    int error;

    connect_settle(handle, fd);
    error = handle->error;
    handle->error = 0;
    return error;
}

/* ---- connect ---- */

static int begin(struct handle *handle, int fd, const struct shim_request *request)
{
    struct shim_request filled = *request;

    filled.filler = fill(handle, fd);
    handle->answer = ask_without_waiting(&filled, handle->other_end);
    if (handle->answer < 0) {
        int error = handle->answer;

        handle->answer = -1;
        empty(handle, filled.filler);
        set_send_size(fd, handle->send_size / 2);
        return error;
    }
    handle_let_go(handle);
    handle->state = HANDLE_CONNECTING;
    return -EINPROGRESS;
}

static int wait_for(struct handle *handle, const struct shim_request *request)
{
    struct shim_answer answer;
    int error = ask(request, handle->other_end, handle->connect_timeout_us, &answer);

    if (error)
        not_connected(handle, -1);
    else
        connected(handle, &answer);
    return error;
}

/* A second connect() while the first is under way. */
static int go_on(struct handle *handle, int fd)
{
    connect_settle(handle, fd);
    if (handle->state == HANDLE_CONNECTED)
        return -EISCONN;
    if (handle->state != HANDLE_CONNECTING)
        return -connect_take_error(handle, fd);
    if (handle->nonblocking)
        return -EALREADY;
    return look(handle, fd, 0);
}

static int connect_handle(struct handle *handle, int fd, const struct sockaddr_vm *vm)
{
    struct shim_request request = {.type = SHIM_CONNECT,
                                   .cid = vm->svm_cid,
                                   .port = vm->svm_port,
                                   .local_port = handle->local_port,
                                   .timeout_us = handle->connect_timeout_us};

    if (handle->state == HANDLE_CONNECTING)
        return go_on(handle, fd);
    if (handle->state == HANDLE_CONNECTED)
        return -EISCONN;
    if (handle->state == HANDLE_LISTENING)
        return -EINVAL;
    handle->peer_cid = vm->svm_cid;
    handle->peer_port = vm->svm_port;
    return handle->nonblocking ? begin(handle, fd, &request) : wait_for(handle, &request);
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
        error = connect_handle(handle, fd, &vm);
    handle_put(handle);
    if (!error)
        return 0;
    errno = -error;
    return -1;
}
