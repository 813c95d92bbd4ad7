#include "daemon/relay.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/serial.h"
#include "daemon/host.h"
#include "daemon/opener.h"
#include "daemon/peers.h"
#include "daemon/routes.h"
#include "daemon/trunks.h"

/* ---- a guest's port ---- */

static struct relay *from_port(struct relay_line *line)
{
    return container_of(line, struct relay, port.line);
}

static void port_changed(struct relay *relay)
{
    host_changed(relay->agent);
    peers_relay_changed(relay->agent);
}

static void port_up(struct relay_line *line)
{
    log_info("relay: the agent of host %u is there", line->other);
    port_changed(from_port(line));
}

static void port_reset(struct relay_line *line)
{
    struct relay *relay = from_port(line);

    relay_end_hang_up(&relay->end);
    port_changed(relay);
}

static void port_frame(struct relay_line *line, const struct relay_frame *frame,
                       const uint8_t *payload)
{
    struct relay_way *own = &from_port(line)->end.way;

    own->send(own, frame, payload);
}

static const struct relay_line_user port_user = {
    .up = port_up, .reset = port_reset, .frame = port_frame};

static void port_ended(struct relay_pipe *pipe, const char *reason)
{
    struct relay *relay = container_of(pipe, struct relay, port);

    log_warning("relay: the port is opened again: %s", reason);
    loop_arm(&relay->agent->loop, &relay->port_retry, SERIAL_RETRY_US);
}

static void open_port(struct loop_timer *timer)
{
    struct relay *relay = container_of(timer, struct relay, port_retry);
    int fd = opener_open_port(relay->agent, OPENER_DATA);

    if (fd < 0 || relay_pipe_open(&relay->port, fd, true) < 0)
        loop_arm(&relay->agent->loop, timer, SERIAL_RETRY_US);
    else
        log_info("relay: by %s", relay->agent->options.data);
}

/* ---- a host's own end ---- */

static int send_between(struct relay_way *way, const struct relay_frame *frame,
                        const uint8_t *payload)
{
    struct relay *relay = container_of(way, struct relay, local);

    relay_switch_pass(&relay->between, &relay->end.way, frame, payload);
    return 0;
}

static struct relay_way *find_way(void *user, uint32_t domain)
{
    struct relay *relay = user;

    return domain == relay->end.self ? &relay->end.way : routes_find(relay->agent, domain);
}

/* ---- both ---- */

static bool expects(void *user, uint32_t source)
{
    return peers_expect(user, source);
}

static void called(void *user, int fd)
{
    peers_called(user, fd);
}

int relay_start(struct agent *agent)
{
    struct relay *relay = calloc(1, sizeof(*relay));

    if (!relay)
        return -ENOMEM;
    agent->relay = relay;
    relay->agent = agent;
    relay->local.send = send_between;
    relay->between = (struct relay_switch){.find = find_way, .user = relay};
    relay->port_retry.expired = open_port;
    relay_pipe_init(&relay->port, &agent->loop, false, &port_user, port_ended);
    relay_end_init(&relay->end, &agent->loop, agent->options.id,
                   agent->options.data ? &relay->port.line.way : &relay->local);
    relay->end.expects = expects;
    relay->end.called = called;
    relay->end.user = agent;
    if (agent->options.data)
        loop_arm(&agent->loop, &relay->port_retry, 0);
    routes_load(agent);
    return trunks_listen(agent);
}

void relay_stop(struct agent *agent)
{
    struct relay *relay = agent->relay;

    routes_stop(agent);
    trunks_stop(agent);
    loop_disarm(&agent->loop, &relay->port_retry);
    relay_pipe_deinit(&relay->port);
    relay_end_deinit(&relay->end);
    relay_switch_deinit(&relay->between);
    free(relay);
    agent->relay = NULL;
}

bool relay_ready(const struct agent *agent)
{
    const struct relay *relay = agent->relay;

    return agent->options.data ? relay->port.line.up : relay->routes != NULL;
}

int relay_dial(struct agent *agent, uint32_t domain)
{
    return relay_ready(agent) ? relay_end_dial(&agent->relay->end, domain) : -ENOTCONN;
}
