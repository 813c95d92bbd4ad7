/* A whole agent, and a commander that says anything. It has a network of its own, in which there is
 * nobody, and is nobody itself: what it is told to dial and to open is out of its reach. */
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fuzz/fuzz.h"

int domsockd_main(int argc, char **argv);
#define main domsockd_main
#include "../../src/daemon/main.c"
#undef main

#include "check.h"

#define TURNS 12
#define CTL_SOCKET "agent.sock"

static char folder[] = "/tmp/fuzz-control-XXXXXX";
static struct agent agent = {.options = {.name = "g1",
                                         .id = 3,
                                         .run_dir = folder,
                                         .listen_address = "0.0.0.0",
                                         .memory = 8u << 20,
                                         .grace_us = 1000000}};

static void end_agent(void)
{
    char path[64];

    finish(&agent);
    snprintf(path, sizeof(path), "%s/self", folder);
    rmdir(path);
    snprintf(path, sizeof(path), "%s/routes.json", folder);
    unlink(path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    CHECK(mkdtemp(folder) && chmod(folder, 0777) == 0);
    CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0);
    CHECK(sodium_init() >= 0 && log_open("/dev/null") == 0 && start(&agent) == 0);
    atexit(end_agent);
    return 0;
}

static int call(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/" CTL_SOCKET, folder);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    return fd;
}

/* Until it has answered and has nothing to do at once. */
static void take_turns(int commander)
{
    char answer[4096];

    for (int i = 0; i < TURNS; i++) {
        peers_pump(&agent);
        CHECK(loop_turn(&agent.loop, 0) == 0);
        while (commander >= 0 && read(commander, answer, sizeof(answer)) > 0)
            continue;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    int commander = call();

    if (write(commander, bytes, length) == (ssize_t)length && write(commander, "\n", 1) == 1)
        take_turns(commander);
    close(commander);
    while (agent.peers)
        peers_remove(agent.peers);
    take_turns(-1);
    return 0;
}
