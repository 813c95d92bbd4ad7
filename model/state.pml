/* The state of two agents, of the region and of the connection between them.
 *
 * Agent 0 has the lower domain id. One stream is open from the start; TOTAL(a) bytes go from agent
 * a to the other one, W may be under way. A byte's content is its offset + 1, so that a wrong, a
 * lost and a repeated one are told apart; + AFTER if it was written after a restore of its guest.
 */

#ifndef W
#define W 2
#endif
#ifndef TOTAL
#define TOTAL(a) (W + 1 - (a))
#endif
#define QUEUE 12 /* messages one way: more is a violation, memory is bounded */
#define ROOM 2  /* DATA is queued only while fewer messages wait */
#define AFTER 16

/* The handover's state machine: struct handover. */
byte phase[2], to[2], path[2], epoch[2];

/* The link: struct link. */
bool up[2], synced[2], attached[2], region_lost[2], doubted[2];
byte incarnation[2], peer_incarnation[2];
byte view[2], generation[2];
byte stale_produced[2], stale_consumed[2], stale_data[4]; /* what a STALE view shows */

/* The stream at each end: struct stream. */
bool reset[2];
byte acked[2], sent[2], sent_max[2], tx_path[2];
byte received[2], delivered[2], rx_path[2];
bool missing[2];
bool direct[2];  /* the program holds the ends of the rings */
byte kept[2];    /* up to here its agent has what the program sent, too */
byte ring[2], ring_produced[2], ring_consumed[2]; /* as the sender last knew them */
byte rx_produced[2], rx_consumed[2];              /* as the receiver last knew them */

/* The region: the ring d carries bytes from agent d. */
byte region_generation;
byte produced[2], consumed[2];
byte data[4]; /* ring d has its place k at d * W + k */

/* The connection. `cut`: it carries nothing any more, but what was under way may still come.
 * `ahead`: this agent is on the next connection already, the other one is not yet. */
chan queue[2] = [QUEUE] of { byte, byte, byte, byte };
bool cut;
byte ahead = NOBODY;
byte ahead_kind, ahead_epoch, ahead_received, ahead_delivered; /* its RESYNC */

/* What may still go wrong, and what has. */
byte budget[FAULTS];
byte any; /* faults of any kind */
byte starts;
bool crashed, restored, untold, bereft;
byte lives; /* incarnations there have been */

/* A guest's saved state. */
byte saved = NOBODY, saved_phase, saved_to, saved_epoch, saved_incarnation, saved_peer;
byte saved_acked, saved_sent, saved_sent_max, saved_received, saved_delivered;
bool saved_missing, saved_reset;
byte fork;     /* bytes from here on may differ after the restore */
byte timeline; /* of the bytes accepted beyond it: 1 before, 2 after the restore */

/* Within one step; zero between steps. */
byte what, me, input, action[3], kind, x, y, z, seen, content, spoil;
bool was_running, expected, trusted, doomed, resume, shown;

#define other (1 - me)
#define open(a) (!reset[a])
#define readable(a) (acked[a] + W < TOTAL(a) -> acked[a] + W : TOTAL(a)) /* the program writes */
#define nonce_right(v) ((v) == GOOD || (v) == STALE)
#define larger(p, q) ((p) > (q) -> (p) : (q))
