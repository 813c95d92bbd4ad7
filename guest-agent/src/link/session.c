#include "link/session.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define SESSION_PATIENCE_US 5000000u
#define SESSION_CONTEXT "domsock link 1"

_Static_assert(SESSION_KEY_SIZE == crypto_auth_KEYBYTES, "the key is crypto_auth's");
_Static_assert(WIRE_MAC_SIZE == crypto_auth_BYTES, "the code is crypto_auth's");

struct session {
    struct loop *loop;
    struct tcp *tcp;
    struct link *expected;
    struct link *link; /* once the peer has said which */
    const uint8_t *key;
    const struct session_user *user_ops;
    void *user;
    struct loop_timer patience;
    struct wire_hello mine;
    struct wire_hello theirs;
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

static void say_hello(struct session *session, uint32_t peer_id, uint64_t incarnation)
{
    session->mine.peer_id = peer_id;
    session->mine.incarnation = incarnation;
    send_to_peer(session, WIRE_HELLO, &session->mine, sizeof(session->mine));
}

/* The HELLO of the side that proves itself comes first: a code cannot be sent back as the answer.
 */
static void prove(const struct session *session, const struct wire_hello *prover,
                  const struct wire_hello *verifier, uint8_t mac[WIRE_MAC_SIZE])
{
    uint8_t text[sizeof(SESSION_CONTEXT) + 2 * sizeof(struct wire_hello)];
    uint8_t *at = text;

    memcpy(at, SESSION_CONTEXT, sizeof(SESSION_CONTEXT));
    at += sizeof(SESSION_CONTEXT);
    memcpy(at, prover, sizeof(*prover));
    at += sizeof(*prover);
    memcpy(at, verifier, sizeof(*verifier));
    crypto_auth(mac, text, sizeof(text), session->key);
}

static int refuse(struct session *session, const char *why)
{
    session->refusal = why;
    return -EPROTO;
}

static const char *hello_fault(const struct session *session)
{
    const struct wire_hello *theirs = &session->theirs;

    if (theirs->version_min > WIRE_VERSION || theirs->version_max < WIRE_VERSION)
        return "the peer speaks no version of the protocol that this agent speaks";
    if (theirs->abi_version != REGION_ABI_VERSION)
        return "the peer uses another version of the region ABI";
    if (theirs->id == session->mine.id)
        return "the peer has this domain's id";
    if (session->expected && session->expected->peer_id != theirs->id)
        return "another domain answered";
    if (theirs->peer_id != session->mine.id && theirs->peer_id)
        return "the peer meant another domain";
    return NULL;
}

static int on_hello(struct session *session, const struct wire_header *header,
                    const uint8_t *payload)
{
    uint8_t mac[WIRE_MAC_SIZE];
    const char *fault;

    if (header->length != sizeof(session->theirs))
        return refuse(session, "the peer's HELLO has a wrong length");
    memcpy(&session->theirs, payload, sizeof(session->theirs));
    fault = hello_fault(session);
    if (fault)
        return refuse(session, fault);
    session->link = session->user_ops->find(session->user, session->theirs.id, &session->key);
    if (!session->link)
        return refuse(session, "there is no link to that domain here");
    if (!session->expected)
        say_hello(session, session->theirs.id, session->link->incarnation);
    prove(session, &session->mine, &session->theirs, mac);
    send_to_peer(session, WIRE_AUTH, mac, sizeof(mac));
    return 0;
}

static int on_auth(struct session *session, const struct wire_header *header,
                   const uint8_t *payload)
{
    uint8_t expected[WIRE_MAC_SIZE];

    if (header->length != sizeof(expected))
        return refuse(session, "the peer's AUTH has a wrong length");
    prove(session, &session->theirs, &session->mine, expected);
    if (sodium_memcmp(expected, payload, sizeof(expected)) != 0)
        return refuse(session, "the peer does not know the link's key");
    loop_disarm(session->loop, &session->patience);
    session->up = true;
    session->user_ops->up(session->user, session, session->link);
    link_up(session->link, &session->tcp->carrier, session->theirs.incarnation);
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
        return on_auth(session, header, payload);
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

struct session *session_new(struct loop *loop, int fd, uint32_t self_id, const char *name,
                            struct link *expected, const struct session_user *user_ops, void *user)
{
    struct session *session = calloc(1, sizeof(*session));

    if (!session)
        return NULL;
    *session = (struct session){.loop = loop,
                                .expected = expected,
                                .user_ops = user_ops,
                                .user = user,
                                .patience.expired = patience_over,
                                .mine = {.version_min = WIRE_VERSION,
                                         .version_max = WIRE_VERSION,
                                         .abi_version = REGION_ABI_VERSION,
                                         .id = self_id}};
    snprintf(session->mine.name, sizeof(session->mine.name), "%s", name);
    randombytes_buf(session->mine.challenge, sizeof(session->mine.challenge));
    session->tcp = tcp_new(loop, fd, &session_carrier_user, session);
    if (!session->tcp) {
        free(session);
        return NULL;
    }
    loop_arm(loop, &session->patience, SESSION_PATIENCE_US);
    if (expected)
        say_hello(session, expected->peer_id, expected->incarnation);
    return session;
}

struct session *session_free(struct session *session)
{
    if (!session)
        return NULL;
    loop_disarm(session->loop, &session->patience);
    tcp_free(session->tcp);
    free(session);
    return NULL;
}

const struct link *session_link(const struct session *session)
{
    return session->link ? session->link : session->expected;
}
