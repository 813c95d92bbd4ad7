/* The frames that carry links' connections through hosts, byte for byte: on a guest's virtio-serial
 * port and between two hosts. docs/protocol.md, "Relay", says who may send what when; this header
 * says how it looks. Little endian throughout. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RELAY_MAGIC 0x59525344u /* "DSRY" */
#define RELAY_PAYLOAD_MAX 16384u
#define RELAY_WINDOW 131072u    /* of a channel's DATA, headers and all, on the way, each way */
#define RELAY_CREDIT_MIN 16384u /* less is not given back at a time */
#define RELAY_CHANNELS_MAX 64u  /* of one domain */
#define RELAY_HOST_CHANNELS_MAX 1024u
#define RELAY_CHALLENGE_SIZE 32u
#define RELAY_MAC_SIZE 32u
#define RELAY_SUM_KEY_SIZE 16u

enum relay_kind {
    RELAY_HELLO = 1, /* a port's end has been opened; `channel` is its nonce */
    RELAY_OPEN = 2,
    RELAY_DATA = 3,
    RELAY_CREDIT = 4, /* `amount` more may come */
    RELAY_CLOSE = 5,
    RELAY_PROBE = 6,  /* are you there? `amount` 1: yes */
    RELAY_TRUNK = 16, /* between hosts, first: struct relay_trunk */
    RELAY_PROOF = 17, /* then: an HMAC */
};

struct relay_frame {
    uint32_t magic;
    uint32_t kind;
    uint32_t length; /* of the payload */
    uint32_t source; /* domain ids */
    uint32_t target;
    uint32_t amount;
    uint64_t channel;  /* random, from who opens it; one channel is (both domains, this number) */
    uint64_t opening;  /* the nonce of the opening at the other end; between hosts 0 */
    uint64_t body_sum; /* SipHash-2-4 of the payload */
    uint64_t head_sum; /* SipHash-2-4 of all of the above */
};

struct relay_trunk {
    uint32_t host; /* the domain id of who says this */
    uint32_t other;
    uint8_t challenge[RELAY_CHALLENGE_SIZE];
};

#define AT(type, field, where) _Static_assert(offsetof(type, field) == (where), #type "." #field)
AT(struct relay_frame, kind, 4);
AT(struct relay_frame, length, 8);
AT(struct relay_frame, source, 12);
AT(struct relay_frame, target, 16);
AT(struct relay_frame, amount, 20);
AT(struct relay_frame, channel, 24);
AT(struct relay_frame, opening, 32);
AT(struct relay_frame, body_sum, 40);
AT(struct relay_frame, head_sum, 48);
AT(struct relay_trunk, challenge, 8);
#undef AT
_Static_assert(sizeof(struct relay_frame) == 56, "struct relay_frame");
_Static_assert(sizeof(struct relay_trunk) == 40, "struct relay_trunk");
