/* Filters of system calls (seccomp): what stands in a table is allowed, all else is refused.
 * Neither an agent nor its opener has any business running programs, mounting, tracing, loading
 * modules, or sending signals. A table and not a library: it is all there is to it, and it is the
 * same in every kernel. */
#include "base/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REFUSE BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
#define NUMBER offsetof(struct seccomp_data, nr)
/* The lower half: none of the arguments that are looked at has an upper one that means anything. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t))
#define SKIP_UNLESS(value, count) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, count)
#define SKIP_UNLESS_ANY(bits, count) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, count)

#define CALL(name) SKIP_UNLESS(SYS_##name, 1), ALLOW
/* Memory may not become code. */
#define CALL_WITHOUT(name, argument, bits)                                                         \
    SKIP_UNLESS(SYS_##name, 4), LOAD(ARGUMENT(argument)), SKIP_UNLESS_ANY(bits, 1), REFUSE, ALLOW
#define CALL_WITH(name, argument, value)                                                           \
    SKIP_UNLESS(SYS_##name, 4), LOAD(ARGUMENT(argument)), SKIP_UNLESS(value, 1), ALLOW, REFUSE
#define CALL_WITH_EITHER(name, argument, one, other)                                               \
    SKIP_UNLESS(SYS_##name, 6), LOAD(ARGUMENT(argument)), SKIP_UNLESS(one, 1), ALLOW,              \
        SKIP_UNLESS(other, 1), ALLOW, REFUSE

#ifdef __x86_64__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#endif

/* clang-format off */
#define FOREWORD                                                                                   \
    LOAD(offsetof(struct seccomp_data, arch)),                                                     \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0), REFUSE, LOAD(NUMBER)
#define ITS_MEMORY                                                                                 \
    CALL_WITHOUT(mmap, 2, PROT_EXEC), CALL_WITHOUT(mprotect, 2, PROT_EXEC), CALL(munmap),          \
    CALL(mremap), CALL(madvise), CALL(brk)
/* At the end stands abort(), where the process' own id is filled in. */
#define ITSELF                                                                                     \
    CALL(getpid), CALL(gettid), CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn),      \
    CALL(exit), CALL(exit_group), CALL_WITH(tgkill, 0, 0), REFUSE
/* clang-format on */
#define OWN_PID(filter) (sizeof(filter) / sizeof((filter)[0]) - 4)

/* Those that are made most often come first. */
static struct sock_filter of_agent[] = {
    FOREWORD,
    /* waiting, and bytes */
    CALL(epoll_wait),
    CALL(epoll_pwait),
    CALL(epoll_ctl),
    CALL(poll),
    CALL(ppoll),
    CALL(recvfrom),
    CALL(recvmsg),
    CALL(sendto),
    CALL(sendmsg),
    CALL(read),
    CALL(write),
    CALL(readv),
    CALL(writev),
    CALL(pread64),
    CALL(pwrite64),
    CALL(futex),
    CALL(clock_gettime),
    CALL(clock_nanosleep),
    CALL(nanosleep),
    CALL(gettimeofday),
    CALL(restart_syscall),
    CALL(getrandom),
    CALL(ioctl),
    /* sockets of this machine, and TCP */
    CALL_WITH_EITHER(socket, 0, AF_UNIX, AF_INET),
    CALL_WITH(socketpair, 0, AF_UNIX),
    CALL(bind),
    CALL(listen),
    CALL(accept),
    CALL(accept4),
    CALL(connect),
    CALL(shutdown),
    CALL(getsockopt),
    CALL(setsockopt),
    CALL(getsockname),
    /* files, and names of sockets */
    CALL(close),
    CALL(openat),
    CALL(lseek),
    CALL(fcntl),
    CALL(flock),
    CALL(getdents64),
    CALL(stat),
    CALL(fstat),
    CALL(lstat),
    CALL(newfstatat),
    CALL(statx),
    CALL(faccessat),
    CALL(faccessat2),
    CALL(readlink),
    CALL(readlinkat),
    CALL(symlink),
    CALL(unlink),
    CALL(unlinkat),
    CALL(mkdir),
    CALL(mkdirat),
    CALL(rmdir),
    CALL(rename),
    CALL(chmod),
    CALL(fchmod),
    CALL(fchmodat),
    CALL(chown),
    CALL(fchown),
    CALL(fchownat),
    CALL(ftruncate),
    CALL(inotify_add_watch),
    CALL(inotify_rm_watch),
    CALL(eventfd2),
    CALL(memfd_create),
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    /* the end of the opener (daemon/opener.c) */
    CALL(wait4),
    /* a look whether a thread is there (base/turn.c) */
    CALL_WITH(tkill, 1, 0),
    ITS_MEMORY,
    ITSELF,
};

static struct sock_filter of_opener[] = {
    FOREWORD,
    CALL(recvmsg),
    CALL(sendmsg),
    CALL(read),
    CALL(write),
    CALL(pread64),
    CALL(clock_gettime),
    CALL(futex),
    /* files and ports, and looking for them */
    CALL(openat),
    CALL(close),
    CALL(fstat),
    CALL(newfstatat),
    CALL(lseek),
    CALL(getdents64),
    CALL(fcntl),
    CALL(ioctl),
    /* acting for a remote domain (daemon/remote.c) */
    CALL(getuid),
    CALL(geteuid),
    CALL(getgid),
    CALL(getegid),
    CALL(setresuid),
    CALL(setresgid),
    CALL(setgroups),
    CALL(faccessat),
    CALL(faccessat2),
    CALL_WITH(socket, 0, AF_UNIX),
    CALL_WITH(socketpair, 0, AF_UNIX),
    CALL(bind),
    CALL(connect),
    ITS_MEMORY,
    ITSELF,
};

static int install(struct sock_filter *filter, size_t size)
{
    struct sock_fprog program = {.len = (unsigned short)(size / sizeof(*filter)), .filter = filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return -errno;
    return 0;
}

int confine_agent(void)
{
    of_agent[OWN_PID(of_agent)].k = (uint32_t)getpid();
    return install(of_agent, sizeof(of_agent));
}

int confine_opener(void)
{
    of_opener[OWN_PID(of_opener)].k = (uint32_t)getpid();
    return install(of_opener, sizeof(of_opener));
}
