#include "daemon/imports.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/socket.h"

#define IMPORTS_MAX 256u
#define ACCEPTS_PER_TURN 16
#define FOLDERS_OPEN_MAX 8

struct import {
    struct import *next;
    struct peer *peer;
    struct loop_source source;
    bool waiting; /* connections may be in the backlog */
    bool marked;
    char name[WIRE_NAME_MAX + 1];
};

static int import_path(const struct peer *peer, const char *name, char path[AGENT_PATH_MAX])
{
    int length =
        snprintf(path, AGENT_PATH_MAX, "%s/%s/%s", peer->agent->options.run_dir, peer->name, name);

    return length < AGENT_PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Makes RUN_DIR/<peer> and the folders of the name. */
static int make_folders(const struct peer *peer, char *path)
{
    size_t start = strlen(peer->agent->options.run_dir) + 1;

    for (char *slash = strchr(path + start, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return -errno;
        *slash = '/';
    }
    return 0;
}

/* The folders that have become empty go with the socket. */
static void remove_path(const struct peer *peer, char *path)
{
    size_t start = strlen(peer->agent->options.run_dir) + 1;
    char *slash;

    unlink(path);
    while ((slash = strrchr(path + start, '/'))) {
        *slash = '\0';
        if (rmdir(path) < 0)
            return;
    }
}

static void import_ready(struct loop_source *source, uint32_t events)
{
    (void)events;
    container_of(source, struct import, source)->waiting = true;
}

static struct import *find(const struct peer *peer, const char *name)
{
    struct import *import = peer->imports;

    while (import && strcmp(import->name, name) != 0)
        import = import->next;
    return import;
}

static unsigned count(const struct peer *peer)
{
    unsigned total = 0;

    for (struct import *import = peer->imports; import; import = import->next)
        total++;
    return total;
}

/* What the server lets everybody of its domain do, everybody of this one may. What it lets some do
 * only the members of a group here may, or only root where there is no such group. */
static void open_to(const char *path, bool all)
{
    gid_t group = getegid();

    if (!all && group_find(USERS_GROUP, &group) == 0 && chown(path, (uid_t)-1, group) < 0)
        log_warning("%s cannot be given to the group " USERS_GROUP ": %s", path, strerror(errno));
    chmod(path, all ? 0666 : 0660);
}

static int listen_at(const struct peer *peer, const char *name, bool all)
{
    char path[AGENT_PATH_MAX];
    int error = import_path(peer, name, path), fd;

    if (!error)
        error = make_folders(peer, path);
    if (error)
        return error;
    fd = socket_listen_unix(path, 0600);
    if (fd >= 0)
        open_to(path, all);
    return fd;
}

static void said_again(const struct import *import, bool all)
{
    char path[AGENT_PATH_MAX];

    if (import_path(import->peer, import->name, path) == 0)
        open_to(path, all);
}

void imports_add(struct peer *peer, const char *name, bool all)
{
    struct import *import = find(peer, name);
    int fd;

    if (import) {
        import->marked = true;
        said_again(import, all);
        return;
    }
    fd = count(peer) < IMPORTS_MAX ? listen_at(peer, name, all) : -ENOSPC;
    import = fd < 0 ? NULL : calloc(1, sizeof(*import));
    if (!import) {
        log_warning("%s's export %s does not appear here: %s", peer->name, name,
                    strerror(fd < 0 ? -fd : ENOMEM));
        if (fd >= 0)
            close(fd);
        return;
    }
    *import = (struct import){.next = peer->imports,
                              .peer = peer,
                              .source = {.fd = fd, .ready = import_ready},
                              .marked = true};
    strcpy(import->name, name);
    peer->imports = import;
    loop_add(&peer->agent->loop, &import->source, EPOLLIN | EPOLLET);
}

static void remove_import(struct peer *peer, struct import *import)
{
    struct import **at = &peer->imports;
    char path[AGENT_PATH_MAX];

    while (*at != import)
        at = &(*at)->next;
    *at = import->next;
    loop_remove(&peer->agent->loop, &import->source);
    close(import->source.fd);
    if (import_path(peer, import->name, path) == 0)
        remove_path(peer, path);
    free(import);
}

void imports_remove(struct peer *peer, const char *name)
{
    struct import *import = find(peer, name);

    if (import)
        remove_import(peer, import);
}

void imports_remove_all(struct peer *peer)
{
    while (peer->imports)
        remove_import(peer, peer->imports);
}

static int remove_left_over(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)at;
    if (S_ISSOCK(status->st_mode))
        unlink(path);
    else if (type == FTW_DP)
        rmdir(path);
    return 0;
}

void imports_clear(const struct peer *peer)
{
    char path[AGENT_PATH_MAX];

    if (import_path(peer, "", path) == 0)
        nftw(path, remove_left_over, FOLDERS_OPEN_MAX, FTW_DEPTH | FTW_PHYS);
}

void imports_mark(struct peer *peer)
{
    for (struct import *import = peer->imports; import; import = import->next)
        import->marked = false;
}

void imports_sweep(struct peer *peer)
{
    struct import *next;

    for (struct import *import = peer->imports; import; import = next) {
        next = import->next;
        if (!import->marked)
            remove_import(peer, import);
    }
}

static uint32_t user_behind(int fd)
{
    struct ucred who;
    socklen_t size = sizeof(who);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0 ? STREAM_NO_USER : who.uid;
}

/* While the link takes no streams, or is full of them, connections wait in the backlog. */
static bool accept_some(struct import *import)
{
    struct link *link = import->peer->link;

    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd;

        if (!link_may_open(link) || link->count >= WIRE_STREAMS_MAX)
            return false;
        fd = accept4(import->source.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            import->waiting = errno != EAGAIN;
            return false;
        }
        link_open(link, fd, import->name, user_behind(fd));
    }
    return true;
}

bool imports_accept(struct peer *peer)
{
    bool more = false;

    for (struct import *import = peer->imports; import; import = import->next)
        if (import->waiting)
            more |= accept_some(import);
    return more;
}

json_t *imports_describe(const struct peer *peer)
{
    json_t *names = json_array();

    for (struct import *import = peer->imports; import; import = import->next)
        json_array_append_new(names, json_string(import->name));
    return names;
}
