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
#include "daemon/host.h"
#include "daemon/peers.h"
#include "daemon/ports.h"
#include "link/direct.h"

#define CALLS_MAX 1024u

/* One connection: a request, and the answer to it once there is one. */
struct call {
    struct call *next;
    struct agent *agent;
    struct loop_source source;
    uint64_t stream; /* CONNECT: waits for this one; 0: nothing was asked yet */
    uint32_t local_port;
    uint32_t filler; /* so many bytes of no meaning are in the way */
    int socket;      /* to be given back when that fails; -1: its program has another */
    struct loop_timer deadline;
};

struct shim {
    struct agent *agent;
    struct loop_source listener;
    struct call *calls;
    unsigned count;
};

uint64_t shim_stream_id(const struct link *link, const struct stream *stream)
{
    return (uint64_t)link->peer_id << 32 | stream->id;
}

static void hang_up(struct call *call)
{
    struct shim *shim = call->agent->shim;
    struct call **at = &shim->calls;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    shim->count--;
    loop_disarm(&call->agent->loop, &call->deadline);
    loop_remove(&call->agent->loop, &call->source);
    close(call->source.fd);
    if (call->socket >= 0)
        close(call->socket);
    free(call);
}

/* From now on the program can write. */
static void take_filler(struct call *call)
{
    uint8_t bytes[SHIM_FILLER_MAX];
    uint32_t count = call->filler;

    call->filler = 0;
    while (count) {
        ssize_t got = recv(call->socket, bytes, count, MSG_DONTWAIT);

        if (got <= 0)
            return;
        count -= (uint32_t)got;
    }
}

static void answer(struct call *call, int error, uint32_t port)
{
    struct shim_answer answer = {.error = error,
                                 .cid = call->agent->options.id,
                                 .port = port,
                                 .host = host_id(call->agent),
                                 .stream = call->stream};

    take_filler(call);
    passing_send(call->source.fd, &answer, sizeof(answer), error ? call->socket : -1);
    hang_up(call);
}

static struct ucred asking(const struct call *call)
{
    struct ucred who = {.uid = STREAM_NO_USER};
    socklen_t size = sizeof(who);

