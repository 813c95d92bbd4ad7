#include "daemon/inheritance.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define RESOURCE "/resource2" /* a device's memory, in sysfs */

/* No two agents have the same RUN_DIR at a time, and one that is started anew has it again. */
void inheritance_name(struct agent *agent)
{
    struct stat status = {0};

    fstat(agent->lock, &status);
    snprintf(agent->lingering.page_name, sizeof(agent->lingering.page_name),
             "domsock-stream-%" PRIx64 "-%" PRIx64, (uint64_t)status.st_dev,
             (uint64_t)status.st_ino);
}

/* Anybody can give a file that name. One that could be cut short, or whose words are another
 * user's, is none of an agent's. */
static bool is_ours(const struct agent *agent, int fd)
{
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &status) < 0)
        return false;
    return status.st_size == REGION_PAGE &&
           (status.st_uid == geteuid() || status.st_uid == agent->options.user.uid);
}

static struct direct_page *map_page(const struct agent *agent, const char *process,
                                    const char *range)
{
    char path[128];
    void *page = MAP_FAILED;
    int fd;

    snprintf(path, sizeof(path), "/proc/%.16s/map_files/%.64s", process, range);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && is_ours(agent, fd))
        page = mmap(NULL, REGION_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return page == MAP_FAILED ? NULL : page;
}

static void take(struct agent *agent, const char *process, const char *range, bool device)
{
    struct direct_page *page = map_page(agent, process, range);
    struct lingerer *lingerer = page ? malloc(sizeof(*lingerer)) : NULL;

    if (!lingerer) {
        log_warning("process %s has a ring of an earlier life, which cannot be taken back",
                    process);
        if (page)
            munmap(page, REGION_PAGE);
        return;
    }
    __atomic_store_n(&page->tx.holder, DIRECT_AGENTS, __ATOMIC_SEQ_CST);
    __atomic_store_n(&page->rx.holder, DIRECT_AGENTS, __ATOMIC_SEQ_CST);
    *lingerer = (struct lingerer){.page = page, .device = device};
    memcpy(lingerer->nonce, page->nonce, sizeof(lingerer->nonce));
    lingering_add(&agent->lingering, lingerer);
}

static void look_at(struct agent *agent, const char *process)
{
    char path[64], line[512], range[65];
    bool device = false;
    FILE *maps;

    snprintf(path, sizeof(path), "/proc/%.16s/maps", process);
    maps = fopen(path, "re");
    while (maps && fgets(line, sizeof(line), maps))
        device |= strstr(line, RESOURCE) != NULL;
    if (maps)
        rewind(maps);
    while (maps && fgets(line, sizeof(line), maps))
        if (strstr(line, agent->lingering.page_name) && sscanf(line, "%64s", range) == 1)
            take(agent, process, range, device);
    if (maps)
        fclose(maps);
}

void inheritance_take(struct agent *agent)
{
    DIR *processes = opendir("/proc");
    struct dirent *entry;

    while (processes && (entry = readdir(processes)))
        if (isdigit((unsigned char)entry->d_name[0]))
            look_at(agent, entry->d_name);
    if (processes)
        closedir(processes);
    lingering_look(&agent->lingering);
    if (agent->lingering.count)
        log_warning("%u rings of an earlier life are in the hands of programs that are stopped in "
                    "the middle of a copy",
                    agent->lingering.count);
}
