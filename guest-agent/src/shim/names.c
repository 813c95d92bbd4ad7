/* Asking about a socket: its addresses, its options, this domain's id. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "shim/address.h"
#include "shim/ask.h"
#include "shim/connect.h"
#include "shim/ending.h"
#include "shim/handles.h"
#include "shim/held.h"
#include "shim/real.h"

static int fail(int error)
{
    errno = -error;
    return -1;
}

int getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    struct handle *handle = handle_get(fd);

    if (!handle)
        return real()->getsockname(fd, address, length);
    connect_settle(handle, fd);
    address_write(address, length, handle->local_cid, handle->local_port);
    handle_put(handle);
    return 0;
}

int getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    struct handle *handle = handle_get(fd);
    bool connected;

    if (!handle)
        return real()->getpeername(fd, address, length);
    connect_settle(handle, fd);
    connected = handle->state == HANDLE_CONNECTED;
    if (connected)
        address_write(address, length, handle->peer_cid, handle->peer_port);
    handle_put(handle);
    return connected ? 0 : fail(-ENOTCONN);
}

/* ---- options ---- */

static int give(void *value, socklen_t *length, const void *from, socklen_t size)
{
    if (*length < size)
        return -EINVAL;
    memcpy(value, from, size);
    *length = size;
    return 0;
}

static int get_vm_option(const struct handle *handle, int name, void *value, socklen_t *length)
{
    struct timeval timeout = {.tv_sec = (time_t)(handle->connect_timeout_us / 1000000u),
                              .tv_usec = (suseconds_t)(handle->connect_timeout_us % 1000000u)};

    switch (name) {
    case SO_VM_SOCKETS_BUFFER_SIZE:
    case SO_VM_SOCKETS_BUFFER_MIN_SIZE:
    case SO_VM_SOCKETS_BUFFER_MAX_SIZE:
        return give(value, length, &handle->buffer_sizes[name], sizeof(handle->buffer_sizes[name]));
    case SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW:
    case SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD:
        return give(value, length, &timeout, sizeof(timeout));
    case SHIM_PEER_USER:
        return give(value, length, &handle->peer_user, sizeof(handle->peer_user));
    default:
        return -ENOPROTOOPT;
    }
}

static int get_socket_option(struct handle *handle, int fd, int name, void *value,
                             socklen_t *length)
{
    struct ucred nobody = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    int word = 0;

    switch (name) {
    case SO_DOMAIN:
        word = AF_VSOCK;
        return give(value, length, &word, sizeof(word));
    case SO_PROTOCOL:
        return give(value, length, &word, sizeof(word));
    case SO_ACCEPTCONN:
        word = handle->state == HANDLE_LISTENING;
        return give(value, length, &word, sizeof(word));
    case SO_ERROR:
        word = connect_take_error(handle, fd);
        if (!word && handle->state == HANDLE_CONNECTED)
            word = ending_take_error(handle, fd);
        if (word)
            return give(value, length, &word, sizeof(word));
        break;
    case SO_PEERCRED: /* as the kernel: there is nobody of this machine at the other end */
        return give(value, length, &nobody, sizeof(nobody));
    }
    return real()->getsockopt(fd, SOL_SOCKET, name, value, length) < 0 ? -errno : 0;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
    struct handle *handle = handle_get(fd);
    int error = -ENOPROTOOPT;

    if (!handle)
        return real()->getsockopt(fd, level, name, value, length);
    if (level == AF_VSOCK)
        error = get_vm_option(handle, name, value, length);
    else if (level == SOL_SOCKET)
        error = get_socket_option(handle, fd, name, value, length);
    handle_put(handle);
    return error ? fail(error) : 0;
}

static int set_timeout(struct handle *handle, const void *value, socklen_t length)
{
    struct timeval timeout;

    if (length < sizeof(timeout))
        return -EINVAL;
    memcpy(&timeout, value, sizeof(timeout));
    if (timeout.tv_sec < 0 || timeout.tv_usec < 0 || timeout.tv_usec >= 1000000)
        return -ERANGE;
    handle->connect_timeout_us = (uint64_t)timeout.tv_sec * 1000000u + (uint64_t)timeout.tv_usec;
    if (!handle->connect_timeout_us)
        handle->connect_timeout_us = HANDLE_CONNECT_TIMEOUT_US;
    return 0;
}

