#include "cli/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi/shim.h"
#include "base/passing.h"

#define ANSWER_PATIENCE_MS 5000

static int close_with(int fd, int error)
{
    close(fd);
    return error;
}

/* ---- by port ---- */

static int unix_address(struct sockaddr_un *address, const char *folder, const char *name)
{
    size_t size = sizeof(address->sun_path);

    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return (size_t)snprintf(address->sun_path, size, "%s/%s", folder, name) < size ? 0
                                                                                   : -ENAMETOOLONG;
}

static int dial(const char *run_dir, const char *name, int type)
{
    struct sockaddr_un address;
    int error = unix_address(&address, run_dir, name), fd;

    if (error)
        return error;
    fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    return close_with(fd, -errno);
}

static int await(int fd, int timeout_ms)
{
    struct pollfd asked = {.fd = fd, .events = POLLIN};
    int ready = poll(&asked, 1, timeout_ms);

    if (ready < 0)
        return -errno;
    return ready ? 0 : -ETIMEDOUT;
}

static int ask(const char *run_dir, const struct shim_request *request, int fd, int timeout_ms)
{
    struct shim_answer answer;
    int agent = dial(run_dir, SHIM_SOCKET, SOCK_SEQPACKET), passed = -1;
    int error = agent < 0 ? -ENODEV : passing_send(agent, request, sizeof(*request), fd);

    if (!error)
        error = await(agent, timeout_ms);
    if (!error && passing_receive(agent, &answer, sizeof(answer), &passed, 0) != sizeof(answer))
        error = -ENODEV;
    if (passed >= 0)
        close(passed);
    if (agent >= 0)
        close(agent);
    return error ? error : -answer.error;
}

/* This program's end of a pair whose other end the agent has taken. */
static int ask_with_pair(const char *run_dir, const struct shim_request *request, int timeout_ms)
{
    int ends[2], error;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    error = ask(run_dir, request, ends[1], timeout_ms);
    close(ends[1]);
    return error ? close_with(ends[0], error) : ends[0];
}

int reach_port(const char *run_dir, uint32_t cid, uint32_t port, uint64_t timeout_ms)
{
    struct shim_request request = {.type = SHIM_CONNECT,
                                   .cid = cid,
                                   .port = port,
                                   .local_port = SHIM_PORT_ANY,
                                   .timeout_us = timeout_ms * 1000};

    return ask_with_pair(run_dir, &request, (int)timeout_ms + ANSWER_PATIENCE_MS);
}

int reach_listen(const char *run_dir, uint32_t port)
{
    static const struct shim_word listens = {.saying = SHIM_LISTENS, .backlog = 1};
    struct shim_request request = {.type = SHIM_BIND, .port = port};
    int fd = ask_with_pair(run_dir, &request, ANSWER_PATIENCE_MS);
    int error = fd < 0 ? fd : passing_send(fd, &listens, sizeof(listens), -1);

    return error < 0 && fd >= 0 ? close_with(fd, error) : fd;
}

int reach_accept(int listener)
{
    static const struct shim_word taken = {.saying = SHIM_ACCEPTED};
    struct shim_caller caller;
    int stream;

    if (passing_receive(listener, &caller, sizeof(caller), &stream, 0) <= 0 || stream < 0)
        return -ENODEV;
    passing_send(listener, &taken, sizeof(taken), -1);
    fcntl(stream, F_SETFL, O_RDWR); /* the agent's end does not wait, this one does */
    return stream;
}

/* ---- by path ---- */

int reach_path(const char *run_dir, const char *domain, const char *path)
{
    char name[sizeof(((struct sockaddr_un *)0)->sun_path)];

    if ((size_t)snprintf(name, sizeof(name), "%s/%s", domain, path) >= sizeof(name))
        return -ENAMETOOLONG;
    return dial(run_dir, name, SOCK_STREAM);
}

/* For everybody: it stands for no longer than until the first one comes. */
int reach_serve_path(const char *run_dir, const char *path)
{
    struct sockaddr_un address;
    char name[sizeof(address.sun_path)];
    int fd, stream;

    if ((size_t)snprintf(name, sizeof(name), "self/%s", path) >= sizeof(name) ||
        unix_address(&address, run_dir, name) < 0)
        return -ENAMETOOLONG;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return close_with(fd, -errno);
    stream = listen(fd, 1) == 0 && chmod(address.sun_path, 0666) == 0
                 ? accept4(fd, NULL, NULL, SOCK_CLOEXEC)
                 : -1;
    if (stream < 0)
        stream = -errno;
    unlink(address.sun_path);
    return close_with(fd, stream);
}

const char *reach_hint(int error)
{
    switch (error) {
    case -ENODEV:
        return "; is domsockd running here? --run-dir?";
    case -EHOSTUNREACH:
        return "; there is no such domain, or it is not known here: see domsock ls";
    case -ECONNREFUSED:
    case -ENOENT:
        return "; nobody listens there, or it is not shown here: see domsock ls, in both domains";
    case -EACCES:
        return "; there is no grant with it, or this user may not";
    default:
        return "";
    }
}
