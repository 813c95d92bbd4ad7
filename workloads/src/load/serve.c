/* Answers requests. It does not judge them: a damaged request gives a wrong answer, and the one
 * who asked sees that. */
#include "load.h"
#include "reach.h"
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64 };

struct connection {
    size_t got;
    uint8_t request[REQUEST];
};

struct server {
    struct pollfd wait[1 + CONNECTIONS_MAX]; /* the listener, then the connections */
    struct connection connection[1 + CONNECTIONS_MAX];
    nfds_t count;
};

static void take(struct server *server)
{
    int fd = accept4(server->wait[0].fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    server->wait[server->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    server->connection[server->count] = (struct connection){0};
    server->count++;
}

static void drop(struct server *server, nfds_t at)
{
    close(server->wait[at].fd);
    server->count--;
    server->wait[at] = server->wait[server->count];
    server->connection[at] = server->connection[server->count];
}

/* An answer is shorter than any socket's buffer, and the client waits for it: it fits. */
static bool answer(int fd, struct connection *connection)
{
    for (size_t i = 0; i < REQUEST; i++)
        connection->request[i] = (uint8_t)~connection->request[i];
    connection->got = 0;
    return send(fd, connection->request, REQUEST, MSG_NOSIGNAL) == REQUEST;
}

/* False: the connection is over. */
static bool hear(int fd, struct connection *connection)
{
    ssize_t length = read(fd, connection->request + connection->got, REQUEST - connection->got);
    if (length < 0)
        return errno == EINTR || errno == EAGAIN;
    connection->got += (size_t)length;
    return length > 0 && (connection->got < REQUEST || answer(fd, connection));
}

enum exit_code serve(char **arguments)
{
    static struct server server;
    if (!*arguments)
        return complain(USAGE, "nowhere to serve", "serve", "load serve WHERE");
    if (**arguments == '/')
        unlink(*arguments);
    int listener = reach_listen(*arguments);
    if (listener < 0)
        return complain(BROKEN, "cannot listen", *arguments, strerror(errno));
    catch_stop();
    server.wait[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    server.count = 1;
    while (!stops) {
        server.wait[0].events = server.count <= CONNECTIONS_MAX ? POLLIN : 0;
        if (poll(server.wait, server.count, -1) < 0)
            continue;
        for (nfds_t i = server.count - 1; i > 0; i--)
            if (server.wait[i].revents && !hear(server.wait[i].fd, &server.connection[i]))
                drop(&server, i);
        if (server.wait[0].revents)
            take(&server);
    }
    if (**arguments == '/')
        unlink(*arguments);
    return CLEAN;
}
