#include "path/guard.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#define GUARD_MAX 1024 /* more than an agent has peers */

static struct {
    uint8_t *base;
    size_t size;
} guarded[GUARD_MAX];

static int find(const uint8_t *address)
{
    for (int i = 0; i < GUARD_MAX; i++)
        if (guarded[i].base && address >= guarded[i].base &&
            (size_t)(address - guarded[i].base) < guarded[i].size)
            return i;
    return -ENOENT;
}

/* Only system calls here: the fault may have come in the middle of anything. */
static void faulted(int number, siginfo_t *info, void *context)
{
    int at = find(info->si_addr);

    (void)context;
    if (at < 0 ||
        mmap(guarded[at].base, guarded[at].size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        signal(number, SIG_DFL); /* nobody's region: the fault repeats, and ends us */
}

int guard_add(uint8_t *base, size_t size)
{
    struct sigaction action = {.sa_sigaction = faulted, .sa_flags = SA_SIGINFO};

    for (int i = 0; i < GUARD_MAX; i++) {
        if (guarded[i].base)
            continue;
        guarded[i].base = base;
        guarded[i].size = size;
        return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
    }
    return -ENOSPC;
}

void guard_remove(const uint8_t *base)
{
    int at = find(base);

    if (at >= 0)
        guarded[at].base = NULL;
}
