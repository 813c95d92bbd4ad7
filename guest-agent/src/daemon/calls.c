#include "daemon/calls.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/passing.h"
#include "daemon/host.h"

void call_hang_up(struct call *call)
{
    struct shim *shim = call->agent->shim;
    struct call **at = &shim->calls;

    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    shim->count--;
    loop_disarm(&call->agent->loop, &call->deadline);
    loop_disarm(&call->agent->loop, &call->patience);
    loop_remove(&call->agent->loop, &call->source);
    close(call->source.fd);
    if (call->socket >= 0)
        close(call->socket);
    if (call->parked >= 0)
        close(call->parked);
    free(call);
}

void call_take_filler(struct call *call)
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

void call_answer(struct call *call, int error, uint32_t port)
{
    struct shim_answer answer = {.error = error,
                                 .cid = call->agent->options.id,
                                 .port = port,
                                 .host = host_id(call->agent),
                                 .stream = call->stream};

    call_take_filler(call);
    if (passing_send(call->source.fd, &answer, sizeof(answer), error ? call->socket : -1) == 0 ||
        error || !call->stream)
        call_hang_up(call);
}

struct ucred call_asking(const struct call *call)
{
    struct ucred who = {.uid = STREAM_NO_USER};
    socklen_t size = sizeof(who);

    getsockopt(call->source.fd, SOL_SOCKET, SO_PEERCRED, &who, &size);
    return who;
}
