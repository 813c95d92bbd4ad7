/* One connected socket and its two directions.
 *
 * Bytes are numbered from the stream's start, whatever carries them:
 *
 *   tx   program -> [acked ............ sent ........ read)       private fifo, window bytes
 *                          on the path       not yet
 *   rx   program <- [delivered ................ received)         private fifo, window bytes
 *
 * The sender keeps every byte until the peer has delivered it to its program, on the shm path too:
 * so a path may be lost at any moment, and the next one resumes from what the peer has received.
 * The receiver has room for the whole window, so taking bytes off a path never waits for a program.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/direct.h"
#include "abi/wire.h"
#include "base/loop.h"
#include "path/carrier.h"
#include "ring/fifo.h"
#include "ring/ring.h"
#include "ring/slots.h"

/* How much one stream may move before the next one has its turn. */
#define STREAM_QUANTUM RING_COPY_MAX

/* Who has opened a stream. */
struct caller {
    uint32_t port;
    uint32_t user; /* an id in its domain; STREAM_NO_USER: not known */
};

#define STREAM_NO_USER UINT32_MAX

enum stream_state {
    STREAM_UNSENT,     /* opener: OPEN waits for the connection or for a handover to end */
    STREAM_OPENING,    /* opener: waits for OPENED */
    STREAM_CONNECTING, /* acceptor: the server's backlog is full, trying again */
    STREAM_CONNECTED,  /* acceptor: OPENED waits */
    STREAM_OPEN
};

struct stream_tx {
    struct fifo fifo; /* [acked, read) */
    uint64_t sent;
    uint64_t sent_max; /* `sent` goes back when bytes must be sent again */
    uint64_t resent;
    enum wire_path path;
    struct ring_tx ring;
    bool ended;  /* the program sends no more: fifo.end is final */
    bool closed; /* and reads no more */
    bool fin_sent;
    bool fin_acked;
    uint64_t waiting_since_us; /* for an acknowledgement; 0: nothing is due */
    uint64_t longest_stall_us;
};

struct stream_rx {
    struct fifo fifo; /* [delivered, received) */
    uint64_t fin;
    enum wire_path path;
    struct ring_rx ring;
    bool missing; /* bytes were lost with a region: what comes behind them is sent again, too */
    bool fin_known;
    bool closed; /* the peer's program does not read any more, either */
    bool fin_delivered;
    bool ack_due;
};

struct stream {
    struct stream *next; /* in its hash bucket */
    struct loop_source source;
    struct loop *loop;
    uint32_t id;
    uint64_t token; /* what a shim calls it: no other stream has had it, in no life of the agent */
    uint32_t window;
    enum stream_state state;
    bool opener;
    bool dead; /* to be removed at the end of this turn */
    bool peer_forgot;
    bool peer_let_go; /* and no program there can touch its rings any more */
    bool readable;
    bool writable;
    uint32_t handovers;
    bool by_port; /* opened to a port, not to a name */
    uint32_t port;
    struct caller caller;
    struct direct_page *direct; /* NULL: the agent holds the ends of both rings */
    struct lingerer *lingerer;  /* for the day on which they cannot be taken back */
    int direct_fd;
    int direct_wake; /* an eventfd for a program that waits for other things, too; or -1 */
    bool direct_tx;  /* the program holds this end */
    bool direct_rx;
    uint64_t direct_index;     /* where its program was when it was last looked at */
    bool direct_unread;        /* and whether there was something that it had not read */
    uint64_t direct_looked_us; /* since when both are so */
    bool direct_stuck;         /* its program did not let go, in the middle of a copy */
    uint64_t direct_stuck_at;  /* the sum of both indexes then */
    int error;                 /* an errno that says why it was reset; 0: nothing in particular */
    uint64_t asked_us;         /* acceptor: when OPEN came */
    struct packets *packets;   /* NULL: it carries bytes, not messages (link/packets.h) */
    struct slot slot;
    const char *fault; /* set when a function returns STREAM_BROKEN */
    struct stream_tx tx;
    struct stream_rx rx;
    char name[WIRE_NAME_MAX + 1];
};

enum stream_result {
    STREAM_STILL = 0,
    STREAM_MOVED = 1,  /* progress was made, more may be possible */
    STREAM_BROKEN = 2, /* must be reset; `fault` says why */
};

struct stream *stream_new(struct loop *loop, uint32_t id, uint32_t window, const char *name,
                          size_t name_length);
struct stream *stream_free(struct stream *stream);
/* The acceptor may lower the opener's proposal while the stream is still empty. */
void stream_shrink(struct stream *stream, uint32_t window);
/* Takes the program's socket. */
int stream_adopt(struct stream *stream, int fd);

/* The program's side: each moves at most one quantum, or `most` bytes. */
enum stream_result stream_read_program(struct stream *stream);
enum stream_result stream_write_program(struct stream *stream, uint32_t most);

/* The program sends no more. */
void stream_end_tx(struct stream *stream);
/* Tells the program of the end, once it has everything before it. */
enum stream_result stream_end_program(struct stream *stream);

/* The path's side. */
enum stream_result stream_take_ring(struct stream *stream, const struct view *view, uint32_t most);
enum stream_result stream_give_ring(struct stream *stream, const struct view *view, uint32_t most,
                                    bool *kick);
enum stream_result stream_give_carrier(struct stream *stream, struct carrier *carrier,
                                       uint32_t most);
enum stream_result stream_receive(struct stream *stream, uint64_t offset, const uint8_t *bytes,
                                  uint32_t length);
enum stream_result stream_acked(struct stream *stream, uint64_t offset, uint64_t now_us);
enum stream_result stream_fin(struct stream *stream, uint64_t offset, bool closed);
/* Tells the peer by ring how far the program has taken. */
void stream_publish_delivered(struct stream *stream, bool *kick);

/* Changing the path of one direction; see link/handover.h. */
void stream_attach(struct stream *stream, const struct view *view, bool lower);
void stream_detach(struct stream *stream);
uint64_t stream_switch_tx(struct stream *stream, enum wire_path to);
/* Takes a switch back; as before, the offset is where the path left ends. */
uint64_t stream_return_tx(struct stream *stream, enum wire_path to);
enum stream_result stream_switch_rx(struct stream *stream, enum wire_path to, uint64_t offset,
                                    const struct view *view, uint64_t *drained);
void stream_roll_back(struct stream *stream, enum wire_path to);
/* The peer has received up to here, whatever was sent: send on from here (tcp path only). */
enum stream_result stream_resume(struct stream *stream, uint64_t received, uint64_t delivered,
                                 uint64_t now_us);

/* Both directions ended and acknowledged. */
bool stream_finished(const struct stream *stream);
uint64_t stream_stall_us(const struct stream *stream, uint64_t now_us);
const char *stream_state_name(const struct stream *stream);
