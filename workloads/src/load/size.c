#include "size.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_ROOM = 300, LINE_ROOM = 256 };

static FILE *open_part(const char *pid, const char *part)
{
    char path[PATH_ROOM];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, part);
    return fopen(path, "re");
}

static bool is_named(const char *pid, const char *name)
{
    char line[LINE_ROOM] = "";
    FILE *file = open_part(pid, "comm");
    if (!file)
        return false;
    bool read = fgets(line, sizeof line, file) != NULL;
    fclose(file);
    line[strcspn(line, "\n")] = '\0';
    return read && strcmp(line, name) == 0;
}

static uint64_t resident(const char *pid)
{
    char line[LINE_ROOM];
    uint64_t kib = 0;
    FILE *file = open_part(pid, "status");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %" SCNu64, &kib) == 1)
            break;
    if (file)
        fclose(file);
    return kib;
}

static uint64_t descriptors(const char *pid)
{
    char path[PATH_ROOM];
    uint64_t count = 0;
    snprintf(path, sizeof path, "/proc/%s/fd", pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count;
}

int size_of(const char *name, struct size *size)
{
    int missing = 1;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; missing && proc && (entry = readdir(proc));) {
        if (!isdigit((unsigned char)entry->d_name[0]) || !is_named(entry->d_name, name))
            continue;
        *size = (struct size){resident(entry->d_name), descriptors(entry->d_name)};
        missing = 0;
    }
    if (proc)
        closedir(proc);
    return missing;
}
