/* Sockets are found by looking, when inotify says that something has changed: the folder is the
 * truth, the events only tell when to look. Nothing is connected to for probing. */
#include "daemon/exports.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"
#include "base/socket.h"
#include "daemon/peers.h"

#define EXPORTS_MAX 256u
#define EXPORTS_DEPTH_MAX 8
#define EXPORTS_WATCH                                                                              \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | IN_DONT_FOLLOW)
#define EXPORTS_AGAIN_US 1000000u
#define UNIX_TYPE_STREAM 1

struct export
{
    struct export *next;
    bool seen;
    const char *fault; /* why it is not exported; kept so that it is logged once */
    char name[];
};

struct exports {
    struct agent *agent;
    struct loop_source watcher;
    struct export *all;
    unsigned count;  /* of those without a fault */
    bool incomplete; /* a folder could not be read: what is in it has not gone */
    struct loop_timer again;
};

/* The kernel's list of UNIX sockets knows the type; 0 if the path is not in it. */
static unsigned socket_type(const char *path)
{
    FILE *list = fopen("/proc/net/unix", "re");
    char line[512], found[256];
    unsigned type = 0, this_type;

    while (list && !type && fgets(line, sizeof(line), list))
        if (sscanf(line, "%*s %*s %*s %*s %x %*s %*s %255s", &this_type, found) == 2 &&
            strcmp(found, path) == 0)
            type = this_type;
    if (list)
        fclose(list);
    return type;
}

static const char *fault_of(const struct exports *exports, const char *path, const char *name)
{
    const char *fault = export_name_fault(name, strlen(name));
    unsigned type = fault ? 0 : socket_type(path);

    if (!fault && type && type != UNIX_TYPE_STREAM)
        fault = "it is not a stream socket";
    if (!fault && exports->count >= EXPORTS_MAX)
        fault = "there are too many exports";
    return fault;
}

static struct export *find(const struct exports *exports, const char *name)
{
    struct export *export = exports->all;

    while (export && strcmp(export->name, name) != 0)
        export = export->next;
    return export;
}

/* Anew at every look while there is a fault: another socket may have the name now. */
static void judge(struct exports *exports, struct export *export, const char *path)
{
    const char *fault = fault_of(exports, path, export->name);

    if (fault && fault != export->fault)
        log_warning("%s is not exported: %s", path, fault);
    export->fault = fault;
    if (fault)
        return;
    exports->count++;
    peers_export(exports->agent, export->name, true);
}

static void found_socket(struct exports *exports, const char *path, const char *name)
{
    struct export *export = find(exports, name);

    if (export) {
        export->seen = true;
        if (export->fault)
            judge(exports, export, path);
        return;
    }
    export = calloc(1, sizeof(*export) + strlen(name) + 1);
    if (!export)
        return;
    strcpy(export->name, name);
    export->seen = true;
    export->next = exports->all;
    exports->all = export;
    judge(exports, export, path);
}

static void look_into(struct exports *exports, const char *folder, size_t root_length, int depth);

static void look_at(struct exports *exports, const char *folder, const char *entry,
                    size_t root_length, int depth)
{
    char path[AGENT_PATH_MAX * 2];
    struct stat status;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry) >= sizeof(path) ||
        lstat(path, &status) < 0)
        return;
    if (S_ISDIR(status.st_mode) && depth < EXPORTS_DEPTH_MAX)
        look_into(exports, path, root_length, depth + 1);
    else if (S_ISSOCK(status.st_mode))
        found_socket(exports, path, path + root_length + 1);
}

static void look_into(struct exports *exports, const char *folder, size_t root_length, int depth)
{
    DIR *entries;
    struct dirent *entry;

    inotify_add_watch(exports->watcher.fd, folder, EXPORTS_WATCH);
    entries = opendir(folder);
    exports->incomplete |= !entries && errno != ENOENT;
    while (entries && (entry = readdir(entries)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            look_at(exports, folder, entry->d_name, root_length, depth);
    if (entries)
        closedir(entries);
}

static void sweep(struct exports *exports)
{
    struct export **at = &exports->all;

    while (*at) {
        struct export *export = *at;

        if (export->seen) {
            at = &export->next;
            continue;
        }
        *at = export->next;
        if (!export->fault) {
            exports->count--;
            peers_export(exports->agent, export->name, false);
        }
        free(export);
    }
}

static void self_folder(const struct agent *agent, char path[AGENT_PATH_MAX + 8])
{
    snprintf(path, AGENT_PATH_MAX + 8, "%s/self", agent->options.run_dir);
}

static void look(struct exports *exports)
{
    char folder[AGENT_PATH_MAX + 8];

    for (struct export *export = exports->all; export; export = export->next)
        export->seen = false;
    exports->incomplete = false;
    self_folder(exports->agent, folder);
    mkdir(folder, 0755); /* again, should somebody have removed it */
    look_into(exports, folder, strlen(folder), 0);
    if (exports->incomplete)
        loop_arm(&exports->agent->loop, &exports->again, EXPORTS_AGAIN_US);
    else
        sweep(exports);
}

static void look_again(struct loop_timer *timer)
{
    look(container_of(timer, struct exports, again));
}

static void watcher_ready(struct loop_source *source, uint32_t events)
{
    char buffer[4096] __attribute__((aligned(8)));

    (void)events;
    while (read(source->fd, buffer, sizeof(buffer)) > 0)
        continue; /* that something changed is enough */
    look(container_of(source, struct exports, watcher));
}

int exports_start(struct agent *agent)
{
    struct exports *exports = calloc(1, sizeof(*exports));

    if (!exports)
        return -ENOMEM;
    agent->exports = exports;
    exports->agent = agent;
    exports->again.expired = look_again;
    exports->watcher.ready = watcher_ready;
    exports->watcher.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (exports->watcher.fd < 0)
        return -errno;
    look(exports);
    if (exports->incomplete)
        return -EACCES;
    return loop_add(&agent->loop, &exports->watcher, EPOLLIN);
}

void exports_stop(struct agent *agent)
{
    struct exports *exports = agent->exports;

    loop_disarm(&agent->loop, &exports->again);
    loop_remove(&agent->loop, &exports->watcher);
    close(exports->watcher.fd);
    while (exports->all) {
        struct export *export = exports->all;

        exports->all = export->next;
        free(export);
    }
    free(exports);
    agent->exports = NULL;
}

int exports_connect(struct agent *agent, const char *name)
{
    const struct export *export = find(agent->exports, name);
    char path[AGENT_PATH_MAX + WIRE_NAME_MAX + 16];

    if (!export || export->fault)
        return -ENOENT;
    snprintf(path, sizeof(path), "%s/self/%s", agent->options.run_dir, name);
    return socket_connect_unix(path);
}

void exports_announce(struct agent *agent, struct link *link)
{
    for (struct export *export = agent->exports->all; export; export = export->next)
        if (!export->fault)
            link_export(link, export->name, true);
    link_exports_synced(link);
}

json_t *exports_describe(const struct agent *agent)
{
    json_t *names = json_array();

    for (struct export *export = agent->exports->all; export; export = export->next)
        if (!export->fault)
            json_array_append_new(names, json_string(export->name));
    return names;
}
