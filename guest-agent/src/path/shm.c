#include "path/shm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/region_header.h"
#include "path/guard.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_VENDOR_IVSHMEM 0x1af4
#define PCI_DEVICE_IVSHMEM 0x1110
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

static int map_file(struct view *view, const char *path, char why[SHM_WHY_MAX])
{
    struct stat status = {0};
    const char *fault = NULL;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &status) < 0)
        fault = strerror(errno);
    else if (region_size_fault((uint64_t)status.st_size))
        fault = region_size_fault((uint64_t)status.st_size);
    if (!fault) {
        view->size = (size_t)status.st_size;
        view->base = mmap(NULL, view->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (view->base == MAP_FAILED)
            fault = strerror(errno);
    }
    if (fd >= 0)
        close(fd);
    if (!fault && (fault = guard_and_judge(view)))
        shm_unmap(view);
    snprintf(view->path, sizeof(view->path), "%s", path);
    if (!fault)
        return 0;
    view->base = NULL;
    snprintf(why, SHM_WHY_MAX, "%.90s: %.60s", path, fault);
    return -ENODEV;
}

static unsigned long read_number(const char *device, const char *attribute)
{
    char path[PATH_MAX], text[32] = "";
    int fd;

    snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", device, attribute);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (read(fd, text, sizeof(text) - 1) < 0)
        text[0] = '\0';
    close(fd);
    return strtoul(text, NULL, 0);
}

/* A device without a driver decodes no memory until it is enabled. */
static void enable(const char *device)
{
    char path[PATH_MAX];
    int fd;

    if (read_number(device, "enable"))
        return;
    snprintf(path, sizeof(path), PCI_DEVICES "/%s/enable", device);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "1", 1) < 0)
        errno = 0; /* mapping it will tell */
    close(fd);
}

static int map_device(struct view *view, const char *device, char why[SHM_WHY_MAX])
{
    char path[PATH_MAX];

    if (read_number(device, "vendor") != PCI_VENDOR_IVSHMEM ||
        read_number(device, "device") != PCI_DEVICE_IVSHMEM)
        return -ENODEV;
    enable(device);
    snprintf(path, sizeof(path), PCI_DEVICES "/%s/resource2", device);
    return map_file(view, path, why);
}

static int map_any_device(struct view *view, char why[SHM_WHY_MAX])
{
    DIR *devices = opendir(PCI_DEVICES);
    struct dirent *entry;
    int error = -ENODEV;

    snprintf(why, SHM_WHY_MAX, "no ivshmem device is plugged in");
    while (devices && error < 0 && (entry = readdir(devices)))
        if (entry->d_name[0] != '.')
            error = map_device(view, entry->d_name, why);
    if (devices)
        closedir(devices);
    return error;
}

int shm_map(struct view *view, const char *file, const uint8_t nonce[REGION_NONCE_SIZE],
            char why[SHM_WHY_MAX])
{
    *view = (struct view){.device = !file};
    memcpy(view->nonce, nonce, sizeof(view->nonce));
    return file ? map_file(view, file, why) : map_any_device(view, why);
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
