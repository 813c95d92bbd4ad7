/* One connection of a link: proves that both ends know the link's key, then carries its messages.
 *
 *   both   HELLO  versions, ids, incarnation, a fresh challenge
 *   both   AUTH   HMAC(key, own HELLO | peer's HELLO)
 */
#pragma once

#include "link/link.h"
#include "path/tcp.h"

#define SESSION_KEY_SIZE 32u

struct session;

struct session_user {
    /* The link with this peer and its key, or NULL. */
    struct link *(*find)(void *user, uint32_t peer_id, const uint8_t **key);
    /* The key was proven; the session carries the link's messages from here on. */
    void (*up)(void *user, struct session *session, struct link *link);
    /* Last call: the session is gone after it. `link` is NULL if it never came up. */
    void (*ended)(void *user, struct session *session, struct link *link, const char *reason);
};

/* Takes a connected socket. `expected` is the link this side dialled, or NULL if it was called. */
struct session *session_new(struct loop *loop, int fd, uint32_t self_id, const char *name,
                            struct link *expected, const struct session_user *user_ops, void *user);
struct session *session_free(struct session *session);
/* The link it carries or is going to carry, or NULL. */
const struct link *session_link(const struct session *session);
