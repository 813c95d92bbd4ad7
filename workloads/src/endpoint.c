/* Waiting here is polling every few milliseconds under a deadline: a peer's socket file or
 * listener appears without telling anybody. */
#include "endpoint.h"
#include "clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USAGE = 1, BROKEN = 3, RETRY_MS = 10, CHILD_GRACE_MS = 2000 };

union address {
    struct sockaddr any;
    struct sockaddr_un unix;
    struct sockaddr_in inet;
};

struct target {
    union address address;
    socklen_t length;
    const char *where;
    uint64_t deadline_ns;
    const volatile sig_atomic_t *stop;
};

static int complain(int code, const char *what, const char *where, const char *why)
{
    fprintf(stderr, "oracle: %s (%s): %s\n", what, where, why);
    return code;
}

static void rest(void)
{
    poll(NULL, 0, RETRY_MS);
}

static int set_unix(struct target *target, const char *path)
{
    struct sockaddr_un *address = &target->address.unix;
    if (!*path || strlen(path) >= sizeof address->sun_path)
        return complain(USAGE, "a socket path has 1 to 107 bytes", path, "shorten it");
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(address->sun_path, path);
    target->length = sizeof *address;
    return 0;
}

static int set_inet(struct target *target, const char *where)
{
    struct sockaddr_in *address = &target->address.inet;
    char host[INET_ADDRSTRLEN];
    const char *colon = strrchr(where, ':');
    size_t length = colon ? (size_t)(colon - where) : sizeof host;
    char *end = NULL;
    long port = colon ? strtol(colon + 1, &end, 10) : -1;
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    target->length = sizeof *address;
    if (length < sizeof host) {
        memcpy(host, where, length);
        host[length] = '\0';
        if (end > colon + 1 && !*end && port >= 0 && port <= UINT16_MAX &&
            inet_pton(AF_INET, host, &address->sin_addr) == 1)
            return 0;
    }
    return complain(USAGE, "not a numeric IPv4 ADDRESS:PORT", where, "one is 10.99.0.3:7000");
}

