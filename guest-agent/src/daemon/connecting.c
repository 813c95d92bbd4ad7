#include "daemon/connecting.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/socket.h"
#include "daemon/domains.h"
#include "daemon/host.h"
#include "daemon/peers.h"
#include "daemon/ports.h"

/* A guest that has just arrived is told where within a second. */
#define HOST_PATIENCE_US 5000000u

/* Both programs are in this domain: they get the two ends of one pair, and need us no more. */
static void connect_here(struct call *call, const struct shim_request *request, int fd)
{
    struct shim_caller caller = {.cid = request->cid,
                                 .own_cid = request->cid,
                                 .port = call->local_port,
                                 .user = call_asking(call).uid};
    int error;

    call_take_filler(call);
    error = ports_pass(call->agent, request->port, caller, fd);
    close(fd);
    call_answer(call, error == -EAGAIN ? ECONNRESET : -error, call->local_port);
}

/* Only the grant is missing, or there is no such domain. */
static int unreachable(const struct call *call, uint32_t cid, uint32_t domain)
{
    bool known = cid == SHIM_CID_HOST ? domain != 0 : domains_know(call->agent, domain);

    return known ? EACCES : EHOSTUNREACH;
}

static void connect_to_peer(struct call *call, const struct shim_request *request, uint32_t domain,
                            int fd)
{
    struct peer *peer = peers_find_by_id(call->agent, domain);
    struct caller caller = {.port = call->local_port, .user = call_asking(call).uid};
    struct stream *stream;

    if (!peer) {
        close(fd);
        call_answer(call, unreachable(call, request->cid, domain), 0);
        return;
    }
    stream = link_call(peer->link, fd, request->port, &caller, socket_type(fd) == SOCK_SEQPACKET);
    if (stream)
        call->stream = stream->token;
    else
        call_answer(call, ENOBUFS, 0);
}

/* ---- CID 2, while it is not known which host that is ---- */

static void nobody_came(struct loop_timer *timer)
{
    call_answer(container_of(timer, struct call, patience), EHOSTUNREACH, 0);
}

/* Not for as long as the program waits: it is to hear that there is no host. */
static void park(struct call *call, const struct shim_request *request, int fd)
{
    uint64_t most_us = request->timeout_us ? request->timeout_us / 4 * 3 : HOST_PATIENCE_US;

    call->request = *request;
    call->parked = fd;
    loop_arm(&call->agent->loop, &call->patience,
             most_us < HOST_PATIENCE_US ? most_us : HOST_PATIENCE_US);
}

static void connect_on(struct call *call, const struct shim_request *request, int fd)
{
    uint32_t domain = request->cid;

    if (domain == SHIM_CID_HOST)
        domain = host_id(call->agent);
    if (request->cid == SHIM_CID_HOST && !domain && call->agent->options.data)
        park(call, request, fd);
    else if (domain == SHIM_CID_LOCAL || domain == call->agent->options.id)
        connect_here(call, request, fd);
    else
        connect_to_peer(call, request, domain, fd);
}

void connecting_host_changed(const struct agent *agent)
{
    struct call *call = agent->shim && host_id(agent) ? agent->shim->calls : NULL, *next;

    for (; call; call = next) {
        struct shim_request request = call->request;
        int fd = call->parked;

        next = call->next;
        if (fd < 0)
            continue;
        call->parked = -1;
        loop_disarm(&call->agent->loop, &call->patience);
        connect_on(call, &request, fd);
    }
}

/* ---- the request ---- */

struct stream *connecting_stream(const struct call *call, uint64_t token, struct link **link)
{
    struct stream *stream = NULL;

    for (struct peer *peer = call->agent->peers; peer && !stream; peer = peer->next) {
        *link = peer->link;
        stream = link_find_token(peer->link, token);
    }
    return stream;
}

void connecting_give_up(struct call *call)
{
    struct link *link;
    struct stream *stream = connecting_stream(call, call->stream, &link);

    call->stream = 0;
    if (stream)
        link_reset_stream(link, stream, "the program did not wait for it to open");
}

static void too_late(struct loop_timer *timer)
{
    struct call *call = container_of(timer, struct call, deadline);

    connecting_give_up(call);
    call_answer(call, ETIMEDOUT, 0);
}

void connecting_serve(struct call *call, const struct shim_request *request, int fd)
{
    uint32_t port = request->local_port;
    struct loop *loop = &call->agent->loop;

    call->local_port =
        ports_become_caller(call->agent, port, fd) ? port : ports_ephemeral(call->agent);
    if (request->filler) {
        call->filler = request->filler < SHIM_FILLER_MAX ? request->filler : SHIM_FILLER_MAX;
        call->socket = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    call->deadline.expired = too_late;
    call->patience.expired = nobody_came;
    if (request->timeout_us)
        loop_arm(loop, &call->deadline, request->timeout_us);
    connect_on(call, request, fd);
}
