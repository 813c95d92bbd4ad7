#include "daemon/describe.h"

#include "base/hex.h"
#include "link/direct.h"

const char *describe_path(const struct peer *peer, enum wire_path path)
{
    return path == WIRE_PATH_TCP && peer->relayed ? "relay" : path_name(path);
}

static const char *state(const struct peer *peer)
{
    if (peer->link->synced)
        return "up";
    return peer->session || peer->dialling.fd >= 0 ? "connecting" : "down";
}

json_t *describe_link(const struct peer *peer)
{
    const struct link *link = peer->link;
    char nonce[2 * REGION_NONCE_SIZE + 1];
    json_t *object = json_pack(
        "{s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:i, s:b, s:s, s:i, s:I, s:I}", "peer",
        peer->name, "peer_id", (json_int_t)link->peer_id, "owner", peer->owner, "state",
        state(peer), "by", peer->relayed ? "relay" : "tcp", "path",
        describe_path(peer, link->handover.path), "epoch", (json_int_t)link->handover.epoch,
        "phase", handover_phase_name(link->handover.phase), "streams", (int)link->count, "attached",
        link->attached, "address", peer->address, "port", (int)peer->port, "kicks_sent",
        (json_int_t)link->kicks_sent, "kicks_received", (json_int_t)link->kicks_received);

    if (link->attached) {
        hex_encode(nonce, link->view.nonce, sizeof(link->view.nonce));
        json_object_set_new(object, "nonce", json_string(nonce));
        json_object_set_new(object, "file", json_string(link->view.path));
        json_object_set_new(object, "size", json_integer((json_int_t)link->view.size));
        json_object_set_new(object, "mbps", json_integer(link->mbps));
    }
    return object;
}

static json_t *describe_stream(const struct peer *peer, const struct stream *stream)
{
    const struct stream_tx *tx = &stream->tx;
    const struct stream_rx *rx = &stream->rx;
    uint64_t stall_us = stream_stall_us(stream, peer->agent->loop.now_us);
    json_int_t user = stream->caller.user == STREAM_NO_USER ? -1 : (json_int_t)stream->caller.user;
    uint64_t sent, delivered;

    direct_progress(stream, &sent, &delivered);
    return json_pack(
        "{s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:i, s:f, s:b, "
        "s:b, s:I}",
        "id", (json_int_t)stream->id, "user", user, "peer", peer->name, "owner", peer->owner,
        "name", stream->name, "role", stream->opener ? "opener" : "acceptor", "path",
        describe_path(peer, tx->path), "state", stream_state_name(stream), "direct",
        stream->direct != NULL, "sent", (json_int_t)sent, "acked", (json_int_t)tx->fifo.start,
        "received", (json_int_t)(stream->direct ? delivered : rx->fifo.end), "delivered",
        (json_int_t)delivered, "ring_bytes", (json_int_t)stream->window, "handovers",
        (int)stream->handovers, "longest_stall_ms", (double)stall_us / 1000.0, "fin_sent",
        tx->fin_sent, "fin_received", rx->fin_known, "resent", (json_int_t)tx->resent);
}

void describe_streams(const struct peer *peer, json_t *list)
{
    for (uint32_t i = 0; i < peer->link->count; i++)
        json_array_append_new(list, describe_stream(peer, peer->link->streams[i]));
}
