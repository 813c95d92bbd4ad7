#include "daemon/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/passing.h"
#include "base/socket.h"
#include "base/turn.h"
#include "daemon/connecting.h"
#include "daemon/opener.h"
#include "daemon/ports.h"
#include "link/direct.h"

#define CALLS_MAX 1024u

static bool asked_by(const struct call *call, uid_t user)
{
    uid_t asking = call_asking(call).uid;

    return asking == 0 || asking == user;
}

static void serve_bind(struct call *call, const struct shim_request *request, int fd)
{
    uint32_t port = request->port;
    int error = -EACCES;

    if (port >= SHIM_PORTS_PRIVILEGED || asked_by(call, 0))
        error = ports_bind(call->agent, fd, &port);
    if (error)
        close(fd);
    call_answer(call, -error, port);
}

static int send_beside(const struct call *call, int fd)
{
    static const uint8_t beside = 1;

    return passing_send(call->source.fd, &beside, sizeof(beside), fd);
}

static int send_direct(const struct call *call, const struct link *link, struct stream *stream,
                       bool watched)
{
    struct shim_answer answer = {.cid = call->agent->options.id};
    char path[REGION_PATH_MAX], why[REGION_WHY_MAX];
    int region = opener_open_region(call->agent, link->view.path, link->view.nonce, path, why);
    int error = region < 0 ? region : 0;

    if (!error && watched)
        error = direct_open_wake(stream);
    if (!error)
        error = passing_send(call->source.fd, &answer, sizeof(answer), stream->direct_fd);
    if (!error)
        error = send_beside(call, region);
    if (!error)
        error = send_beside(call, link->direct_kick.fd);
    if (!error && watched)
        error = send_beside(call, stream->direct_wake);
    if (region >= 0)
        close(region);
    return error;
}

/* A region shows the bytes of all streams of the link: it is for those who may read all of them. */
static void serve_promote(struct call *call, const struct shim_request *request)
{
    struct link *link;
    struct stream *stream = connecting_stream(call, request->stream, &link);
    uint32_t which = request->end & ~DIRECT_WATCHED;
    int error = stream ? 0 : -ENOENT;

    if (!asked_by(call, geteuid()))
        error = -EPERM;
    else if (which != DIRECT_TX && which != DIRECT_RX)
        error = -EINVAL;
    else if (!turn_can_be_shared(call_asking(call).pid))
        error = -EOPNOTSUPP;
    if (!error)
        error = direct_give(link, stream, which);
    if (!error)
        error = send_direct(call, link, stream, request->end & DIRECT_WATCHED);
    if (error)
        call_answer(call, -error, 0);
    else
        call_hang_up(call);
}

static void serve(struct call *call, const struct shim_request *request, int fd)
{
    if (request->type == SHIM_BIND && fd >= 0)
        serve_bind(call, request, fd);
    else if (request->type == SHIM_CONNECT && fd >= 0)
        connecting_serve(call, request, fd);
    else if (request->type == SHIM_PROMOTE && fd < 0)
        serve_promote(call, request);
    else if (request->type == SHIM_WHOAMI && fd < 0)
        call_answer(call, 0, 0);
    else
        call_answer(call, EPROTO, 0);
}

static bool is_pair(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           (socket_type(fd) == SOCK_STREAM || socket_type(fd) == SOCK_SEQPACKET);
}

/* What a program passes is used as a socket that never blocks: it may be anything else. */
static int checked(int fd)
{
    if (fd < 0 || is_pair(fd))
        return fd;
    close(fd);
    return -1;
}

static void call_ready(struct loop_source *source, uint32_t events)
{
    struct call *call = container_of(source, struct call, source);
    struct shim_request request;
    ssize_t got;
    int fd;

    got = passing_receive(source->fd, &request, sizeof(request), &fd, MSG_DONTWAIT);
    if (got == -EAGAIN || got == -EINTR)
        return;
    if (got == (ssize_t)sizeof(request) && !call->stream && call->parked < 0 &&
        !(events & EPOLLRDHUP)) { /* else nobody would hear the answer */
        serve(call, &request, checked(fd));
        return;
    }
    if (fd >= 0)
        close(fd);
    connecting_give_up(call);
    call_hang_up(call);
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
    struct shim *shim = container_of(source, struct shim, listener);
    int fd = socket_accept(source->fd);
    struct call *call;

    (void)events;
    if (fd < 0)
        return;
    call = shim->count < CALLS_MAX ? calloc(1, sizeof(*call)) : NULL;
    if (!call) {
        log_warning("a program's shim is turned away: too many are waiting");
        close(fd);
        return;
    }
    *call = (struct call){.next = shim->calls,
                          .agent = shim->agent,
                          .source = {.fd = fd, .ready = call_ready},
                          .socket = -1,
                          .parked = -1};
    shim->calls = call;
    shim->count++;
    loop_add(&shim->agent->loop, &call->source, EPOLLIN | EPOLLRDHUP);
}

void shim_stream_event(struct agent *agent, const struct stream *stream, enum stream_event event)
{
    struct call *call = agent->shim ? agent->shim->calls : NULL;

    while (call && call->stream != stream->token)
        call = call->next;
    if (!call)
        return;
    if (event == STREAM_OPENED)
        call_answer(call, 0, call->local_port);
    else
        call_answer(call, stream->error ? stream->error : ECONNRESET, 0);
}

static void socket_path(const struct agent *agent, char path[AGENT_PATH_MAX + 16])
{
    snprintf(path, AGENT_PATH_MAX + 16, "%s/" SHIM_SOCKET, agent->options.run_dir);
}

int shim_start(struct agent *agent)
{
    char path[AGENT_PATH_MAX + 16];
    struct shim *shim = calloc(1, sizeof(*shim));
    int fd;

    if (!shim)
        return -ENOMEM;
    agent->shim = shim;
    shim->agent = agent;
    socket_path(agent, path);
    fd = socket_listen_packets(path, 0666);
    if (fd < 0)
        return fd;
    shim->listener = (struct loop_source){.fd = fd, .ready = listener_ready};
    return loop_add(&agent->loop, &shim->listener, EPOLLIN);
}

void shim_stop(struct agent *agent)
{
    char path[AGENT_PATH_MAX + 16];

    while (agent->shim->calls)
        call_hang_up(agent->shim->calls);
    loop_remove(&agent->loop, &agent->shim->listener);
    close(agent->shim->listener.fd);
    socket_path(agent, path);
    unlink(path);
    free(agent->shim);
    agent->shim = NULL;
}
