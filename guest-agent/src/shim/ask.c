#include "shim/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/passing.h"
#include "shim/real.h"

#define ASK_PATIENCE_US 5000000u

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *folder = getenv(SHIM_RUN_DIR_VARIABLE);
    int fd;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/" SHIM_SOCKET,
             folder ? folder : SHIM_RUN_DIR);
    fd = real()->socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (real()->connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    real()->close(fd);
    return -ENODEV;
}

static int await(int fd, uint64_t timeout_us)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    struct timespec limit = {.tv_sec = (time_t)(timeout_us / 1000000u),
                             .tv_nsec = (long)(timeout_us % 1000000u) * 1000};
    int ready = ppoll(&wait, 1, &limit, NULL);

    if (ready < 0)
        return -errno;
    return ready ? 0 : -ETIMEDOUT;
}

/* With the answer comes a descriptor, or -1. */
static int read_answer(int fd, struct shim_answer *answer, int *passed)
{
    ssize_t got = passing_receive(fd, answer, sizeof(*answer), passed, 0);

    if (got < 0)
        return (int)got;
    return got == (ssize_t)sizeof(*answer) ? -answer->error : -ENODEV;
}

static void drop(int fd)
{
    if (fd >= 0)
        real()->close(fd);
}

int ask_without_waiting(const struct shim_request *request, int fd)
{
    int agent = dial();
    int error = agent < 0 ? agent : passing_send(agent, request, sizeof(*request), fd);

    if (!error)
        return agent;
    drop(agent);
    return error;
}

/* From here on the agent cannot answer any more: what it has answered is here, or it knows that
 * nobody will have heard it. */
static bool was_answered(int agent)
{
    uint8_t first;

    real()->shutdown(agent, SHUT_RDWR);
    return real()->recv(agent, &first, sizeof(first), MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Only a connect takes so long that a signal ends the wait for it. */
static int await_answer(const struct shim_request *request, int agent, uint64_t timeout_us)
{
    uint64_t now_us = clock_now_us(), until_us = now_us + timeout_us;
    int error;

    do {
        error = await(agent, now_us < until_us ? until_us - now_us : 0);
        now_us = clock_now_us();
    } while (error == -EINTR && request->type != SHIM_CONNECT);
    return error && was_answered(agent) ? 0 : error;
}

/* The connection, with one question on it that was answered in time; or a negative errno. */
static int ask_on_new(const struct shim_request *request, int fd, uint64_t timeout_us)
{
    int agent = ask_without_waiting(request, fd);
    int error = agent < 0 ? agent : await_answer(request, agent, timeout_us);

    if (!error)
        return agent;
    drop(agent);
    return error;
}

int ask(const struct shim_request *request, int fd, uint64_t timeout_us, struct shim_answer *answer)
{
    int agent = ask_on_new(request, fd, timeout_us);
    int passed = -1, error;

    if (agent < 0)
        return agent;
    error = read_answer(agent, answer, &passed);
    drop(passed);
    drop(agent);
    return error;
}

int ask_cids(uint32_t *cid, uint32_t *host)
{
    struct shim_request request = {.type = SHIM_WHOAMI};
    struct shim_answer answer;
    int error = ask(&request, -1, ASK_PATIENCE_US, &answer);

    if (!error) {
        *cid = answer.cid;
        *host = answer.host;
    }
    return error;
}

/* Waits for each: on one processor we may have been woken in between. */
static int read_beside(int agent, uint64_t timeout_us, int *fd)
{
    uint8_t beside;
    int error = await(agent, timeout_us);

    if (!error && passing_receive(agent, &beside, sizeof(beside), fd, MSG_DONTWAIT) <= 0)
        error = -ENODEV;
    return !error && *fd < 0 ? -EMFILE : error;
}

int ask_for_direct(uint64_t stream, uint32_t end, uint64_t timeout_us, int fds[ASK_DIRECT_FDS])
{
    struct shim_request request = {.type = SHIM_PROMOTE, .end = end, .stream = stream};
    struct shim_answer answer;
    int count = end & DIRECT_WATCHED ? ASK_DIRECT_FDS : ASK_DIRECT_FDS - 1;
    int agent = ask_on_new(&request, -1, timeout_us);
    int error;

    for (int i = 0; i < ASK_DIRECT_FDS; i++)
        fds[i] = -1;
    if (agent < 0)
        return agent;
    error = read_answer(agent, &answer, &fds[0]);
    if (!error && fds[0] < 0)
        error = -EMFILE;
    for (int i = 1; i < count && !error; i++)
        error = read_beside(agent, timeout_us, &fds[i]);
    for (int i = 0; i < count && error; i++)
        drop(fds[i]);
    drop(agent);
    return error;
}
