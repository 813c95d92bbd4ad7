/* Giving a stream's ring ends to its program, and taking them back (abi/direct.h). */
#pragma once

#include "link/link.h"

/* 0: the program may have that end, and stream->direct_fd is the page. -EAGAIN: not now, there are
 * bytes between program and ring; -EOPNOTSUPP: it has no ring; or another negative errno. */
int direct_give(struct link *link, struct stream *stream, enum direct_which which);

static inline bool direct_holds_tx(const struct stream *stream)
{
    return stream->direct && stream->direct_tx;
}

static inline bool direct_holds_rx(const struct stream *stream)
{
    return stream->direct && stream->direct_rx;
}
/* Afterwards everything is as if the agent had always held the ends; bytes that lay in the ring
 * unacknowledged are in its private memory. -EBUSY: the program is in the middle of a copy and does
 * not go on. A stream that has lost bytes is reset. */
int direct_take_back(struct link *link, struct stream *stream);
int direct_take_back_all(struct link *link);
/* A program that is in the middle of a copy keeps its ring. */
void direct_take_back_most(struct link *link);
/* The same for a stream that ends: a program that is in the middle of a copy lingers. */
void direct_part(struct link *link, struct stream *stream);
/* For a link that cannot wait: what cannot be taken back is reset. */
void direct_end_all(struct link *link);

/* The stream's eventfd, for a program that asks for it with an end. */
int direct_open_wake(struct stream *stream);
void direct_wake_watcher(const struct stream *stream);
/* Wakes the program if it has a reason to look. Returns true if the stream was taken back. */
bool direct_pump(struct link *link, struct stream *stream);
/* For how long nobody needs to look after the stream. */
uint64_t direct_sleep(struct link *link, struct stream *stream);
/* The indexes of now, for who shows them. */
void direct_progress(const struct stream *stream, uint64_t *sent, uint64_t *delivered);
void direct_close_kick(struct link *link);
