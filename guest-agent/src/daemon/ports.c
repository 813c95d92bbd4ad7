#include "daemon/ports.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/passing.h"
#include "base/socket.h"
#include "daemon/opener.h"

#define PORTS_MAX 4096u
#define PORT_EPHEMERAL_MIN SHIM_PORTS_PRIVILEGED
#define PORT_EPHEMERAL_COUNT 0x7ffff000u

struct port {
    struct port *next;
    struct agent *agent;
    struct loop_source source;
    uint32_t number;
    uint32_t backlog;
    uint32_t waiting; /* passed on, not accepted yet */
    bool listens;
    bool calls; /* its socket is a stream's, too */
};

struct ports {
    struct port *all;
    uint32_t count;
    uint32_t next_ephemeral; /* counted from PORT_EPHEMERAL_MIN */
};

static struct port *find(const struct agent *agent, uint32_t number)
{
    struct port *port = agent->ports->all;

    while (port && port->number != number)
        port = port->next;
    return port;
}

int ports_start(struct agent *agent)
{
    agent->ports = calloc(1, sizeof(*agent->ports));
    if (!agent->ports)
        return -ENOMEM;
    agent->ports->next_ephemeral = randombytes_uniform(PORT_EPHEMERAL_COUNT);
    return 0;
}

static void unbind(struct port *port)
{
    struct port **at = &port->agent->ports->all;

    while (*at != port)
        at = &(*at)->next;
    *at = port->next;
    port->agent->ports->count--;
    loop_remove(&port->agent->loop, &port->source);
    close(port->source.fd);
    free(port);
}

void ports_stop(struct agent *agent)
{
    while (agent->ports->all)
        unbind(agent->ports->all);
    free(agent->ports);
    agent->ports = NULL;
}

static void heard(struct port *port, const struct shim_word *word, ssize_t length)
{
    if (length != (ssize_t)sizeof(*word))
        return;
    if (word->saying == SHIM_LISTENS) {
        port->listens = true;
        port->backlog = word->backlog;
    } else if (word->saying == SHIM_ACCEPTED && port->waiting) {
        port->waiting--;
    }
}

static void port_ready(struct loop_source *source, uint32_t events)
{
    struct port *port = container_of(source, struct port, source);
    struct shim_word word;
    ssize_t got;
    int fd;

    if (port->calls) {
        unbind(port); /* its program has closed, or will not send any more */
        return;
    }
    (void)events;
    do {
        got = passing_receive(source->fd, &word, sizeof(word), &fd, MSG_DONTWAIT);
        if (fd >= 0)
            close(fd); /* nobody asked for one */
        heard(port, &word, got);
    } while (got > 0);
    if (got != -EAGAIN && got != -EINTR)
        unbind(port);
}

uint32_t ports_ephemeral(struct agent *agent)
{
    struct ports *ports = agent->ports;
    uint32_t number;

    do {
        number = PORT_EPHEMERAL_MIN + ports->next_ephemeral;
        ports->next_ephemeral = (ports->next_ephemeral + 1) % PORT_EPHEMERAL_COUNT;
    } while (find(agent, number));
    return number;
}

int ports_bind(struct agent *agent, int fd, uint32_t *number)
{
    struct port *port;

    if (*number == SHIM_PORT_ANY)
        *number = ports_ephemeral(agent);
    if (find(agent, *number))
        return -EADDRINUSE;
    port = agent->ports->count < PORTS_MAX ? calloc(1, sizeof(*port)) : NULL;
    if (!port)
        return -ENOMEM;
    *port = (struct port){.next = agent->ports->all,
                          .agent = agent,
                          .source = {.fd = fd, .ready = port_ready},
                          .number = *number};
    agent->ports->all = port;
    agent->ports->count++;
    return loop_add(&agent->loop, &port->source, EPOLLIN | EPOLLRDHUP);
}

static bool same_socket(int one, int other)
{
    struct stat a, b;

    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_ino == b.st_ino;
}

/* A socket that was bound connects: what it says now is for the stream. */
bool ports_become_caller(struct agent *agent, uint32_t number, int fd)
{
    struct port *port = find(agent, number);

    if (!port || port->listens || !same_socket(port->source.fd, fd))
        return false;
    port->calls = true;
    loop_change(&agent->loop, &port->source, EPOLLRDHUP);
    return true;
}

/* What listen() said may still be unread: whoever heard of the server by other ways calls at once.
 */
static struct port *find_listening(struct agent *agent, uint32_t number)
{
    struct port *port = find(agent, number);

    if (port && !port->calls)
        port_ready(&port->source, EPOLLIN);
    port = find(agent, number);
    return port && port->listens ? port : NULL;
}

/* As in the kernel, a backlog of n has room for n + 1. */
int ports_pass(struct agent *agent, uint32_t number, struct shim_caller caller, int fd)
{
    struct port *port = find_listening(agent, number);
    int error;

    if (!port)
        return -ECONNREFUSED;
    if (port->waiting > port->backlog || socket_type(port->source.fd) != socket_type(fd))
        return -EAGAIN;
    error = passing_send(port->source.fd, &caller, sizeof(caller), fd);
    if (error == -EAGAIN)
        return error;
    if (error)
        return -ECONNREFUSED;
    port->waiting++;
    return 0;
}

static int make_pair(const struct peer *peer, int type, int ends[2])
{
    int error = opener_pair(peer, type, ends);

    for (int i = 0; i < 2 && !error && type == SOCK_SEQPACKET; i++)
        passing_make_room(ends[i]);
    return error;
}

int ports_call(const struct peer *peer, uint32_t number, struct shim_caller caller, int type)
{
    int ends[2], error = make_pair(peer, type, ends);

    if (error)
        return error;
    error = ports_pass(peer->agent, number, caller, ends[1]);
    close(ends[1]);
    if (!error)
        return ends[0];
    close(ends[0]);
    return error;
}

json_t *ports_describe(const struct agent *agent)
{
    json_t *list = json_array();

    for (const struct port *port = agent->ports->all; port; port = port->next)
        json_array_append_new(list, json_pack("{s:I, s:b, s:I, s:I}", "port",
                                              (json_int_t)port->number, "listens", port->listens,
                                              "backlog", (json_int_t)port->backlog, "waiting",
                                              (json_int_t)port->waiting));
    return list;
}
