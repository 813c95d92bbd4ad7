/* What the numbers mean. The suffixes of PHASE_, IN_ and DO_ are those of link/handover_rows.h. */

#define PHASE_IDLE 0
#define PHASE_PREPARING 1
#define PHASE_PREPARED 2
#define PHASE_FENCED 3
#define PHASE_VOTED 4
#define PHASE_COMMITTED 5
#define PHASE_ABORTING 6

#define IN_NOTHING 0
#define IN_START 1
#define IN_PREPARE 2
#define IN_UNPREPARED 3
#define IN_GOT_PREPARED 4
#define IN_GOT_FENCE 5
#define IN_GOT_DRAINED 6
#define IN_GOT_COMMIT 7
#define IN_GOT_RELEASE 8
#define IN_GOT_ABORT 9
#define IN_EXPIRED 10
#define IN_DOWN 11
#define IN_SYNC 12
#define IN_YIELD 13
#define IN_YIELD_UNPREPARED 14
#define IN_OUTRANK 15
#define IN_SYNC_SAME 16
#define IN_SYNC_AHEAD 17
#define IN_SYNC_BEHIND 18
#define IN_SYNC_LOST 19

#define DO_NOTHING 0
#define DO_SEND_PREPARE 1
#define DO_SEND_PREPARED 2
#define DO_SWITCH_AND_FENCE 3
#define DO_SEND_DRAINED 4
#define DO_COMMIT 5
#define DO_SEND_COMMIT 6
#define DO_SEND_RELEASE 7
#define DO_RETURN_AND_ABORT 8
#define DO_ROLL_BACK 9
#define DO_DONE 10
#define DO_FAILED 11
#define DO_BREAK 12

/* Messages, and what their fields hold. */
#define RESYNC 1          /* epoch, received, delivered */
#define RESYNC_NOTHING 2  /* epoch: the stream is not listed */
#define DATA 3            /* offset, content */
#define ACK 4             /* delivered */
#define RST 5
#define PREPARE 6         /* path; generation, for the nonce, or UNKNOWN: its beat is not shown; epoch */
#define PREPARED 7        /* whether its beat is shown */
#define FENCE 8           /* offset or NO_MARK; whether its beat is shown */
#define DRAINED 9
#define COMMIT 10
#define RELEASE 11
#define ABORT 12          /* offset or NO_MARK */

#define TCP 0
#define SHM 1

/* What an agent sees where it has mapped the region. */
#define NO_VIEW 0
#define GOOD 1  /* the region */
#define ZEROS 2 /* an unplugged device, or anonymous pages */
#define OTHER 3 /* another region's bytes, which look plausible */
#define STALE 4 /* a private copy: the right nonce, and bytes that were right once */

#define RING_NONE 0
#define RING_KNOWN 1    /* the slot is known */
#define RING_ATTACHED 2 /* and this side's ends are written */

#define NO_MARK 255
#define NOBODY 2
#define UNKNOWN 255

/* What may happen next: the agents' own steps, then the world's. */
#define W_RECEIVE 1
#define W_TAKE 2
#define W_GIVE 3
#define W_LOOK 4
#define W_DELIVER 5
#define W_WATCH 6
#define W_START 7
#define W_RESCUE 8
#define W_NOTICE 9
#define W_CONNECT 10
#define W_JOIN 11
#define W_ATTACH 12
#define W_DETACH 13
#define W_BREAK 14
#define W_REPEAT 15
#define W_EXPIRE 16
#define W_CRASH 17
#define W_SPOIL 18
#define W_MOVE 19
#define W_SAVE 20
#define W_RESTORE 21
#define W_PROMOTE 22
#define W_TEAR 23
#define W_BACK 24

/* Faults, each with a budget. */
#define F_BREAK 0   /* the connection breaks: what was under way is lost, or comes late */
#define F_REPEAT 1  /* a message comes twice */
#define F_EXPIRE 2  /* a deadline passes: the handover is given up, at any step */
#define F_CRASH 3   /* an agent dies and begins a new life */
#define F_ZEROS 4   /* a view turns to zeros */
#define F_OTHER 5   /* a view turns to another region's bytes */
#define F_STALE 6   /* a view turns into a private copy */
#define F_MOVE 7    /* a guest moves: from now on there is another region */
#define F_RESTORE 8 /* a guest is put back to an older state */
#define F_DIRECT 9  /* a program holds its ends of the rings; it may be killed meanwhile */
#define FAULTS 10
