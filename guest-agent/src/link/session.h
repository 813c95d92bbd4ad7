/* One connection of a link: proves that both ends know the link's key, then carries its messages,
 * sealed.
 *
 *   both   HELLO  versions, ids, incarnation, an X25519 key, which of the link's keys it knows
 *   both   AUTH   sealed: who can say it knows the link's key (link/handshake.h)
 */
#pragma once

#include "link/keys.h"
#include "link/link.h"
#include "path/tcp.h"

struct session;

struct session_user {
    /* The link with this peer and its keys, or NULL. */
    struct link *(*find)(void *user, uint32_t peer_id, struct keys **keys);
    /* The key was proven; the session carries the link's messages from here on. */
    void (*up)(void *user, struct session *session, struct link *link);
    /* Last call: the session is gone after it. `link` is NULL if it never came up. */
    void (*ended)(void *user, struct session *session, struct link *link, const char *reason);
};

/* Takes a connected socket, whose bytes may be relayed by hosts. `expected` is the link this side
 * dialled, or NULL if it was called. */
struct session *session_new(struct loop *loop, int fd, bool relayed, uint32_t self_id,
                            const char *name, struct link *expected,
                            const struct session_user *user_ops, void *user);
struct session *session_free(struct session *session);
/* The link it carries or is going to carry, or NULL. */
const struct link *session_link(const struct session *session);
/* The link for which this side dialled, or NULL. */
const struct link *session_dialled(const struct session *session);
bool session_heard(const struct session *session); /* the peer, saying who it is */
bool session_relayed(const struct session *session);
/* How long the peer's machine may leave bytes unacknowledged; 0: the usual. */
void session_set_patience(struct session *session, uint32_t ms);
