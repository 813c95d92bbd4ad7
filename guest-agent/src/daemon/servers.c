#include "daemon/servers.h"

#include <stdio.h>
#include <sys/socket.h>

#include "daemon/exports.h"
#include "daemon/ports.h"
#include "daemon/shim.h"

/* What a server gets to see as its client's address. */
int servers_connect(void *user, const struct stream *stream)
{
    const struct peer *peer = user;
    char caller[sizeof(peer->name) + 64], remote[16] = "?";

    if (stream->caller.user != STREAM_NO_USER)
        snprintf(remote, sizeof(remote), "%u", stream->caller.user);
    snprintf(caller, sizeof(caller), "domsock/%s/%s/%u.%08x", peer->name, remote, stream->id,
             (uint32_t)peer->link->incarnation);
    return exports_connect(peer, stream->name, caller);
}

int servers_call(void *user, const struct stream *stream)
{
    const struct peer *peer = user;
    struct shim_caller caller = {.cid = peer->link->peer_id,
                                 .own_cid = peer->agent->options.id,
                                 .port = stream->caller.port,
                                 .user = stream->caller.user,
                                 .stream = stream->token};

    return ports_call(peer, stream->port, caller, stream->packets ? SOCK_SEQPACKET : SOCK_STREAM);
}
