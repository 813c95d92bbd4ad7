/* How AF_VSOCK behaves, one line per case: `case: call=value call=ERRNO ...`.
 *
 *     conformance [CID [RUN_DIR]]
 *     conformance paths SERVERS CLIENTS
 *     conformance serve PORT ...
 *     conformance join ADDRESS PORT ...
 *
 * CID (default 1) is where the servers are; RUN_DIR the folder of their domain's agent, for a run
 * across two domains under `domsock run`. Over the kernel's own AF_VSOCK it gives what is right.
 * With paths the sockets are UNIX sockets: the servers' in the folder SERVERS, and the clients find
 * them in CLIENTS. Between two machines one program runs on each: the servers' serves, the clients'
 * joins it by TCP and prints what counts. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "apart.h"
#include "epoll.h"

static void run_epoll(const char *streams, void (*make)(int ends[2]))
{
    make_ends = make;
    stage_run_as(streams, epoll_cases);
    stage_run_as(streams, epoll_list_cases);
}

static uint32_t number(const char *word)
{
    return (uint32_t)strtoul(word, NULL, 10);
}

/* Returns what is left of the arguments. */
static char **choose_place(char **argv)
{
    if (argv[0] && strcmp(argv[0], "serve") == 0 && argv[1]) {
        apart_serve((uint16_t)number(argv[1]));
        return argv + 2;
    }
    if (argv[0] && strcmp(argv[0], "join") == 0 && argv[1] && argv[2]) {
        apart_join(argv[1], (uint16_t)number(argv[2]));
        return argv + 3;
    }
    return argv;
}

static void choose_addresses(char **argv)
{
    if (argv[0] && strcmp(argv[0], "paths") == 0 && argv[1] && argv[2]) {
        stage_init(0, NULL);
        use_paths(argv[1], argv[2]);
    } else {
        stage_init(argv[0] ? number(argv[0]) : VMADDR_CID_LOCAL, argv[0] ? argv[1] : NULL);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    signal(SIGPIPE, SIG_IGN);
    choose_addresses(choose_place(argv + 1));
    stage_run(socket_cases);
    stage_run(connect_cases);
    stage_run(byte_cases);
    stage_run(wait_cases);
    stage_run(epoll_other_cases);
    run_epoll("quiet_", make_quiet);
    run_epoll("busy_", make_busy);
    stage_run(thread_cases);
    stage_run(option_cases);
    stage_run(descriptor_cases);
    stage_run(packet_cases);
    return 0;
}