/* By SO_VM_SOCKETS_BUFFER_*: the maximum has the last word, as in the kernel. */
static void clamp_buffer_size(uint64_t sizes[3])
{
    uint64_t *size = &sizes[SO_VM_SOCKETS_BUFFER_SIZE];

    if (*size < sizes[SO_VM_SOCKETS_BUFFER_MIN_SIZE])
        *size = sizes[SO_VM_SOCKETS_BUFFER_MIN_SIZE];
    if (*size > sizes[SO_VM_SOCKETS_BUFFER_MAX_SIZE])
        *size = sizes[SO_VM_SOCKETS_BUFFER_MAX_SIZE];
}

static int set_vm_option(struct handle *handle, int name, const void *value, socklen_t length)
{
    switch (name) {
    case SO_VM_SOCKETS_BUFFER_SIZE:
    case SO_VM_SOCKETS_BUFFER_MIN_SIZE:
    case SO_VM_SOCKETS_BUFFER_MAX_SIZE:
        if (length < sizeof(uint64_t))
            return -EINVAL;
        memcpy(&handle->buffer_sizes[name], value, sizeof(uint64_t));
        clamp_buffer_size(handle->buffer_sizes);
        return 0;
    case SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW:
    case SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD:
        return set_timeout(handle, value, length);
    default:
        return -ENOPROTOOPT;
    }
}

static uint64_t timeout_of(int fd, int name)
{
    struct timeval timeout = {0};
    socklen_t length = sizeof(timeout);

    real()->getsockopt(fd, SOL_SOCKET, name, &timeout, &length);
    return (uint64_t)timeout.tv_sec * 1000000u + (uint64_t)timeout.tv_usec;
}

static int low_water_of(int fd)
{
    int mark = 1;
    socklen_t length = sizeof(mark);

    real()->getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, &length);
    return mark;
}

/* The kernel keeps them, and says what it has made of them. */
static int set_socket_option(int fd, struct handle *handle, int name, const void *value,
                             socklen_t length)
{
    if (real()->setsockopt(fd, SOL_SOCKET, name, value, length) < 0)
        return -errno;
    if (name == SO_RCVTIMEO)
        handle->receive_timeout_us = timeout_of(fd, SO_RCVTIMEO);
    if (name == SO_SNDTIMEO)
        handle->send_timeout_us = timeout_of(fd, SO_SNDTIMEO);
    if (name == SO_RCVLOWAT)
        handle->low_water = low_water_of(fd);
    return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    struct handle *handle = handle_get(fd);
    int error = -ENOPROTOOPT;

    if (!handle)
        return real()->setsockopt(fd, level, name, value, length);
    if (level == AF_VSOCK)
        error = set_vm_option(handle, name, value, length);
    else if (level == SOL_SOCKET)
        error = set_socket_option(fd, handle, name, value, length);
    handle_put(handle);
    return error ? fail(error) : 0;
}

/* What the program gives a place for may lie anywhere. */
static int tell_cid(void *place)
{
    uint32_t cid, host;
    int error = ask_cids(&cid, &host);

    if (!error)
        memcpy(place, &cid, sizeof(cid));
    return error;
}

static bool says_nonblocking(const void *place)
{
    int word;

    memcpy(&word, place, sizeof(word));
    return word != 0;
}

/* What lies in the ring is not in the socket; what the agent had put there before is. */
static int tell_readable(struct handle *handle, int fd, void *place)
{
    struct held *held = held_get(handle, RECEIVING);
    ssize_t in_ring = held ? direct_readable(&held->ends, NULL) : 0;
    int readable = 0;

    if (!held || !held->drained || in_ring < 0)
        if (real()->ioctl(fd, FIONREAD, &readable) < 0)
            return -errno;
    readable += in_ring > 0 ? (int)in_ring : 0;
    memcpy(place, &readable, sizeof(readable));
    return 0;
}

static int control(struct handle *handle, int fd, unsigned long request, void *argument)
{
    switch (request) {
    case IOCTL_VM_SOCKETS_GET_LOCAL_CID:
        return tell_cid(argument);
    case FIONREAD:
        return tell_readable(handle, fd, argument);
    case FIONBIO:
        handle->nonblocking = says_nonblocking(argument);
        break;
    }
    return real()->ioctl(fd, request, argument) < 0 ? -errno : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    struct handle *handle = handle_get(fd);
    va_list arguments;
    void *argument;
    int error;

    va_start(arguments, request);
    argument = va_arg(arguments, void *);
    va_end(arguments);
    if (!handle)
        return real()->ioctl(fd, request, argument);
    error = control(handle, fd, request, argument);
    handle_put(handle);
    return error ? fail(error) : 0;
}
