#include "link/session.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "link/handshake.h"

#define SESSION_PATIENCE_US 5000000u

struct session {
    struct loop *loop;
    struct tcp *tcp;
    struct link *expected;
    struct link *link;                /* once the peer has said which */
    struct keys *keys;                /* the link's */
    uint8_t chosen[WIRE_KEY_ID_SIZE]; /* which of them */
    const struct session_user *user_ops;
    void *user;
    struct loop_timer patience;
    struct handshake handshake;
    bool relayed;
    bool up;
    const char *refusal;
};

static void send_to_peer(struct session *session, enum wire_type type, const void *bytes,
                         size_t length)
{
    struct wire_header header = {
        .magic = WIRE_MAGIC, .type = (uint8_t)type, .length = (uint32_t)length};
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};

    session->tcp->carrier.ops->send(&session->tcp->carrier, &header, &piece, 1);
    session->tcp->carrier.ops->flush(&session->tcp->carrier);
}

static void name_keys(struct session *session)
{
    keys_ids(session->keys, session->handshake.mine.body.key_ids);
}

static void say_hello(struct session *session, uint32_t peer_id, uint64_t incarnation)
{
    struct wire_hello *mine = &session->handshake.mine.body;

    mine->peer_id = peer_id;
    mine->incarnation = incarnation;
    send_to_peer(session, WIRE_HELLO, mine, sizeof(*mine));
}

static int refuse(struct session *session, const char *why)
{
    session->refusal = why;
    return -EPROTO;
}

static const char *hello_fault(const struct session *session)
{
    const struct wire_hello *mine = &session->handshake.mine.body;
    const struct wire_hello *theirs = &session->handshake.theirs.body;

    if (theirs->version_min > WIRE_VERSION || theirs->version_max < WIRE_VERSION)
        return "the peer speaks no version of the protocol that this agent speaks";
    if (session->handshake.theirs.header.length != sizeof(*theirs))
        return "the peer's HELLO has a wrong length";
    if (theirs->abi_version != REGION_ABI_VERSION)
        return "the peer uses another version of the region ABI";
    if (theirs->id == mine->id)
        return "the peer has this domain's id";
    if (session->expected && session->expected->peer_id != theirs->id)
        return "another domain answered";
    if (theirs->peer_id != mine->id && theirs->peer_id)
        return "the peer meant another domain";
    return NULL;
}

/* Of those that both HELLOs name. */
static int choose_key(struct session *session)
{
    const struct wire_hello *mine = &session->handshake.mine.body;
    const struct wire_hello *theirs = &session->handshake.theirs.body;
    bool lower = mine->id < theirs->id;
    const uint8_t *id = lower ? keys_common(mine->key_ids, theirs->key_ids)
                              : keys_common(theirs->key_ids, mine->key_ids);

    if (!id)
        return refuse(session, "the peer does not know the link's key");
    memcpy(session->chosen, id, sizeof(session->chosen));
    return 0;
}

static int seal(struct session *session)
{
    const uint8_t *key = keys_offer(session->keys, session->chosen);
    struct handshake_keys keys;

    if (!key)
        return refuse(session, "the link has another key by now");
    if (handshake_finish(&session->handshake, key, &keys))
        return refuse(session, "the peer's HELLO has no X25519 key");
    tcp_seal(session->tcp, keys.mine, keys.theirs);
    sodium_memzero(&keys, sizeof(keys));
    send_to_peer(session, WIRE_AUTH, NULL, 0);
    return 0;
}

/* Nobody is answered who does not even say that he knows a key. */
static int answer_hello(struct session *session)
{
    int error;

    if (!session->expected)
        name_keys(session);
    error = choose_key(session);
    if (error)
        return error;
    if (!session->expected)
        say_hello(session, session->link->peer_id, session->link->incarnation);
    return seal(session);
}

static int on_hello(struct session *session, const struct wire_header *header,
                    const uint8_t *payload)
{
    struct handshake_hello *theirs = &session->handshake.theirs;
    const char *fault;

    theirs->header = *header;
    memcpy(&theirs->body, payload,
           header->length < sizeof(theirs->body) ? header->length : sizeof(theirs->body));
    fault = hello_fault(session);
    if (fault)
        return refuse(session, fault);
    session->link = session->user_ops->find(session->user, theirs->body.id, &session->keys);
    if (!session->link)
        return refuse(session, "there is no link to that domain here");
    return answer_hello(session);
}

/* That it came so far is the proof. */
static int on_auth(struct session *session)
{
    if (!keys_prove(session->keys, session->chosen))
        return refuse(session, "a newer key has been proven meanwhile");
    loop_disarm(session->loop, &session->patience);
    session->up = true;
    session->user_ops->up(session->user, session, session->link);
    link_up(session->link, &session->tcp->carrier, session->handshake.theirs.body.incarnation);
    return 0;
}

static int message(void *user, const struct wire_header *header, const uint8_t *payload)
{
    struct session *session = user;

    if (session->up)
        return link_message(session->link, header, payload);
    if (header->type == WIRE_HELLO && !session->link)
        return on_hello(session, header, payload);
    if (header->type == WIRE_AUTH && session->link)
        return on_auth(session);
    return refuse(session, "the peer spoke out of turn");
}

static void finish(struct session *session, const char *reason)
{
    struct link *link = session->up ? session->link : NULL;

    if (link)
        link_down(link);
    session->user_ops->ended(session->user, session, link,
                             session->refusal ? session->refusal : reason);
}

static void ended(void *user, const char *reason)
{
    finish(user, reason);
}

static void patience_over(struct loop_timer *timer)
{
    finish(container_of(timer, struct session, patience), "the peer did not prove itself in time");
}

static const struct carrier_user session_carrier_user = {.message = message, .ended = ended};

static void introduce(struct handshake *handshake, uint32_t id, const char *name)
{
    struct wire_hello *mine = &handshake->mine.body;

    handshake_begin(handshake);
    mine->version_min = mine->version_max = WIRE_VERSION;
    mine->abi_version = REGION_ABI_VERSION;
    mine->id = id;
    snprintf(mine->name, sizeof(mine->name), "%s", name);
}

struct session *session_new(struct loop *loop, int fd, bool relayed, uint32_t self_id,
                            const char *name, struct link *expected,
                            const struct session_user *user_ops, void *user)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    *session = (struct session){.loop = loop,
                                .relayed = relayed,
                                .expected = expected,
                                .user_ops = user_ops,
                                .user = user,
                                .patience.expired = patience_over};
    introduce(&session->handshake, self_id, name);
    session->tcp = tcp_new(loop, fd, &session_carrier_user, session);
    if (!session->tcp) {
        free(session);
        return NULL;
    }
    loop_arm(loop, &session->patience, SESSION_PATIENCE_US);
    if (expected && user_ops->find(user, expected->peer_id, &session->keys)) {
        name_keys(session);
        say_hello(session, expected->peer_id, expected->incarnation);
    }
    return session;
}

struct session *session_free(struct session *session)
{
    if (!session)
        return NULL;
    loop_disarm(session->loop, &session->patience);
    tcp_free(session->tcp);
    sodium_memzero(session, sizeof(*session));
    free(session);
    return NULL;
}

const struct link *session_link(const struct session *session)
{
    return session->link ? session->link : session->expected;
}

const struct link *session_dialled(const struct session *session)
{
    return session->expected;
}

bool session_heard(const struct session *session)
{
    return session->link != NULL;
}

bool session_relayed(const struct session *session)
{
    return session->relayed;
}

void session_set_patience(struct session *session, uint32_t ms)
{
    tcp_set_patience(session->tcp, ms);
}
