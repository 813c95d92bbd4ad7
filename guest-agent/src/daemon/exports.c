/* Sockets are found by looking, when inotify says that something has changed: the folder is the
 * truth, the events only tell when to look. Nothing is connected to for probing: that nobody
 * listens is found out by the first who connects, and then the name is withdrawn. */
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
#include "daemon/offers.h"
#include "daemon/opener.h"

#define EXPORTS_MAX 256u
#define EXPORTS_DEPTH_MAX 8
#define EXPORT_PATH_MAX (AGENT_PATH_MAX + WIRE_NAME_MAX + 16)
#define EXPORTS_WATCH                                                                              \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_ONLYDIR | IN_DONT_FOLLOW)
#define EXPORTS_AGAIN_US 1000000u
#define EXPORTS_HOPE_US 30000000u /* how long a withdrawn name's server may take to listen */
#define UNIX_TYPE_STREAM 1
#define UNIX_LISTENS 0x10000u /* __SO_ACCEPTCON of the kernel */

static const char not_looked_at[] = "nobody has looked at it";
static const char cannot_be_read[] = "the agent's user cannot read that folder";
static const char nobody_listens[] = "nobody listens there";

struct export
{
    struct export *next;
    bool seen;
    bool refused;      /* the last who connected met nobody */
    const char *fault; /* why it is not exported; kept so that it is logged once */
    ino_t inode;       /* which socket it was when it was judged */
    struct timespec changed;
    struct offer *offers;
    char name[];
};

struct exports {
    struct agent *agent;
    struct loop_source watcher;
    struct export *all;
    unsigned count;  /* of those without a fault */
    bool incomplete; /* a folder could not be read: what is in it has not gone */
    bool closed;     /* the agent may not look into any; who opens it again may go unnoticed */
    struct loop_timer again;
    uint64_t hope_until_us;
};

/* The kernel's list of UNIX sockets knows the type, and who listens; 0 and false if the path is
 * not in it, as for a server in another network namespace. */
static unsigned type_of(const char *path, bool *listens)
{
    FILE *list = fopen("/proc/net/unix", "re");
    char line[512], found[256];
    unsigned type = 0, this_type, flags;

    *listens = false;
    while (list && fgets(line, sizeof(line), list)) {
        if (sscanf(line, "%*s %*s %*s %x %x %*s %*s %255s", &flags, &this_type, found) != 3 ||
            strcmp(found, path) != 0)
            continue;
        type = type ? type : this_type;
        *listens |= (flags & UNIX_LISTENS) != 0;
    }
    if (list)
        fclose(list);
    return type;
}

