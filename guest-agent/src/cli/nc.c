/* domsock nc: standard input and output, connected to a program of another domain. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/cli.h"
#include "cli/reach.h"

#define PATIENCE_MS 2000

struct wish {
    const char *run_dir;
    bool listens;
    const char *domain; /* NULL: listens */
    const char *where;
};

/* A port is a number, everything else a path. */
static bool is_port(const char *where, uint32_t *port)
{
    char *end;
    unsigned long number = strtoul(where, &end, 10);

    *port = (uint32_t)number;
    return end != where && !*end && number < UINT32_MAX;
}

static int parse(struct wish *wish, int argc, char **argv)
{
    static const struct option options[] = {
        {"run-dir", required_argument, NULL, 'r'}, {"listen", no_argument, NULL, 'l'}, {0}};
    int letter;

    *wish = (struct wish){.run_dir = CLI_RUN_DIR_DEFAULT};
    while ((letter = getopt_long(argc, argv, "l", options, NULL)) >= 0) {
        if (letter == '?')
            return cli_usage("nc: unknown option, or a value is missing: %s", argv[optind - 1]);
        wish->listens |= letter == 'l';
        wish->run_dir = letter == 'r' ? optarg : wish->run_dir;
    }
    if (argc - optind != (wish->listens ? 1 : 2))
        return cli_usage(wish->listens ? "nc -l: one PORT or PATH is needed"
                                       : "nc: a DOMAIN and a PORT or PATH are needed");
    wish->domain = wish->listens ? NULL : argv[optind];
    wish->where = argv[argc - 1];
    return 0;
}

static int serve_port(const char *run_dir, uint32_t port)
{
    int listener = reach_listen(run_dir, port), stream;

    if (listener < 0)
        return listener;
    stream = reach_accept(listener);
    close(listener);
    return stream;
}

/* Exit code, or 0 and the stream. */
static int reach(const struct wish *wish, int *fd)
{
    uint32_t port, cid;
    bool by_port = is_port(wish->where, &port);
    int error = wish->domain && by_port ? ask_domain(wish->run_dir, wish->domain, &cid) : 0;

    if (error)
        return error;
    if (wish->listens)
        *fd = by_port ? serve_port(wish->run_dir, port)
                      : reach_serve_path(wish->run_dir, wish->where);
    else
        *fd = by_port ? reach_port(wish->run_dir, cid, port, PATIENCE_MS)
                      : reach_path(wish->run_dir, wish->domain, wish->where);
    if (*fd >= 0)
        return 0;
    return cli_fail("%s %s: %s%s", wish->domain ? wish->domain : "listening at", wish->where,
                    strerror(-*fd), reach_hint(*fd));
}

/* ---- copying ---- */

static bool write_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t put = write(fd, bytes, length);

        if (put < 0 && errno != EINTR)
            return false;
        bytes += put > 0 ? put : 0;
        length -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

/* 1: go on; 0: the end; negative: an errno. */
static int copy(int from, int to)
{
    char bytes[65536];
    ssize_t got = read(from, bytes, sizeof(bytes));

    if (got < 0)
        return errno == EINTR ? 1 : -errno;
    if (got && !write_all(to, bytes, (size_t)got))
        return -errno;
    return got ? 1 : 0;
}

/* Until both have ended, or nobody is there any more; the end of the input is passed on. */
static int talk(int stream)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = stream, .events = POLLIN}};
    int more = 1;

    while (more >= 0 && (fds[0].fd >= 0 || fds[1].fd >= 0)) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents && (more = copy(stream, STDOUT_FILENO)) == 0) {
            if (fds[1].revents & POLLHUP)
                return 0;
            fds[1].fd = -1;
        }
        if (more >= 0 && fds[0].revents && (more = copy(STDIN_FILENO, stream)) == 0) {
            shutdown(stream, SHUT_WR);
            fds[0].fd = -1;
        }
    }
    return more;
}

int cli_nc(int argc, char **argv)
{
    struct wish wish;
    int stream, error = parse(&wish, argc, argv);

    if (!error)
        error = reach(&wish, &stream);
    if (error)
        return error;
    signal(SIGPIPE, SIG_IGN);
    error = talk(stream);
    close(stream);
    return error ? cli_fail("the stream has ended: %s", strerror(-error)) : 0;
}
