/* A program's ends of a stream's two rings, in direct mode (abi/direct.h). Nothing here waits for
 * the peer: how to wait is the caller's business. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/direct.h"
#include "ring/ring.h"
#include "ring/view.h"

struct direct {
    struct direct_page *page;
    struct view header; /* the region's first page: what the nonce is checked in */
    struct ring_control *tx_control;
    struct ring_control *rx_control;
    uint32_t size; /* of each ring's data, which lies behind its control page */
    void (*kick)(struct direct *direct); /* the peer; NULL: the caller does it */
};

/* Moves at most RING_COPY_MAX bytes and returns how many. A peer that sleeps is
 * kicked, if there is a way; *kick, unless that is NULL, says whether it does.
 * -EAGAIN: the ring is full, or empty; -EREMOTE: the agent holds the ends; -EIO: the view or the
 * peer's index is not to be believed. */
ssize_t direct_put(struct direct *direct, const uint8_t *bytes, size_t length, bool *kick);
ssize_t direct_get(struct direct *direct, uint8_t *bytes, size_t length, bool *kick);
/* As direct_get(), and leaves the bytes there. */
ssize_t direct_peek(struct direct *direct, uint8_t *bytes, size_t length);
/* How many bytes can be had, or put, at once; or a negative errno as above. *published, unless that
 * is NULL, becomes the index up to which the peer has put bytes. */
ssize_t direct_readable(struct direct *direct, uint64_t *published);
ssize_t direct_writable(struct direct *direct);

/* Tells the peer that this end is going to sleep, and looks again. 0: sleep on the end's `wake`
 * while it is *seen, then say direct_awake(). -EAGAIN: no, something has come. */
int direct_doze_rx(struct direct *direct, uint32_t *seen);
int direct_doze_tx(struct direct *direct, uint32_t *seen);
void direct_awake(struct direct_end *end);

/* The same for who waits for other things, too: the peer is asked to kick, and the agent to write
 * to the stream's eventfd. Nothing is to be taken back afterwards. -EAGAIN: more has been
 * published than was read (or, unless that is NULL, not just *known); there is room. */
int direct_watch_rx(struct direct *direct, const uint64_t *known);
int direct_watch_tx(struct direct *direct);
