/* A ring's end in the program's own hands: getting it from the agent, and giving it back.
 *
 * The two directions of a stream are held apart. Bytes by the socket and bytes by the ring must not
 * overtake each other: so the agent is asked for an end only while no thread of this program is
 * about to use the socket in that direction, and who wants to use it waits while it is asked. */
#pragma once

#include <stdatomic.h>

#include "ring/direct.h"

struct handle;

enum direction { SENDING, RECEIVING };

struct held {
    struct direct ends; /* the first: what is asked to kick is this */
    uint64_t serial;    /* no other end of this process ever had it */
    int kick;           /* an eventfd of the agent's */
    int wake;           /* the stream's, for who waits for other things, too; else -1 */
    bool orphaned;      /* the agent has died, and with it the stream */
    bool drained;       /* receiving: what came by the socket before has been read */
    unsigned spins;     /* how long it pays to look before sleeping */
    unsigned moves;     /* by the ring; roughly, where threads share it */
    struct held *older;
};

/* One direction of a handle. */
struct side {
    _Atomic(struct held *) held;
    struct held *retired; /* taken back; threads may still look at them */
    unsigned retired_count;
    atomic_flag asking;    /* a thread asks for the end; guards what follows */
    atomic_bool renounced; /* the end is not to be asked for any more */
    atomic_uint in_socket; /* threads that move bytes by the socket now */
    atomic_uint moves;     /* by socket, since the end was last had or asked for */
    atomic_uint starved;   /* how often there was no room */
    uint64_t ask_at_us;
    uint64_t ask_pause_us; /* grows while the answer is no */
};

void held_init(struct side *side);
void held_free(struct side *side);
/* In a child: the threads that were at work on it are its parent's. */
void held_forked(struct side *side);

/* The end, if the program has it. If not, and the socket has moved something often enough, the
 * agent is asked for it. */
struct held *held_get(struct handle *handle, enum direction direction);
/* As held_get(), but NULL means: the socket may be used now, until held_leave(). */
struct held *held_enter(struct handle *handle, enum direction direction);
void held_leave(struct handle *handle, enum direction direction);
/* The agent has it, or is asked to take it, and has done so when this returns. */
void held_give_back(struct handle *handle, enum direction direction, struct held *held);
/* The program uses this socket in ways that only the kernel can serve: for good. */
void held_renounce(struct handle *handle);
