#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/confine.h"
#include "base/landlock.h"
#include "base/log.h"
#include "daemon/agent.h"
#include "daemon/ctl.h"
#include "daemon/domains.h"
#include "daemon/exports.h"
#include "daemon/inheritance.h"
#include "daemon/opener.h"
#include "daemon/peers.h"
#include "daemon/ports.h"
#include "daemon/relay.h"
#include "daemon/shim.h"

#define EXIT_USAGE 2

static bool stopping;

static void stop(struct loop_source *source, uint32_t events)
{
    (void)source, (void)events;
    stopping = true;
}

/* As a source of the loop: a handler could come between the look at a flag and the sleep. */
static int catch_signals(struct agent *agent)
{
    sigset_t signals;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    agent->signals = (struct loop_source){.fd = signalfd(-1, &signals, SFD_CLOEXEC), .ready = stop};
    return agent->signals.fd < 0 ? -errno : loop_add(&agent->loop, &agent->signals, EPOLLIN);
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

static int make_run_dir(const struct agent *agent)
{
    return mkdir(agent->options.run_dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int lock_run_dir(struct agent *agent)
{
    agent->lock = open(agent->options.run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (agent->lock < 0 || flock(agent->lock, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    return 0;
}

/* What takes root, where root has started it, and ends with being root. */
static int prepare(struct agent *agent)
{
    int error = make_run_dir(agent);

    if (!error)
        error = lock_run_dir(agent);
    if (error)
        return error;
    inheritance_name(agent);
    inheritance_take(agent);
    return opener_start(agent);
}

static int start(struct agent *agent)
{
    int error;

    agent->started_us = clock_now_us();
    agent->budget.limit = agent->options.memory;
    randombytes_buf(&agent->incarnation, sizeof(agent->incarnation));
    error = loop_init(&agent->loop);
    if (!error)
        error = catch_signals(agent);
    if (!error)
        error = opener_watch(agent);
    if (!error)
        error = exports_start(agent);
    if (!error)
        error = ports_start(agent);
    if (!error)
        error = shim_start(agent);
    if (!error)
        error = peers_start(agent);
    if (!error)
        error = relay_start(agent);
    return error ? error : ctl_start(agent);
}

/* What is opened elsewhere comes from the opener; without one an agent opens regions itself. */
static void give_up_files(const struct agent *agent)
{
    const struct landlock_folder folders[] = {
        {agent->options.run_dir, true}, {"/proc", false}, {"/etc", false}, {"/dev", false}};
    int version = landlock_confine(folders, sizeof(folders) / sizeof(folders[0]));

    if (version < 0)
        log_info("files are kept from the agent by their permissions only: this kernel has no "
                 "Landlock (%s)",
                 strerror(-version));
    else
        log_info("no files but those in %s can be changed (Landlock %d)", agent->options.run_dir,
                 version);
}

/* UNCONFINED: sanitizers and valgrind do in the process what the agent may not. */
static void give_up_rights(const struct agent *agent)
{
#ifdef UNCONFINED
    (void)agent, (void)give_up_files;
#else
    int error;

    if (agent->opener)
        give_up_files(agent);
    error = confine_agent();
    if (error)
        log_warning("every system call stays allowed: this kernel has no filters (%s)",
                    strerror(-error));
#endif
}

static int run(struct agent *agent)
{
    int error = 0;

    while (!stopping && !error && !agent->failure)
        error = loop_turn(&agent->loop, peers_pump(agent));
    return error ? error : agent->failure;
}

static void finish(struct agent *agent)
{
    peers_stop(agent);
    lingering_deinit(&agent->lingering);
    relay_stop(agent);
    shim_stop(agent);
    ports_stop(agent);
    domains_stop(agent);
    exports_stop(agent);
    ctl_stop(agent);
    opener_stop(agent);
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
    raise_descriptor_limit();
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* it runs no other program */
    error = prepare(&agent);
    if (!error)
        error = start(&agent);
    if (error) {
        log_error("domsockd cannot start: %s (is another one running in %s, or on that port?)",
                  strerror(-error), agent.options.run_dir);
        return 1;
    }
    log_info("domsockd %s: domain %s (%u), port %u, user %u", AGENT_VERSION, agent.options.name,
             agent.options.id, agent.port, (unsigned)getuid());
    give_up_rights(&agent);
    error = run(&agent);
    finish(&agent);
    return error ? 1 : 0;
}
