#include "daemon/dialling.h"

#include <errno.h>
#include <unistd.h>

#include "base/socket.h"
#include "daemon/relay.h"

#define PATIENCE_US 3000000u
#define PATIENCE_BEFORE_RELAY_US 1500000u /* a SYN that is lost comes again after 1 s */
#define PROBE_US 5000000u

static bool has_address(const struct peer *peer)
{
    return peer->address[0] != '\0';
}

void dialling_stop(struct peer *peer)
{
    int fd = peer->dialling.fd;

    loop_disarm(&peer->agent->loop, &peer->dial);
    if (fd < 0)
        return;
    loop_remove(&peer->agent->loop, &peer->dialling);
    peer->dialling.fd = -1;
    close(fd);
}

void dialling_later(struct peer *peer)
{
    if (peer->link->lower)
        return; /* the higher domain id dials */
    loop_arm(&peer->agent->loop, &peer->dial, backoff_next(&peer->backoff));
}

void dialling_done(struct peer *peer)
{
    dialling_stop(peer);
    backoff_reset(&peer->backoff);
    if (!peer->link->lower && peer->relayed && has_address(peer))
        loop_arm(&peer->agent->loop, &peer->dial, PROBE_US);
}

void dialling_fall_back(struct peer *peer)
{
    int fd;

    if (peer->session) { /* the network was only tried again */
        dialling_done(peer);
        return;
    }
    fd = peer->link->lower ? -EOPNOTSUPP : relay_dial(peer->agent, peer->link->peer_id);
    if (fd < 0 || !peers_connect(peer, fd, true))
        dialling_later(peer);
}

static void dialled(struct loop_source *source, uint32_t events)
{
    struct peer *peer = container_of(source, struct peer, dialling);
    int fd = source->fd;

    (void)events;
    loop_remove(&peer->agent->loop, source);
    source->fd = -1;
    loop_disarm(&peer->agent->loop, &peer->dial);
    if (socket_error(fd) < 0) {
        close(fd);
        dialling_fall_back(peer);
    } else if (!peers_connect(peer, fd, false)) {
        dialling_later(peer);
    } else if (peer->relayed && peer->link->carrier) { /* should this one not prove itself */
        loop_arm(&peer->agent->loop, &peer->dial, PROBE_US);
    }
}

static void dial_network(struct peer *peer)
{
    int fd = socket_connect_tcp(peer->address, peer->port);

    if (fd < 0) {
        dialling_fall_back(peer);
        return;
    }
    peer->dialling = (struct loop_source){.fd = fd, .ready = dialled};
    loop_add(&peer->agent->loop, &peer->dialling, EPOLLOUT);
    loop_arm(&peer->agent->loop, &peer->dial,
             relay_ready(peer->agent) ? PATIENCE_BEFORE_RELAY_US : PATIENCE_US);
}

/* Also when the last attempt has taken too long. */
static void dial(struct loop_timer *timer)
{
    struct peer *peer = container_of(timer, struct peer, dial);
    bool tried = peer->dialling.fd >= 0;

    dialling_stop(peer);
    if (has_address(peer) && !tried)
        dial_network(peer);
    else
        dialling_fall_back(peer);
}

void dialling_init(struct peer *peer)
{
    peer->dialling.fd = -1;
    peer->dial.expired = dial;
}

void dialling_start(struct peer *peer)
{
    if (!peer->link->lower)
        dial(&peer->dial);
}
