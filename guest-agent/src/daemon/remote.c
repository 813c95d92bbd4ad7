#include "daemon/remote.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define USERS "/etc/passwd"
#define GROUPS "/etc/group"
#define USER_OF_DOMAIN "domsock-%s"

/* ---- who it is ---- */

static bool is_member(const struct group *group, const char *name)
{
    for (char **member = group->gr_mem; *member; member++)
        if (strcmp(*member, name) == 0)
            return true;
    return false;
}

static void add_groups(struct remote_user *user, const char *name)
{
    FILE *groups = fopen(GROUPS, "re");
    struct group *group;

    while (groups && user->group_count < REMOTE_GROUPS_MAX && (group = fgetgrent(groups)))
        if (is_member(group, name))
            user->groups[user->group_count++] = group->gr_gid;
    if (groups)
        fclose(groups);
}

int group_find(const char *name, gid_t *gid)
{
    FILE *groups = fopen(GROUPS, "re");
    struct group *group;
    int error = groups ? -ENOENT : -errno;

    while (groups && error && (group = fgetgrent(groups))) {
        if (strcmp(group->gr_name, name) != 0)
            continue;
        error = 0;
        *gid = group->gr_gid;
    }
    if (groups)
        fclose(groups);
    return error;
}

/* By the files: what else knows of users (NSS) would have to be loaded into a static program. */
static int find_named(struct remote_user *user, const char *name)
{
    FILE *users = fopen(USERS, "re");
    struct passwd *entry;
    int error = users ? -ENOENT : -errno;

    while (users && error && (entry = fgetpwent(users))) {
        if (strcmp(entry->pw_name, name) != 0)
            continue;
        error = 0;
        *user = (struct remote_user){.uid = entry->pw_uid, .gid = entry->pw_gid};
    }
    if (users)
        fclose(users);
    if (!error)
        add_groups(user, name);
    return error;
}

int remote_user_parse(struct remote_user *user, const char *text)
{
    char *end;
    unsigned long number;
    int error = 0;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (!errno && end != text && !*end && text[0] != '-' && number < UINT32_MAX)
        *user = (struct remote_user){.uid = (uid_t)number, .gid = (gid_t)number};
    else
        error = find_named(user, text);
    return !error && user->uid == 0 ? -EPERM : error;
}

void remote_user_find(struct remote_user *user, const char *domain,
                      const struct remote_user *otherwise)
{
    struct remote_user found;
    char name[64];
    int error;

    snprintf(name, sizeof(name), USER_OF_DOMAIN, domain);
    error = find_named(&found, name);
    if (!error && found.uid)
        *user = found;
    else if (!error || error == -ENOENT)
        *user = *otherwise;
}

/* ---- being it ---- */

/* The real user id stays root's all the time: so nobody else may send signals to the agent, and it
 * finds back. */
static bool privileged(void)
{
    return getuid() == 0;
}

int remote_user_enter(const struct remote_user *user)
{
    int error;

    if (!privileged())
        return 0;
    if (user->uid && setgroups((size_t)user->group_count, user->groups) == 0 &&
        setegid(user->gid) == 0 && seteuid(user->uid) == 0)
        return 0;
    error = user->uid ? -errno : -EPERM;
    log_error("cannot act as user %u for a remote domain: %s", user->uid, strerror(-error));
    remote_user_leave();
    return error;
}

void remote_user_leave(void)
{
    if (!privileged())
        return;
    if (seteuid(0) == 0 && setegid(getgid()) == 0)
        return; /* groups add nothing to root */
    log_error("cannot be root again: %s", strerror(errno));
    abort();
}
