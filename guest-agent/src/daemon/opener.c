#include "daemon/opener.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "base/log.h"
#include "base/passing.h"
#include "base/privileges.h"
#include "daemon/opener_acts.h"
#include "daemon/run_dir.h"

#define OPENER_NAME "domsock-opener"

struct opener {
    struct agent *agent;
    pid_t process;
    struct loop_source source; /* the channel to it */
};

/* ---- the opener ---- */

/* To act as others; and in a guest to enable a device (base/region_open.c), on a host to open
 * regions and ports, which are QEMU's there. */
static void keep_what_it_takes(const struct options *options)
{
    bool host = options->relay_address[0] != '\0';
    int capabilities[] = {CAP_SETUID, CAP_SETGID, host ? CAP_DAC_OVERRIDE : CAP_SYS_ADMIN};
    int error = privileges_keep(capabilities, 3);

    if (error)
        log_warning("the opener keeps more rights than it takes: %s", strerror(-error));
}

static void ignore_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], SIG_IGN); /* it ends with the agent */
}

/* The second descriptor follows in a message of its own. */
static int answer(int channel, const struct opener_answer *answer, int fds[2])
{
    int error = passing_send(channel, answer, sizeof(*answer), fds[0]);

    if (!error && fds[1] >= 0)
        error = passing_send(channel, answer, sizeof(*answer), fds[1]);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return error;
}

static void serve(int channel, const struct options *options)
{
    struct opener_request request;
    struct opener_answer result;
    ssize_t got;
    int fds[2], none;

    while ((got = passing_receive(channel, &request, sizeof(request), &none, 0)) != 0) {
        if (got == -EINTR)
            continue;
        if (none >= 0)
            close(none);
        if (got != (ssize_t)sizeof(request))
            return;
        opener_act(options, &request, &result, fds);
        if (answer(channel, &result, fds))
            return;
    }
}

static _Noreturn void be_opener(int channel, const struct options *options)
{
    prctl(PR_SET_NAME, OPENER_NAME);
    ignore_signals();
    keep_what_it_takes(options);
#ifndef UNCONFINED
    if (confine_opener())
        log_warning("the opener may make every system call: this kernel has no filters");
#endif
    serve(channel, options);
    _exit(0);
}

/* ---- the agent ---- */

/* With the group that may use what only some may, too: it can give sockets to that. */
static void part_with_root(const struct options *options)
{
    struct remote_user user = options->user;
    gid_t group;
    int error;

    if (user.group_count < REMOTE_GROUPS_MAX && group_find(USERS_GROUP, &group) == 0)
        user.groups[user.group_count++] = group;
    error = privileges_become(user.uid, user.gid, user.groups, (size_t)user.group_count);
    if (error)
        log_warning("the agent cannot become user %u, with no other right: %s", (unsigned)user.uid,
                    strerror(-error));
#ifdef UNCONFINED
    prctl(PR_SET_DUMPABLE, 1); /* sanitizers look into their own process */
#endif
}

