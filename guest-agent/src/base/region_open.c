#include "base/region_open.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/region_header.h"

#define PCI_DEVICES "/sys/bus/pci/devices"
#define PCI_VENDOR_IVSHMEM 0x1af4
#define PCI_DEVICE_IVSHMEM 0x1110

static bool is_device(const char *path)
{
    return strncmp(path, PCI_DEVICES "/", sizeof(PCI_DEVICES)) == 0;
}

/* A device's memory can be mapped, and not read; what is mapped of a file may be cut off meanwhile.
 */
static bool read_header(int fd, const char *path, struct region_header *header)
{
    void *page;

    if (!is_device(path))
        return pread(fd, header, sizeof(*header), 0) == (ssize_t)sizeof(*header);
    page = mmap(NULL, sizeof(*header), PROT_READ, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        return false;
    memcpy(header, page, sizeof(*header));
    munmap(page, sizeof(*header));
    return true;
}

static const char *fault_of(int fd, const char *path, const uint8_t nonce[REGION_NONCE_SIZE])
{
    struct region_header header;
    struct stat status;
    const char *fault;

    if (fstat(fd, &status) < 0)
        return strerror(errno);
    fault = region_size_fault(S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0);
    if (fault)
        return fault;
    if (!read_header(fd, path, &header))
        return "it cannot be read";
    if (memcmp(header.nonce, nonce, sizeof(header.nonce)) != 0)
        return "it has another nonce";
    return region_header_fault(&header, (uint64_t)status.st_size);
}

static int open_region(const char *path, const uint8_t nonce[REGION_NONCE_SIZE],
                       char why[REGION_WHY_MAX])
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const char *fault = fd < 0 ? strerror(errno) : fault_of(fd, path, nonce);

    if (!fault)
        return fd;
    if (fd >= 0)
        close(fd);
    snprintf(why, REGION_WHY_MAX, "%.90s: %.60s", path, fault);
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

static int open_device(const char *device, const uint8_t nonce[REGION_NONCE_SIZE],
                       char path[REGION_PATH_MAX], char why[REGION_WHY_MAX])
{
    if (read_number(device, "vendor") != PCI_VENDOR_IVSHMEM ||
        read_number(device, "device") != PCI_DEVICE_IVSHMEM)
        return -ENODEV;
    enable(device);
    if (snprintf(path, REGION_PATH_MAX, PCI_DEVICES "/%s/resource2", device) >= REGION_PATH_MAX)
        return -ENAMETOOLONG;
    return open_region(path, nonce, why);
}

static int open_any_device(const uint8_t nonce[REGION_NONCE_SIZE], char path[REGION_PATH_MAX],
                           char why[REGION_WHY_MAX])
{
    DIR *devices = opendir(PCI_DEVICES);
    struct dirent *entry;
    int fd = -ENODEV;

    snprintf(why, REGION_WHY_MAX, "no ivshmem device is plugged in");
    while (devices && fd < 0 && (entry = readdir(devices)))
        if (entry->d_name[0] != '.')
            fd = open_device(entry->d_name, nonce, path, why);
    if (devices)
        closedir(devices);
    return fd;
}

int region_open(const char *file, const uint8_t nonce[REGION_NONCE_SIZE],
                char path[REGION_PATH_MAX], char why[REGION_WHY_MAX])
{
    if (!file[0])
        return open_any_device(nonce, path, why);
    snprintf(path, REGION_PATH_MAX, "%s", file);
    return open_region(path, nonce, why);
}
