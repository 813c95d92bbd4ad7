#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/agent.h"
#include "daemon/ctl.h"
#include "daemon/exports.h"
#include "daemon/peers.h"

#define EXIT_USAGE 2

static volatile sig_atomic_t stopping;

static void stop(int number)
{
    (void)number;
    stopping = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A thousand streams need a thousand descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int lock_run_dir(struct agent *agent)
{
    agent->lock = open(agent->options.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (agent->lock < 0 || flock(agent->lock, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    return 0;
}

static int start(struct agent *agent)
{
    int error;

    if (mkdir(agent->options.run_dir, 0755) < 0 && errno != EEXIST)
        return -errno;
    agent->started_us = clock_now_us();
    agent->budget.limit = agent->options.memory;
    randombytes_buf(&agent->incarnation, sizeof(agent->incarnation));
    error = lock_run_dir(agent);
    if (!error)
        error = loop_init(&agent->loop);
    if (!error)
        error = exports_start(agent);
    if (!error)
        error = peers_start(agent);
    return error ? error : ctl_start(agent);
}

static int run(struct agent *agent)
{
    int error = 0;

    while (!stopping && !error)
        error = loop_turn(&agent->loop, peers_pump(agent));
    return error;
}

static void finish(struct agent *agent)
{
    peers_stop(agent);
    exports_stop(agent);
    ctl_stop(agent);
    loop_deinit(&agent->loop);
}

int main(int argc, char **argv)
{
    static struct agent agent;
    int error;

    if (options_parse(&agent.options, argc, argv) < 0)
        return EXIT_USAGE;
    error = log_open(agent.options.log);
    if (error < 0 || sodium_init() < 0) {
        fprintf(stderr, "domsockd: cannot write the log %s: %s\n", agent.options.log,
                strerror(-error));
        return 1;
    }
    catch_signals();
    raise_descriptor_limit();
    error = start(&agent);
    if (error) {
        log_error("domsockd cannot start: %s (is another one running in %s, or on that port?)",
                  strerror(-error), agent.options.run_dir);
        return 1;
    }
    log_info("domsockd %s: domain %s (%u), port %u", AGENT_VERSION, agent.options.name,
             agent.options.id, agent.port);
    error = run(&agent);
    finish(&agent);
    return error ? 1 : 0;
}
