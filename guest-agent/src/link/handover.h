/* The handover of a link from one path to another, as a pure state machine.
 *
 * One side initiates, the other responds; when both initiate at once the lower domain id wins.
 *
 *   initiator                                responder
 *   IDLE      -- PREPARE ------------------> IDLE       new path open? region mapped?
 *   PREPARING <------------------ PREPARED --           -> PREPARED
 *   switches  -- FENCE --------------------> PREPARED   drains the old path, switches too
 *   FENCED    <--------------------- FENCE --
 *             <------------------- DRAINED --           -> VOTED: can no longer abort alone
 *   commits   -- COMMIT -------------------> VOTED      commits, lets go of the old path
 *   COMMITTED <------------------- RELEASE --           -> IDLE
 *   IDLE
 *
 * Until DRAINED the responder, and until COMMIT the initiator, may send ABORT; an ABORT is answered
 * by exactly one ABORT, so that afterwards nothing of this attempt is under way any more. If the
 * connection breaks, whoever may still abort does so alone; a responder that has voted waits for
 * the next connection, where the initiator's epoch tells how it ended.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/wire.h"

enum handover_phase {
    HANDOVER_IDLE,
    HANDOVER_PREPARING,
    HANDOVER_PREPARED,
    HANDOVER_FENCED,
    HANDOVER_VOTED,
    HANDOVER_COMMITTED,
    HANDOVER_ABORTING,
    HANDOVER_PHASES
};

enum handover_input {
    HANDOVER_START,      /* this side wants one */
    HANDOVER_PREPARE,    /* the peer wants one, and this side can */
    HANDOVER_UNPREPARED, /* the peer wants one, and this side cannot */
    HANDOVER_GOT_PREPARED,
    HANDOVER_GOT_FENCE,
    HANDOVER_GOT_DRAINED,
    HANDOVER_GOT_COMMIT,
    HANDOVER_GOT_RELEASE,
    HANDOVER_GOT_ABORT,
    HANDOVER_EXPIRED, /* the deadline passed */
    HANDOVER_DOWN,    /* the connection broke */
    HANDOVER_SYNC,    /* a new connection: the peer's epoch is known */

    /* What PREPARE, UNPREPARED and SYNC come to, given the domain ids and the epochs. */
    HANDOVER_YIELD, /* both want one, the peer has the lower id */
    HANDOVER_YIELD_UNPREPARED,
    HANDOVER_OUTRANK, /* both want one, this side has the lower id */
    HANDOVER_SYNC_SAME,
    HANDOVER_SYNC_AHEAD, /* the peer has committed once more than this side */
    HANDOVER_SYNC_BEHIND,
    HANDOVER_SYNC_LOST, /* more than one apart: one side is older than it knows */
};

enum handover_action {
    HANDOVER_NOTHING,
    HANDOVER_SEND_PREPARE,
    HANDOVER_SEND_PREPARED,
    HANDOVER_SWITCH_AND_FENCE, /* send on the new path from here on, and tell where */
    HANDOVER_SEND_DRAINED,
    HANDOVER_COMMIT, /* the new path is the link's path; let go of the old one */
    HANDOVER_SEND_COMMIT,
    HANDOVER_SEND_RELEASE,
    HANDOVER_RETURN_AND_ABORT, /* send on the old path from here on, and tell where */
    HANDOVER_ROLL_BACK,        /* both directions on the old path; offsets at the next RESYNC */
    HANDOVER_DONE,
    HANDOVER_FAILED,
    HANDOVER_BREAK, /* the peer broke the protocol: end the connection */
};

#define HANDOVER_ACTIONS_MAX 3

#define ROW(...) +1
enum {
    HANDOVER_ROWS = 0
#include "link/handover_rows.h"
};
#undef ROW

struct handover {
    enum wire_path path;
    enum wire_path to;
    uint32_t epoch; /* handovers committed so far */
    bool lower;
    enum handover_phase phase;
};

struct handover_event {
    enum handover_input input;
    enum wire_path to;   /* with START, PREPARE and UNPREPARED */
    uint32_t peer_epoch; /* with SYNC */
};

struct handover_step {
    enum handover_action actions[HANDOVER_ACTIONS_MAX];
};

void handover_init(struct handover *handover, bool lower);
/* Whether the event has a meaning now; a message that has none breaks the protocol. */
bool handover_expects(const struct handover *handover, struct handover_event event);
/* The row of link/handover_rows.h that the event would take; negative: none. */
int handover_row(const struct handover *handover, struct handover_event event);
struct handover_step handover_step(struct handover *handover, struct handover_event event);

static inline bool handover_running(const struct handover *handover)
{
    return handover->phase != HANDOVER_IDLE;
}

const char *handover_phase_name(enum handover_phase phase);
const char *path_name(enum wire_path path);
