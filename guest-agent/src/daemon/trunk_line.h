/* One connection with another host: proves itself, then carries channels.
 *
 *   both   TRUNK  ids, a fresh challenge
 *   both   PROOF  HMAC(key, own TRUNK | peer's TRUNK)
 *
 * Afterwards the frames' sums have a key that is derived from both TRUNKs, one for each way, and
 * cover how many frames went before (path/relay_frame.h). */
#pragma once

#include "base/backoff.h"
#include "daemon/trunks.h"

/* The other host, whether or not there is a connection. */
struct trunk {
    struct trunk *next;
    struct agent *agent;
    uint32_t host;
    char address[64];
    uint16_t port;
    uint8_t key[TRUNK_KEY_SIZE];
    struct trunk_line *line; /* proven */
    struct loop_timer dial;
    struct backoff backoff;
    bool marked;
};

struct trunk_line {
    struct relay_pipe pipe;
    struct agent *agent;
    struct trunk *trunk; /* once it is known which; then it may still have to be proven */
    struct relay_trunk mine;
    struct relay_trunk theirs;
    struct loop_timer patience;
    bool heard;
    bool proven;
};

/* Takes the socket, which may still be connecting; `trunk` is the one that was dialled, or NULL. */
struct trunk_line *trunk_line_new(struct agent *agent, int fd, struct trunk *trunk);
void trunk_line_free(struct trunk_line *line);

/* What it needs of daemon/trunks.c. */
struct trunk *trunk_find(const struct relay *relay, uint32_t host);
void trunk_serve(struct trunk *trunk, struct trunk_line *line); /* it is proven */
void trunk_dial_later(struct trunk *trunk);
