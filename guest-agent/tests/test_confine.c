/* What a confined process may do, and what is refused to it: each tried in a process of its own. */
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/confine.h"
#include "check.h"

#define NO_FILTERS 77

static pid_t parent;

/* Returns the exit status of a process that does this, confined so. */
static int under(int (*confine)(void), int (*deed)(void))
{
    pid_t child;
    int status;

    parent = getpid();
    child = fork();

    CHECK(child >= 0);
    if (child == 0) {
        int error = confine();

        /* Not by _exit(), which sanitizers make calls of their own for. */
        syscall(SYS_exit_group, error ? NO_FILTERS : deed());
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int confined(int (*deed)(void))
{
    return under(confine_agent, deed);
}

static int refused(long result)
{
    return result < 0 && errno == ENOSYS ? 0 : 1;
}

static int run_a_program(void)
{
    return refused(execl("/bin/true", "true", NULL));
}

static int fork_itself(void)
{
    return refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)) | refused(syscall(SYS_clone3, NULL, 0));
}

static int trace(void)
{
    return refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)) |
           refused(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0));
}

static int load_a_module(void)
{
    return refused(syscall(SYS_init_module, NULL, 0, "")) |
           refused(syscall(SYS_finit_module, -1, "", 0)) | refused(syscall(SYS_bpf, 0, NULL, 0));
}

static int mount_something(void)
{
    return refused(mount("none", "/", "tmpfs", 0, NULL)) | refused(syscall(SYS_unshare, 0)) |
           refused(syscall(SYS_chroot, "/"));
}

static int reboot_the_machine(void)
{
    return refused(reboot(RB_DISABLE_CAD));
}

static int send_a_signal(void)
{
    return refused(syscall(SYS_kill, parent, 0)) | refused(syscall(SYS_tkill, parent, SIGTERM)) |
           refused(syscall(SYS_tgkill, parent, parent, 0));
}

static int open_a_raw_socket(void)
{
    return refused(socket(AF_PACKET, SOCK_RAW, 0)) | refused(socket(AF_NETLINK, SOCK_RAW, 0));
}

static int make_code(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return 2;
    return refused(mprotect(page, 4096, PROT_READ | PROT_EXEC)) |
           refused(mmap(NULL, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                       ? -1
                       : 0);
}

static int become_somebody(void)
{
    return refused(setresuid(1, 1, 1)) | refused(setresgid(1, 1, 1)) | refused(setgroups(0, NULL));
}

static int write_to_files(void)
{
    return refused(unlink("/nothing")) | refused(mkdir("/nothing", 0700)) |
           refused(rename("/nothing", "/nothing")) | refused(chmod("/nothing", 0700)) |
           refused(syscall(SYS_chown, "/nothing", 0, 0)) | refused(ftruncate(0, 0));
}

static int meet_others(void)
{
    return refused(listen(0, 1)) | refused(accept(0, NULL, NULL)) |
           refused(socket(AF_INET, SOCK_STREAM, 0));
}

static int act_for_a_domain(void)
{
    int one = socket(AF_UNIX, SOCK_STREAM, 0);

    return one >= 0 && setresuid(geteuid(), geteuid(), geteuid()) == 0 ? 0 : 1;
}

static int use_what_it_needs(void)
{
    int unix_socket = socket(AF_UNIX, SOCK_STREAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0);
    int pair[2];

    if (unix_socket < 0 || tcp < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        return 1;
    if (syscall(SYS_tkill, parent, 0) < 0)
        return 1;
    return write(pair[0], "x", 1) == 1 && getuid() == geteuid() ? 0 : 1;
}

static int abort_itself(void)
{
    return raise(SIGABRT); /* as abort() does */
}

static void what_is_refused(void)
{
    CHECK(confined(run_a_program) == 0);
    CHECK(confined(fork_itself) == 0);
    CHECK(confined(trace) == 0);
    CHECK(confined(load_a_module) == 0);
    CHECK(confined(mount_something) == 0);
    CHECK(confined(reboot_the_machine) == 0);
    CHECK(confined(send_a_signal) == 0);
    CHECK(confined(open_a_raw_socket) == 0);
    CHECK(confined(make_code) == 0);
    CHECK(confined(become_somebody) == 0);
}

static void what_is_needed(void)
{
    CHECK(confined(use_what_it_needs) == 0);
    CHECK(confined(abort_itself) == 128 + SIGABRT);
}

static void what_its_opener_has(void)
{
    int (*const refused_to_both[])(void) = {run_a_program,      fork_itself,       trace,
                                            load_a_module,      mount_something,   send_a_signal,
                                            reboot_the_machine, open_a_raw_socket, make_code};

    for (size_t i = 0; i < sizeof(refused_to_both) / sizeof(refused_to_both[0]); i++)
        CHECK(under(confine_opener, refused_to_both[i]) == 0);
    CHECK(under(confine_opener, write_to_files) == 0);
    CHECK(under(confine_opener, meet_others) == 0);
    CHECK(under(confine_opener, act_for_a_domain) == 0);
    CHECK(under(confine_opener, abort_itself) == 128 + SIGABRT);
}

static const struct check_test tests[] = {
    {"what is refused", what_is_refused},
    {"what is needed", what_is_needed},
    {"what its opener has", what_its_opener_has},
};

CHECK_MAIN(tests)