    getsockopt(call->source.fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
    return who;
}

static uint32_t asking_user(const struct call *call)
{
    return asking(call).uid;
}

static bool asked_by(const struct call *call, uid_t user)
{
    uint32_t asking = asking_user(call);

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
    answer(call, -error, port);
}

/* Both programs are in this domain: they get the two ends of one pair, and need us no more. */
static void connect_here(struct call *call, const struct shim_request *request, int fd)
{
    struct shim_caller caller = {.cid = request->cid,
                                 .own_cid = request->cid,
                                 .port = call->local_port,
                                 .user = asking_user(call)};
    int error;

    take_filler(call);
    error = ports_pass(call->agent, request->port, caller, fd);
    close(fd);
    answer(call, error == -EAGAIN ? ECONNRESET : -error, call->local_port);
}

static void connect_to_peer(struct call *call, const struct shim_request *request, uint32_t domain,
                            int fd)
{
    struct peer *peer = peers_find_by_id(call->agent, domain);
    struct caller caller = {.port = call->local_port, .user = asking_user(call)};
    uint32_t id;

    if (!peer) {
        close(fd);
        /* that CID 2 is some domain is known: only the grant is missing */
        answer(call, domain && domain != request->cid ? EACCES : EHOSTUNREACH, 0);
        return;
    }
    call->stream = (uint64_t)peer->link->peer_id << 32;
    id = link_call(peer->link, fd, request->port, &caller, socket_type(fd) == SOCK_SEQPACKET);
    if (!id)
        answer(call, ENOBUFS, 0);
    else
        call->stream |= id;
}

static void serve_connect(struct call *call, const struct shim_request *request, int fd)
{
    uint32_t port = request->local_port, domain = request->cid;
    struct loop *loop = &call->agent->loop;

    call->local_port =
        ports_become_caller(call->agent, port, fd) ? port : ports_ephemeral(call->agent);
    if (request->filler) {
        call->filler = request->filler < SHIM_FILLER_MAX ? request->filler : SHIM_FILLER_MAX;
        call->socket = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    if (request->timeout_us)
        loop_arm(loop, &call->deadline, request->timeout_us);
    if (domain == SHIM_CID_HOST)
        domain = host_id(call->agent);
    if (domain == SHIM_CID_LOCAL || domain == call->agent->options.id)
        connect_here(call, request, fd);
    else
        connect_to_peer(call, request, domain, fd);
}

static struct stream *named_stream(const struct call *call, uint64_t id, struct link **link)
{
    struct peer *peer = peers_find_by_id(call->agent, (uint32_t)(id >> 32));

    *link = peer ? peer->link : NULL;
    return peer ? link_find(peer->link, (uint32_t)id) : NULL;
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
    int region = open(link->view.path, O_RDWR | O_CLOEXEC);
    int error = region < 0 ? -errno : 0;

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
    struct stream *stream = named_stream(call, request->stream, &link);
    uint32_t which = request->end & ~DIRECT_WATCHED;
    int error = stream ? 0 : -ENOENT;

    if (!asked_by(call, geteuid()))
        error = -EPERM;
    else if (which != DIRECT_TX && which != DIRECT_RX)
        error = -EINVAL;
    else if (!turn_can_be_shared(asking(call).pid))
        error = -EOPNOTSUPP;
    if (!error)
        error = direct_give(link, stream, which);
    if (!error)
        error = send_direct(call, link, stream, request->end & DIRECT_WATCHED);
    if (error)
        answer(call, -error, 0);
    else
        hang_up(call);
}

static void serve(struct call *call, const struct shim_request *request, int fd)
{
    if (request->type == SHIM_BIND && fd >= 0)
        serve_bind(call, request, fd);
    else if (request->type == SHIM_CONNECT && fd >= 0)
        serve_connect(call, request, fd);
    else if (request->type == SHIM_PROMOTE && fd < 0)
        serve_promote(call, request);
    else if (request->type == SHIM_WHOAMI && fd < 0)
        answer(call, 0, 0);
    else
        answer(call, EPROTO, 0);
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

/* Nobody would ever take the stream. */
static void give_up(struct call *call)
{
    struct link *link;
    struct stream *stream = named_stream(call, call->stream, &link);

    call->stream = 0;
    if (stream)
        link_reset_stream(link, stream, "the program did not wait for it to open");
}

static void too_late(struct loop_timer *timer)
{
    struct call *call = container_of(timer, struct call, deadline);

    give_up(call);
    answer(call, ETIMEDOUT, 0);
}

static void call_ready(struct loop_source *source, uint32_t events)
{
    struct call *call = container_of(source, struct call, source);
    struct shim_request request;
    ssize_t got;
    int fd;

    (void)events;
    got = passing_receive(source->fd, &request, sizeof(request), &fd, MSG_DONTWAIT);
    if (got == -EAGAIN || got == -EINTR)
        return;
    if (got == (ssize_t)sizeof(request) && !call->stream) {
        serve(call, &request, checked(fd));
        return;
    }
    if (fd >= 0)
        close(fd);
    give_up(call);
    hang_up(call);
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
                          .deadline.expired = too_late};
    shim->calls = call;
    shim->count++;
    loop_add(&shim->agent->loop, &call->source, EPOLLIN | EPOLLRDHUP);
}

void shim_stream_event(struct agent *agent, const struct link *link, const struct stream *stream,
                       enum stream_event event)
{
    uint64_t id = shim_stream_id(link, stream);
    struct call *call = agent->shim ? agent->shim->calls : NULL;

    while (call && call->stream != id)
        call = call->next;
    if (!call)
        return;
    if (event == STREAM_OPENED)
        answer(call, 0, call->local_port);
    else
        answer(call, stream->error ? stream->error : ECONNRESET, 0);
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
        hang_up(agent->shim->calls);
    loop_remove(&agent->loop, &agent->shim->listener);
    close(agent->shim->listener.fd);
    socket_path(agent, path);
    unlink(path);
    free(agent->shim);
    agent->shim = NULL;
}
