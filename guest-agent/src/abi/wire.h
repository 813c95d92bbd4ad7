/* The messages two agents exchange over their TCP connection, byte for byte. docs/protocol.md
 * says who may send what when; this header says how it looks. Little endian throughout. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/region.h"

#define WIRE_MAGIC 0x5344u /* "DS" */
#define WIRE_VERSION 5u
#define WIRE_PAYLOAD_MAX 65536u
#define WIRE_NAME_MAX 90u
#define WIRE_DOMAIN_NAME_MAX 31u
#define WIRE_REASON_MAX 96u
#define WIRE_KEY_SIZE 32u
#define WIRE_KEY_ID_SIZE 16u
#define WIRE_KEYS 4u /* that a side may know at a time */
#define WIRE_STREAMS_MAX 1024u

enum wire_type {
    WIRE_HELLO = 1,
    WIRE_AUTH = 2,
    WIRE_RESYNC = 3,
    WIRE_EXPORT = 4,
    WIRE_UNEXPORT = 5,
    WIRE_EXPORTS_SYNCED = 6,
    WIRE_KICK = 7,
    WIRE_OPEN = 16,
    WIRE_OPENED = 17,
    WIRE_DATA = 18,
    WIRE_ACK = 19,
    WIRE_FIN = 20,
    WIRE_RST = 21,
    WIRE_CLOSED = 22,
    WIRE_PREPARE = 32,
    WIRE_PREPARED = 33,
    WIRE_FENCE = 34,
    WIRE_DRAINED = 35,
    WIRE_COMMIT = 36,
    WIRE_RELEASE = 37,
    WIRE_ABORT = 38,
};

/* wire_header.flags */
#define WIRE_ACK_FIN 1u      /* ACK: the program has been told of the end of the stream too */
#define WIRE_EXPORT_ALL 1u   /* EXPORT: every user of its domain may connect there */
#define WIRE_FIN_CLOSED 1u   /* FIN: its program does not read any more, either */
#define WIRE_OPEN_PORT 1u    /* OPEN: to a port; no name follows */
#define WIRE_OPEN_PACKETS 2u /* OPEN: the stream carries messages (link/packets.h) */
/* RST: the errno that says why, 0 if there is none */

enum wire_path { WIRE_PATH_TCP = 0, WIRE_PATH_SHM = 1 };

struct wire_header {
    uint16_t magic;
    uint8_t type;
    uint8_t flags;
    uint32_t length; /* of the payload */
    uint32_t stream; /* 0 where the message is about the link */
    uint32_t epoch;  /* of the handover the message belongs to, else of the link */
    /* DATA: first byte; ACK: delivered up to; FIN, RST: sent up to. KICK, OPEN, OPENED, PREPARE,
     * PREPARED, FENCE: the sender's heartbeat in the region; 0: it says nothing about one. */
    uint64_t offset;
    uint64_t number; /* of the messages before this one on the same connection, this way */
};

struct wire_hello {
    uint16_t version_min;
    uint16_t version_max;
    uint32_t abi_version;
    uint32_t id;
    uint32_t peer_id;
    uint64_t incarnation;
    uint8_t ephemeral[WIRE_KEY_SIZE];             /* X25519, of this connection only */
    uint8_t key_ids[WIRE_KEYS][WIRE_KEY_ID_SIZE]; /* of the keys it knows, the newest first */
    char name[WIRE_DOMAIN_NAME_MAX + 1];
};

/* Behind the HELLOs everything travels in records: so many bytes, which are whole messages,
 * enciphered; and behind them the tag. */
struct wire_record {
    uint32_t length;
};

#define WIRE_RECORD_MAX (WIRE_PAYLOAD_MAX + (uint32_t)sizeof(struct wire_header))
#define WIRE_TAG_SIZE 16u

/* HELD: it has ended here, and a program may still touch its rings. */
enum wire_stream_life { WIRE_STREAM_OPEN = 0, WIRE_STREAM_OPENING = 1, WIRE_STREAM_HELD = 2 };

/* RESYNC: an array of these. */
struct wire_stream_state {
    uint32_t stream;
    uint32_t life; /* an enum wire_stream_life */
    uint64_t received;
    uint64_t delivered;
};

/* OPEN (the export's name follows, or with WIRE_OPEN_PORT nothing) and OPENED. Rings of 0: the
 * stream travels by tcp. */
struct wire_open {
    uint32_t window;
    uint32_t port;        /* with WIRE_OPEN_PORT */
    uint32_t caller_port; /* the opener's; likewise */
    uint32_t caller_user; /* the id of the opener's user in its domain, plus one; 0: not said */
    uint64_t ring[2];     /* [0] carries lower to higher domain id, [1] the other way */
};

struct wire_slot {
    uint32_t stream;
    uint32_t size;
    uint64_t ring[2];
};

/* PREPARE (slots follow if the sender has the lower id; else they follow in PREPARED). */
struct wire_prepare {
    uint32_t to;
    uint32_t deadline_ms;
    uint8_t nonce[REGION_NONCE_SIZE];
};

/* FENCE: an array of these. ABORT: a reason, then an array of these. */
struct wire_mark {
    uint32_t stream;
    uint32_t reserved;
    uint64_t offset;
};

#define WIRE_STATES_MAX (WIRE_PAYLOAD_MAX / (uint32_t)sizeof(struct wire_stream_state))

#define AT(type, field, where) _Static_assert(offsetof(type, field) == (where), #type "." #field)
AT(struct wire_header, magic, 0);
AT(struct wire_header, type, 2);
AT(struct wire_header, flags, 3);
AT(struct wire_header, length, 4);
AT(struct wire_header, stream, 8);
AT(struct wire_header, epoch, 12);
AT(struct wire_header, offset, 16);
AT(struct wire_header, number, 24);
AT(struct wire_hello, abi_version, 4);
AT(struct wire_hello, id, 8);
AT(struct wire_hello, peer_id, 12);
AT(struct wire_hello, incarnation, 16);
AT(struct wire_hello, ephemeral, 24);
AT(struct wire_hello, key_ids, 56);
AT(struct wire_hello, name, 120);
AT(struct wire_stream_state, received, 8);
AT(struct wire_stream_state, delivered, 16);
AT(struct wire_open, ring, 16);
AT(struct wire_slot, size, 4);
AT(struct wire_slot, ring, 8);
AT(struct wire_prepare, deadline_ms, 4);
AT(struct wire_prepare, nonce, 8);
AT(struct wire_mark, offset, 8);
#undef AT
_Static_assert(sizeof(struct wire_header) == 32, "struct wire_header");
_Static_assert(sizeof(struct wire_hello) == 152, "struct wire_hello");
_Static_assert(sizeof(struct wire_record) == 4, "struct wire_record");
_Static_assert(sizeof(struct wire_stream_state) == 24, "struct wire_stream_state");
_Static_assert(sizeof(struct wire_open) == 32, "struct wire_open");
_Static_assert(sizeof(struct wire_slot) == 24, "struct wire_slot");
_Static_assert(sizeof(struct wire_prepare) == 24, "struct wire_prepare");
_Static_assert(sizeof(struct wire_mark) == 16, "struct wire_mark");
_Static_assert(WIRE_STREAMS_MAX * sizeof(struct wire_slot) + sizeof(struct wire_prepare) <=
                   WIRE_PAYLOAD_MAX,
               "a full link's slots must fit one PREPARE");
