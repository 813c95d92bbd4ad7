/* How AF_VSOCK behaves, one line per case: `case: call=value call=ERRNO ...`.
 *
 *     conformance [CID [RUN_DIR]]
 *
 * CID (default 1) is where the servers are; RUN_DIR the folder of their domain's agent, for a run
 * across two domains under `domsock run`. Over the kernel's own AF_VSOCK it gives what is right. */
#include <signal.h>
#include <stdlib.h>

#include "epoll.h"

static void run_epoll(const char *streams, void (*make)(int ends[2]))
{
    make_ends = make;
    stage_run_as(streams, epoll_cases);
    stage_run_as(streams, epoll_list_cases);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    stage_init(argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : VMADDR_CID_LOCAL,
               argc > 2 ? argv[2] : NULL);
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
