#include "path/shm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/region_header.h"
#include "path/guard.h"

#define MEASURE_US 3000
#define MEASURE_CHUNK (64u << 10)

static const char *judge(const struct view *view)
{
    struct region_header header;

    memcpy(&header, view->base, sizeof(header));
    if (memcmp(header.nonce, view->nonce, sizeof(header.nonce)) != 0)
        return "it has another nonce";
    return region_header_fault(&header, view->size);
}

static const char *guard_and_judge(const struct view *view)
{
    return guard_add(view->base, view->size) < 0 ? "too many regions are mapped" : judge(view);
}

int shm_map(struct view *view, int fd, const char *path, const uint8_t nonce[REGION_NONCE_SIZE],
            char why[REGION_WHY_MAX])
{
    struct stat status = {0};
    const char *fault = NULL;

    *view = (struct view){0};
    memcpy(view->nonce, nonce, sizeof(view->nonce));
    if (fstat(fd, &status) < 0)
        fault = strerror(errno);
    else
        fault = region_size_fault((uint64_t)status.st_size);
    if (!fault) {
        view->size = (size_t)status.st_size;
        view->base = mmap(NULL, view->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (view->base == MAP_FAILED)
            fault = strerror(errno);
    }
    close(fd);
    if (!fault && (fault = guard_and_judge(view)))
        shm_unmap(view);
    snprintf(view->path, sizeof(view->path), "%s", path);
    if (!fault)
        return 0;
    view->base = NULL;
    snprintf(why, REGION_WHY_MAX, "%.90s: %.60s", path, fault);
    return -ENODEV;
}

void shm_disown(struct view *view)
{
    mmap(view->base, view->size, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void shm_unmap(struct view *view)
{
    if (!view->base)
        return;
    shm_disown(view);
    guard_remove(view->base);
    munmap(view->base, view->size);
    view->base = NULL;
}

uint32_t shm_measure(struct view *view)
{
    uint8_t *place = view->base + view->size - MEASURE_CHUNK;
    uint8_t *chunk = calloc(1, MEASURE_CHUNK);
    uint64_t start_us = clock_now_us(), bytes = 0, spent_us = 0;

    while (chunk && spent_us < MEASURE_US) {
        memcpy(place, chunk, MEASURE_CHUNK);
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* both copies really happen */
        memcpy(chunk, place, MEASURE_CHUNK);
        bytes += 2 * MEASURE_CHUNK;
        spent_us = clock_now_us() - start_us;
    }
    free(chunk);
    return spent_us ? (uint32_t)(bytes / spent_us) : 0;
}
