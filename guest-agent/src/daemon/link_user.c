/* What a link asks of the daemon, and tells it. */
#include "daemon/link_user.h"

#include "daemon/ctl.h"
#include "daemon/exports.h"
#include "daemon/imports.h"
#include "daemon/peers.h"
#include "daemon/requests.h"
#include "daemon/servers.h"
#include "daemon/shim.h"

static void link_is_up(void *user)
{
    struct peer *peer = user;

    loop_disarm(&peer->agent->loop, &peer->grace);
    imports_mark(peer);
    remote_user_find(&peer->as, peer->name, &peer->agent->options.remote_user);
    exports_announce(peer);
    ctl_event(peer->agent, json_pack("{s:s, s:s, s:s}", "event", "link.up", "peer", peer->name,
                                     "by", peer->relayed ? "relay" : "tcp"));
}

static void stream_event(void *user, const struct stream *stream, enum stream_event event,
                         const char *reason)
{
    static const char *const names[] = {"stream.opened", "stream.closed", "stream.reset"};
    const struct peer *peer = user;

    if (event == STREAM_RESET && !stream->opener && !stream->by_port)
        exports_refused(peer->agent, stream->name);
    shim_stream_event(peer->agent, stream, event);
    ctl_event(peer->agent,
              json_pack("{s:s, s:s, s:I, s:s, s:s}", "event", names[event], "peer", peer->name,
                        "stream", (json_int_t)stream->id, "name", stream->name, "reason", reason));
}

static void exported(void *user, const char *name, enum export_scope scope)
{
    if (scope == EXPORT_TO_NOBODY)
        imports_remove(user, name);
    else
        imports_add(user, name, scope == EXPORT_TO_ALL);
}

static void exports_synced(void *user)
{
    imports_sweep(user);
}

const struct link_user peer_link_user = {.connect = servers_connect,
                                         .call = servers_call,
                                         .up = link_is_up,
                                         .stream = stream_event,
                                         .handed_over = requests_handed_over,
                                         .exported = exported,
                                         .exports_synced = exports_synced};