static const char *fault_of(const struct exports *exports, const char *path, const char *name)
{
    const char *fault = export_name_fault(name, strlen(name));
    bool listens;
    unsigned type = fault ? 0 : type_of(path, &listens);

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

static void set_fault(struct exports *exports, struct export *export, const char *fault)
{
    exports->count += export->fault && !fault;
    exports->count -= !export->fault && fault;
    export->fault = fault;
}

static void judge(struct exports *exports, struct export *export, const char *path)
{
    const char *before = export->fault;

    set_fault(exports, export, not_looked_at);
    set_fault(exports, export, fault_of(exports, path, export->name));
    if (export->fault && export->fault != before)
        log_warning("%s is not exported: %s", path, export->fault);
}

/* Anew at every look while there is a fault: another socket may have the name now, or the one that
 * nobody listened at has a server. */
static bool worth_judging(struct export *export, const char *path, const struct stat *status)
{
    bool same = export->inode == status->st_ino &&
                memcmp(&export->changed, &status->st_ctim, sizeof(export->changed)) == 0;
    bool listens;

    export->inode = status->st_ino;
    export->changed = status->st_ctim;
    if (!same || export->fault != nobody_listens)
        return !same || export->fault;
    type_of(path, &listens);
    return listens;
}

static struct export *add(struct exports *exports, const char *name)
{
    struct export *export = calloc(1, sizeof(*export) + strlen(name) + 1);

    if (!export)
        return NULL;
    strcpy(export->name, name);
    export->fault = not_looked_at;
    export->next = exports->all;
    exports->all = export;
    return export;
}

/* NULL: no memory. */
static struct export *see(struct exports *exports, const char *name)
{
    struct export *export = find(exports, name);

    if (!export)
        export = add(exports, name);
    if (export)
        export->seen = true;
    return export;
}

static void offer(struct exports *exports, struct export *export, const char *path)
{
    for (struct peer *peer = exports->agent->peers; peer; peer = peer->next)
        offers_make(&export->offers, peer, export->name, export->fault ? NULL : path, false);
}

static void found_socket(struct exports *exports, const char *path, const char *name,
                         const struct stat *status)
{
    struct export *export = see(exports, name);

    if (!export)
        return;
    if (worth_judging(export, path, status))
        judge(exports, export, path);
    offer(exports, export, path);
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
        found_socket(exports, path, path + root_length + 1, &status);
}

/* A folder that is kept from the agent stands for what is in it. */
static void found_closed(struct exports *exports, const char *folder, size_t root_length)
{
    const char *name = folder[root_length] ? folder + root_length + 1 : ".";
    struct export *export = see(exports, name);

    if (!export)
        return;
    exports->closed |= !folder[root_length];
    if (export->fault != cannot_be_read)
        log_warning("nothing in %s is exported: %s", folder, cannot_be_read);
    set_fault(exports, export, cannot_be_read);
}

static void look_into(struct exports *exports, const char *folder, size_t root_length, int depth)
{
    DIR *entries;
    struct dirent *entry;

    inotify_add_watch(exports->watcher.fd, folder, EXPORTS_WATCH);
    entries = opendir(folder);
    if (!entries && errno == EACCES)
        found_closed(exports, folder, root_length);
    else
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
        set_fault(exports, export, not_looked_at);
        offer(exports, export, NULL);
        offers_free(export->offers);
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
    exports->incomplete = exports->closed = false;
    peers_find_users(exports->agent);
    self_folder(exports->agent, folder);
    mkdir(folder, 0755); /* again, should somebody have removed it */
    look_into(exports, folder, strlen(folder), 0);
    if (!exports->incomplete)
        sweep(exports);
    if (exports->incomplete || exports->closed ||
        exports->agent->loop.now_us < exports->hope_until_us)
        loop_arm(&exports->agent->loop, &exports->again, EXPORTS_AGAIN_US);
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
        offers_free(export->offers);
        free(export);
    }
    free(exports);
    agent->exports = NULL;
}

static void export_path(const struct agent *agent, const struct export *export,
                        char path[EXPORT_PATH_MAX])
{
    snprintf(path, EXPORT_PATH_MAX, "%s/self/%s", agent->options.run_dir, export->name);
}

int exports_connect(const struct peer *peer, const char *name, const char *caller)
{
    struct export *export = find(peer->agent->exports, name);
    int fd;

    if (!export || export->fault)
        return -ENOENT;
    fd = opener_connect(peer, name, caller);
    export->refused = fd == -ECONNREFUSED;
    return fd;
}

void exports_refused(struct agent *agent, const char *name)
{
    struct exports *exports = agent->exports;
    struct export *export = find(exports, name);

    if (!export || !export->refused || export->fault)
        return;
    log_warning("%s is not exported any more: %s", name, nobody_listens);
    set_fault(exports, export, nobody_listens);
    offer(exports, export, NULL);
    exports->hope_until_us = agent->loop.now_us + EXPORTS_HOPE_US;
    loop_arm(&agent->loop, &exports->again, EXPORTS_AGAIN_US);
}

void exports_announce(struct peer *peer)
{
    char path[EXPORT_PATH_MAX];

    for (struct export *export = peer->agent->exports->all; export; export = export->next) {
        export_path(peer->agent, export, path);
        offers_make(&export->offers, peer, export->name, export->fault ? NULL : path, true);
    }
    link_exports_synced(peer->link);
}

json_t *exports_describe(const struct agent *agent)
{
    json_t *names = json_array();

    for (struct export *export = agent->exports->all; export; export = export->next)
        if (!export->fault)
            json_array_append_new(names, json_string(export->name));
    return names;
}

static void describe_withheld(const struct agent *agent, const struct export *export, json_t *list)
{
    if (export->fault) {
        json_array_append_new(list,
                              json_pack("{s:s, s:s}", "name", export->name, "why", export->fault));
        return;
    }
    for (const struct peer *peer = agent->peers; peer; peer = peer->next)
        if (offers_withheld(export->offers, peer->link->peer_id))
            json_array_append_new(list,
                                  json_pack("{s:s, s:s, s:s, s:i}", "name", export->name, "peer",
                                            peer->name, "why", "the user who would connect may not",
                                            "user", (int)peer->as.uid));
}

json_t *exports_describe_withheld(const struct agent *agent)
{
    json_t *list = json_array();

    for (struct export *export = agent->exports->all; export; export = export->next)
        describe_withheld(agent, export, list);
    return list;
}