static int new_socket(const struct target *target)
{
    return socket(target->address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int keep_waiting(const struct target *target)
{
    return !*target->stop && clock_ns() < target->deadline_ns;
}

/* A peer that is not there yet is waited for: its socket file may be missing, or stale. */
static int connect_to(const struct target *target, int *fd)
{
    for (;;) {
        *fd = new_socket(target);
        if (*fd < 0)
            return complain(BROKEN, "no socket", target->where, strerror(errno));
        if (connect(*fd, &target->address.any, target->length) == 0)
            return 0;
        int error = errno;
        close(*fd);
        *fd = -1;
        if (!keep_waiting(target))
            return complain(BROKEN, "cannot connect", target->where, strerror(error));
        rest();
    }
}

/* 0: nothing is in the way any more. A file that is no socket, or one that somebody serves, is
 * not ours to remove. */
static int clear_stale(const struct target *target)
{
    struct stat status;
    if (lstat(target->where, &status) < 0)
        return 0;
    if (!S_ISSOCK(status.st_mode))
        return complain(USAGE, "cannot listen", target->where, "a file that is no socket is there");
    int probe = new_socket(target);
    int served = connect(probe, &target->address.any, target->length) == 0;
    close(probe);
    if (served)
        return complain(BROKEN, "cannot listen", target->where, "somebody else serves it");
    unlink(target->where);
    return 0;
}

static void tell_port(int listener)
{
    struct sockaddr_in bound;
    socklen_t length = sizeof bound;
    if (getsockname(listener, (struct sockaddr *)&bound, &length) == 0)
        fprintf(stderr, "oracle: listening on port %d\n", ntohs(bound.sin_port));
}

/* Who may connect to a port may connect to a path: the agent comes as nobody in particular. */
static int open_to_all(const struct target *target)
{
    return target->address.any.sa_family == AF_UNIX ? chmod(target->where, 0666) : 0;
}

static int listen_at(const struct target *target, int *listener)
{
    int one = 1;
    *listener = new_socket(target);
    if (*listener < 0)
        return complain(BROKEN, "no socket", target->where, strerror(errno));
    if (target->address.any.sa_family == AF_INET)
        setsockopt(*listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(*listener, &target->address.any, target->length) < 0 || open_to_all(target) < 0 ||
        listen(*listener, 1) < 0)
        return complain(BROKEN, "cannot listen", target->where, strerror(errno));
    if (target->address.any.sa_family == AF_INET)
        tell_port(*listener);
    return 0;
}

static int accept_from(const struct target *target, int listener, int *fd)
{
    while (keep_waiting(target)) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        if (poll(&wait, 1, RETRY_MS) <= 0)
            continue;
        *fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (*fd >= 0)
            return 0;
    }
    return complain(BROKEN, "nobody connected", target->where,
                    *target->stop ? "told to stop" : "the time for it is over");
}

/* The child gets one end of a socketpair as its standard input and output. With a pipe pair
 * it would be the same, but a socket can be half-closed while it stays one descriptor. */
static int start(char **command, pid_t *child, int *fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return complain(BROKEN, "no socket pair", command[0], strerror(errno));
    *child = fork();
    if (*child < 0)
        return complain(BROKEN, "cannot fork", command[0], strerror(errno));
    if (*child == 0) {
        dup2(pair[1], STDIN_FILENO);
        dup2(pair[1], STDOUT_FILENO);
        signal(SIGPIPE, SIG_DFL);
        umask(0); /* a socket that it binds is for all, as ours is */
        execvp(command[0], command);
        complain(BROKEN, "cannot start", command[0], strerror(errno));
        _exit(127);
    }
    close(pair[1]);
    *fd = pair[0];
    return 0;
}

static int open_socket(struct endpoint *endpoint, struct target *target, enum endpoint_kind kind)
{
    bool unix_path = kind == ENDPOINT_CONNECT || kind == ENDPOINT_LISTEN;
    int wrong = unix_path ? set_unix(target, target->where) : set_inet(target, target->where);
    if (wrong)
        return wrong;
    if (kind == ENDPOINT_CONNECT || kind == ENDPOINT_TCP_CONNECT)
        return connect_to(target, &endpoint->fd);
    int failed = kind == ENDPOINT_LISTEN ? clear_stale(target) : 0;
    if (!failed)
        failed = listen_at(target, &endpoint->listener);
    if (failed)
        return failed;
    endpoint->own = kind == ENDPOINT_LISTEN ? target->where : NULL;
    return accept_from(target, endpoint->listener, &endpoint->fd);
}

int endpoint_init(struct endpoint *endpoint, const struct options *options,
                  const volatile sig_atomic_t *stop)
{
    *endpoint = (struct endpoint){.fd = -1, .listener = -1};
    struct target target = {.where = options->where,
                            .deadline_ns = clock_ns() + options->connect_within * NS_PER_S,
                            .stop = stop};
    int failed = options->kind == ENDPOINT_EXEC
                     ? start(options->command, &endpoint->child, &endpoint->fd)
                     : open_socket(endpoint, &target, options->kind);
    if (failed)
        return failed;
    int one = 1;
    if (options->kind == ENDPOINT_TCP_CONNECT || options->kind == ENDPOINT_TCP_LISTEN)
        setsockopt(endpoint->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fcntl(endpoint->fd, F_SETFL, fcntl(endpoint->fd, F_GETFL) | O_NONBLOCK) < 0)
        return complain(BROKEN, "cannot make the stream non-blocking", "fcntl", strerror(errno));
    return 0;
}

static int reap(pid_t child)
{
    int status;
    for (int waited = 0; waited < CHILD_GRACE_MS; waited += RETRY_MS) {
        if (waitpid(child, &status, WNOHANG) == child)
            return status;
        rest();
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return status;
}

int endpoint_deinit(struct endpoint *endpoint)
{
    if (endpoint->fd >= 0)
        close(endpoint->fd);
    if (endpoint->listener >= 0)
        close(endpoint->listener);
    if (endpoint->own)
        unlink(endpoint->own);
    return endpoint->child > 0 ? reap(endpoint->child) : -1;
}
