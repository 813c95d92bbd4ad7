/* Shared by the files that make up a link; nobody else includes it. */
#pragma once

#include "link/link.h"

#define LINK_RETRY_US 5000u
#define LINK_DEADLINE_MAX_MS 600000u

struct stream *link_add_stream(struct link *link, uint32_t id, uint32_t window, const char *name,
                               size_t name_length);
void link_reap(struct link *link); /* removes the dead */
/* Ends a stream with an error, here and at the peer. */
void link_reset(struct link *link, struct stream *stream, const char *reason);
void link_peer_forgot(struct link *link, struct stream *stream);
void link_close(struct link *link, struct stream *stream);
/* A new life towards the peer, which on the next connection forgets the old one too. */
void link_begin_anew(struct link *link);
void link_drop_slots(struct link *link);

/* Slots of streams that are gone: link/zombies.c. */
void link_keep_slot(struct link *link, const struct stream *stream);
/* Nobody at the peer can touch the stream's rings any more. */
void link_bury(struct link *link, uint32_t id);
/* The same word of this side's, if it can be given. */
void link_say_closed(struct link *link, uint32_t id);
bool link_is_held(const struct link *link, uint32_t id); /* a program of this side's lingers */
void link_look_for_lingerers(struct link *link);
void link_drop_zombies(struct link *link);
bool link_region_held(struct link *link); /* a program of this side's lingers in it */

void link_send(struct link *link, enum wire_type type, uint32_t stream, uint64_t offset,
               const void *payload, size_t length);
void link_send_pieces(struct link *link, enum wire_type type, uint64_t offset,
                      const struct iovec *pieces, int count);
/* Fills in the rest of the header. */
void link_send_message(struct link *link, struct wire_header header, const struct iovec *pieces,
                       int count);

/* Sends OPEN and OPENED where they waited. */
void link_advance_opens(struct link *link);

/* OPENED, said for the first time or again. */
void link_confirm_open(struct link *link, const struct stream *stream);

void resync_send(struct link *link);

void link_handover_step(struct link *link, struct handover_event event);
void link_arm_deadline(struct link *link, uint32_t deadline_ms);
/* Slots for all streams, if this side gives them out; to be sent. */
struct iovec link_offer_slots(struct link *link);
/* Of a handover to shm: one to tcp has none. */
int link_take_slots(struct link *link, enum wire_path to, const uint8_t *bytes, size_t length);
void link_attach_rings(struct link *link);
/* Every stream with a slot sends on `to` from here on; the marks say from which offset. */
struct iovec link_switch_all(struct link *link, enum wire_path to);
int link_obey_marks(struct link *link, const uint8_t *bytes, size_t length, enum wire_path to);
void link_handover_begin(struct link *link); /* if one is wanted and can start */
/* How much of a stream goes at a time, so that none waits long for its turn. */
uint32_t link_piece(const struct link *link);

/* What this side says of the region in a message's `offset`: after all that it has written there.
 */
uint64_t link_beat(struct link *link);
/* Whether this side's view shows what the peer has said. */
bool link_shows(const struct link *link, uint64_t said);
/* The region is lost if the view does not show what the peer's message says. */
void link_compare(struct link *link, const struct wire_header *header);
void link_await_heartbeat(struct link *link);       /* a region is new to this side */
uint64_t link_watch_limit(const struct link *link); /* for how long nobody needs to look */

/* Message handlers; nonzero: the protocol is broken. */
int on_open(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_opened(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_data(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_ack(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_fin(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_rst(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_closed(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_resync(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_prepare(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_prepared(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_fence(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_drained(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_commit(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_release(struct link *link, const struct wire_header *header, const uint8_t *payload);
int on_abort(struct link *link, const struct wire_header *header, const uint8_t *payload);
