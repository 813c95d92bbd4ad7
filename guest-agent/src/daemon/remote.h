/* As whom the agent acts when a remote domain wants something of this one: never as root.
 *
 * That is the user `domsock-<domain>` where this machine has one, with the groups it is in, else
 * the one of --remote-user. An agent that is not root itself acts as who it is. */
#pragma once

#include <sys/types.h>

#define USERS_GROUP "domsock" /* may use what another domain lets some do */
#define REMOTE_GROUPS_MAX 32
#define REMOTE_NOBODY 65534u

struct remote_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[REMOTE_GROUPS_MAX];
    int group_count;
};

/* A group of this machine's; -ENOENT: there is none. */
int group_find(const char *name, gid_t *gid);
/* From a number, or a name of this machine's. -ENOENT: there is none; -EPERM: it is root. */
int remote_user_parse(struct remote_user *user, const char *text);
/* The one for a domain. What cannot be looked up now stays as it was. */
void remote_user_find(struct remote_user *user, const char *domain,
                      const struct remote_user *otherwise);

/* Between the two the process has that user's rights, and the kernel tells a server so. 0, or a
 * negative errno: then it does not, and nothing is to be done for the domain. */
int remote_user_enter(const struct remote_user *user);
void remote_user_leave(void);