int opener_start(struct agent *agent)
{
    int ends[2];
    pid_t child;

    if (getuid() != 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    child = fork();
    if (child < 0)
        return -errno;
    if (child == 0) {
        close(ends[0]);
        close(agent->lock); /* the agent's next life may begin while this one is at work */
        be_opener(ends[1], &agent->options);
    }
    close(ends[1]);
    agent->opener = malloc(sizeof(*agent->opener));
    if (!agent->opener)
        return -ENOMEM;
    *agent->opener = (struct opener){.agent = agent, .process = child, .source.fd = ends[0]};
    run_dir_give(agent->options.run_dir, &agent->options.user);
    part_with_root(&agent->options);
    return 0;
}

/* Between two requests it says nothing: this is its end. */
static void opener_ended(struct loop_source *source, uint32_t events)
{
    struct opener *opener = container_of(source, struct opener, source);

    (void)events;
    log_error("the opener has ended, and so does the agent");
    opener->agent->failure = -EPIPE;
    loop_remove(&opener->agent->loop, source);
}

int opener_watch(struct agent *agent)
{
    if (!agent->opener)
        return 0;
    agent->opener->source.ready = opener_ended;
    return loop_add(&agent->loop, &agent->opener->source, EPOLLIN);
}

void opener_stop(struct agent *agent)
{
    if (!agent->opener)
        return;
    loop_remove(&agent->loop, &agent->opener->source);
    close(agent->opener->source.fd);
    waitpid(agent->opener->process, NULL, 0);
    free(agent->opener);
    agent->opener = NULL;
}

/* ---- asking ---- */

static ssize_t receive(int channel, struct opener_answer *answer, int *fd)
{
    ssize_t got;

    do
        got = passing_receive(channel, answer, sizeof(*answer), fd, 0);
    while (got == -EINTR);
    return got;
}

static void ask_opener(int channel, const struct opener_request *request,
                       struct opener_answer *answer, int fds[2])
{
    int error = passing_send(channel, request, sizeof(*request), -1);
    bool answered = !error && receive(channel, answer, &fds[0]) == (ssize_t)sizeof(*answer);

    if (answered && !answer->error && request->act == OPENER_PAIR)
        answered = receive(channel, answer, &fds[1]) == (ssize_t)sizeof(*answer);
    if (!answered)
        *answer = (struct opener_answer){.error = -EPIPE};
}

static int ask(const struct agent *agent, struct opener_request *request,
               struct opener_answer *answer, int fds[2])
{
    fds[0] = fds[1] = -1;
    if (agent->opener)
        ask_opener(agent->opener->source.fd, request, answer, fds);
    else
        opener_act(&agent->options, request, answer, fds);
    return answer->error;
}

static int ask_for_one(const struct agent *agent, struct opener_request *request,
                       struct opener_answer *answer)
{
    int fds[2], error = ask(agent, request, answer, fds);

    if (!error && fds[0] < 0)
        error = -EMFILE; /* it came, and there was no room for it */
    return error ? error : fds[0];
}

int opener_open_port(const struct agent *agent, enum opener_port port)
{
    struct opener_request request = {.act =
                                         port == OPENER_CTL ? OPENER_OPEN_CTL : OPENER_OPEN_DATA};
    struct opener_answer answer;

    return ask_for_one(agent, &request, &answer);
}

int opener_open_region(const struct agent *agent, const char *file,
                       const uint8_t nonce[REGION_NONCE_SIZE], char path[REGION_PATH_MAX],
                       char why[REGION_WHY_MAX])
{
    struct opener_request request = {.act = OPENER_OPEN_REGION};
    struct opener_answer answer;
    int fd;

    snprintf(request.text, sizeof(request.text), "%s", file);
    memcpy(request.nonce, nonce, sizeof(request.nonce));
    fd = ask_for_one(agent, &request, &answer);
    memcpy(path, answer.path, REGION_PATH_MAX);
    memcpy(why, answer.why, REGION_WHY_MAX);
    return fd;
}

int opener_meet_guest(const struct agent *agent, const char *socket)
{
    struct opener_request request = {.act = OPENER_MEET_GUEST};
    struct opener_answer answer;

    snprintf(request.text, sizeof(request.text), "%s", socket);
    return ask_for_one(agent, &request, &answer);
}

int opener_connect(const struct peer *peer, const char *name, const char *caller)
{
    struct opener_request request = {.act = OPENER_CONNECT};
    struct opener_answer answer;

    strcpy(request.domain, peer->name);
    strcpy(request.name, name);
    snprintf(request.text, sizeof(request.text), "%s", caller);
    return ask_for_one(peer->agent, &request, &answer);
}

int opener_pair(const struct peer *peer, int type, int ends[2])
{
    struct opener_request request = {.act = OPENER_PAIR, .type = type};
    struct opener_answer answer;
    int error;

    strcpy(request.domain, peer->name);
    error = ask(peer->agent, &request, &answer, ends);
    if (!error && ends[0] >= 0 && ends[1] >= 0)
        return 0;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return error ? error : -EMFILE;
}

bool opener_reaches(const struct peer *peer, const char *name)
{
    struct opener_request request = {.act = OPENER_REACHES};
    struct opener_answer answer;
    int none[2];

    strcpy(request.domain, peer->name);
    strcpy(request.name, name);
    return ask(peer->agent, &request, &answer, none) == 0;
}
