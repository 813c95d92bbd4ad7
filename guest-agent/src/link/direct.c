/* How a stream's ring ends go to its program, and come back. */
#include "link/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/turn.h"
#include "link/internal.h"

#define TAKE_BACK_US 250000u /* a copy takes microseconds; a busy machine may stop it for long */

/* ---- giving ---- */

static void kick_wanted(struct loop_source *source, uint32_t events)
{
    struct link *link = container_of(source, struct link, direct_kick);
    uint64_t count;

    (void)events;
    if (read(source->fd, &count, sizeof(count)) > 0)
        link->kick_due = true;
}

static int open_kick(struct link *link)
{
    int fd;

    if (link->direct_kick.ready)
        return 0;
    fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    link->direct_kick = (struct loop_source){.fd = fd, .ready = kick_wanted};
    return loop_add(link->loop, &link->direct_kick, EPOLLIN);
}

void direct_close_kick(struct link *link)
{
    if (!link->direct_kick.ready)
        return;
    loop_remove(link->loop, &link->direct_kick);
    close(link->direct_kick.fd);
    link->direct_kick.ready = NULL;
}

static bool may_be_direct(const struct link *link, const struct stream *stream)
{
    return link->synced && !link->region_lost && link->view.path[0] &&
           link->handover.path == WIRE_PATH_SHM && !handover_running(&link->handover) &&
           !link->attempt.wanted && stream->state == STREAM_OPEN && !stream->dead &&
           !stream->packets && stream->slot.size && stream->tx.path == WIRE_PATH_SHM &&
           stream->rx.path == WIRE_PATH_SHM && link->lingering->count < LINGERING_MAX;
}

/* Whatever the program has written so far goes into the ring. What the socket holds may be news to
 * us: its event can still be under way. */
static int empty_tx(struct link *link, struct stream *stream)
{
    enum stream_result moved;

    stream->readable = true;
    do {
        moved = stream_read_program(stream);
        if (moved == STREAM_MOVED)
            moved = stream_give_ring(stream, &link->view, STREAM_QUANTUM, &link->kick_due);
    } while (moved == STREAM_MOVED);
    if (moved == STREAM_BROKEN) {
        link_reset(link, stream, stream->fault);
        return -EIO;
    }
    if (stream->readable || stream->tx.ended || stream->tx.sent != stream->tx.fifo.end)
        return -EAGAIN;
    return 0;
}

/* What came for the program goes into its socket; from there it reads it first. */
static int empty_rx(struct link *link, struct stream *stream)
{
    while (stream_write_program(stream, STREAM_QUANTUM) == STREAM_MOVED)
        continue;
    if (stream->rx.fin_known || fifo_length(&stream->rx.fifo))
        return -EAGAIN;
    stream_publish_delivered(stream, &link->kick_due);
    stream->rx.ack_due = false;
    return 0;
}

/* Sealed: a program that cut it short would end the agent. */
static int make_page(const struct link *link, struct stream *stream)
{
    int fd = memfd_create(link->lingering->page_name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct lingerer *lingerer = malloc(sizeof(*lingerer));
    void *page = MAP_FAILED;

    if (lingerer && fd >= 0 && ftruncate(fd, REGION_PAGE) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        page = mmap(NULL, REGION_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED) {
        int error = -errno;

        if (fd >= 0)
            close(fd);
        free(lingerer);
        return error;
    }
    stream->direct = page;
    stream->lingerer = lingerer;
    stream->direct_fd = fd;
    stream->direct_wake = -1;
    return 0;
}

static int find_page(const struct link *link, struct stream *stream)
{
    int out = link->lower ? 0 : 1;
    int error = stream->direct ? 0 : make_page(link, stream);

    if (error)
        return error;
    stream->direct->tx_ring = stream->slot.ring[out];
    stream->direct->rx_ring = stream->slot.ring[1 - out];
    stream->direct->window = stream->window;
    memcpy(stream->direct->nonce, link->view.nonce, sizeof(stream->direct->nonce));
    return 0;
}

int direct_open_wake(struct stream *stream)
{
    if (stream->direct_wake < 0)
        stream->direct_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return stream->direct_wake < 0 ? -errno : 0;
}

static int give_tx(struct link *link, struct stream *stream)
{
    struct direct_end *end = &stream->direct->tx;
    int error = empty_tx(link, stream);

    if (error)
        return error;
    end->index = stream->tx.sent;
    end->seen = stream->tx.fifo.start;
    stream->direct_tx = true;
    __atomic_store_n(&end->holder, DIRECT_PROGRAMS, __ATOMIC_SEQ_CST);
    return 0;
}

static int give_rx(struct link *link, struct stream *stream)
{
    struct direct_end *end = &stream->direct->rx;
    int error = empty_rx(link, stream);

    if (error)
        return error;
    end->index = stream->direct_index = stream->rx.fifo.start;
    end->seen = stream->rx.ring.produced;
    stream->direct_looked_us = link->loop->now_us;
    stream->direct_rx = true;
    __atomic_store_n(&end->holder, DIRECT_PROGRAMS, __ATOMIC_SEQ_CST);
    return 0;
}

/* A second process that has the socket asks, too. What it has just written by the socket comes
 * before what any of them puts into the ring. */
static int give_again(struct link *link, struct stream *stream)
{
    uint8_t byte;

    if (recv(stream->source.fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) < 0 &&
        errno == EAGAIN)
        return 0;
    direct_take_back(link, stream);
    return -EAGAIN;
}

int direct_give(struct link *link, struct stream *stream, enum direct_which which)
{
    int error;

    if (!may_be_direct(link, stream))
        return -EOPNOTSUPP;
    if (which == DIRECT_TX ? direct_holds_tx(stream) : direct_holds_rx(stream))
        return give_again(link, stream);
    error = open_kick(link);
    if (!error)
        error = find_page(link, stream);
    if (error)
        return error;
    return which == DIRECT_TX ? give_tx(link, stream) : give_rx(link, stream);
}

/* ---- taking back ---- */

static void copy_from_ring(struct stream_tx *tx, uint64_t from, uint64_t to)
{
    struct iovec pieces[2];
    int count = fifo_pieces(&tx->fifo, from, (uint32_t)(to - from), pieces);

    for (int i = 0; i < count; i++) /* byte N lies at N % size in both */
        memcpy(pieces[i].iov_base, tx->ring.data + ((uint8_t *)pieces[i].iov_base - tx->fifo.bytes),
               pieces[i].iov_len);
}

/* NULL, or why bytes of the program's are lost. */
static const char *take_tx(const struct link *link, struct stream *stream)
{
    struct stream_tx *tx = &stream->tx;
    uint64_t index = stream->direct->tx.index, seen = stream->direct->tx.seen;
    int looked;

    if (index == tx->sent)
        return NULL; /* it has put nothing there: the agent still has what it had */
    looked = ring_tx_look(&tx->ring, index);
    if (!view_trusted(&link->view)) {
        tx->ring.consumed = index; /* or else it is reset */
        looked = index == seen ? 0 : RING_VIOLATION;
    }
    if (looked == RING_VIOLATION || index < tx->sent || index - tx->ring.consumed > tx->fifo.size)
        return "its program's bytes in the ring cannot be had any more";
    /* What the agent itself had sent need not be in the ring: it may have gone by tcp. */
    copy_from_ring(tx, tx->ring.consumed > tx->sent ? tx->ring.consumed : tx->sent, index);
    if (index != tx->ring.consumed && !view_trusted(&link->view))
        return "the region has vanished with bytes of its program";
    tx->fifo.start = tx->ring.consumed;
    tx->fifo.end = tx->sent = tx->sent_max = index;
    return NULL;
}

static const char *take_rx(struct stream *stream)
{
    struct stream_rx *rx = &stream->rx;
    uint64_t index = stream->direct->rx.index;

    if (index < rx->fifo.start)
        return "its program went back in its ring";
    rx->fifo.start = rx->fifo.end = index;
    rx->ack_due = true;
    return NULL;
}

/* The ends go on in the ring where the program was. */
static void go_on(const struct link *link, struct stream *stream)
{
    if (!view_trusted(&link->view))
        return;
    ring_tx_publish(&stream->tx.ring, stream->tx.sent);
    ring_tx_sleep(&stream->tx.ring, false);
    ring_rx_advance(&stream->rx.ring, stream->rx.fifo.start);
    ring_rx_sleep(&stream->rx.ring, false);
}

/* Whose the ends are now that the program has, or had. */
static void hold(const struct stream *stream, enum direct_holder holder)
{
    if (stream->direct_tx)
        __atomic_store_n(&stream->direct->tx.holder, holder, __ATOMIC_SEQ_CST);
    if (stream->direct_rx)
        __atomic_store_n(&stream->direct->rx.holder, holder, __ATOMIC_SEQ_CST);
}

/* One that stands where it stood is not waited for again. */
static bool stands_still(const struct stream *stream)
{
    return stream->direct_stuck &&
           stream->direct_stuck_at == stream->direct->tx.index + stream->direct->rx.index;
}

static void note_stuck(const struct link *link, struct stream *stream)
{
    if (!stands_still(stream))
        log_warning("link %u: the program of stream %u (%s) stopped in the middle of a copy",
                    link->peer_id, stream->id, stream->name);
    stream->direct_stuck = true;
    stream->direct_stuck_at = stream->direct->tx.index + stream->direct->rx.index;
}

static bool take_turns(const struct stream *stream)
{
    struct direct_page *page = stream->direct;
    uint64_t patience_us = stands_still(stream) ? 0 : TAKE_BACK_US;

    hold(stream, DIRECT_LEAVES);
    if (turn_take(&page->rx.turn, patience_us)) {
        if (turn_take(&page->tx.turn, patience_us))
            return true;
        turn_give(&page->rx.turn);
    }
    hold(stream, DIRECT_PROGRAMS);
    return false;
}

static void close_wake(struct stream *stream)
{
    if (stream->direct_wake < 0)
        return;
    direct_wake_watcher(stream);
    close(stream->direct_wake);
}

/* Whoever waits at the page looks again. */
static void forget_page(struct stream *stream)
{
    turn_wake(&stream->direct->tx.wake);
    turn_wake(&stream->direct->rx.wake);
    close(stream->direct_fd);
    close_wake(stream);
    stream->direct = NULL;
    stream->lingerer = NULL;
    stream->direct_tx = stream->direct_rx = stream->direct_stuck = false;
}

static void let_go(struct stream *stream)
{
    struct direct_page *page = stream->direct;

    hold(stream, DIRECT_AGENTS);
    turn_give(&page->tx.turn);
    turn_give(&page->rx.turn);
    free(stream->lingerer);
    forget_page(stream);
    munmap(page, REGION_PAGE);
}

static void linger(struct link *link, struct stream *stream)
{
    struct lingerer *lingerer = stream->lingerer;

    hold(stream, DIRECT_AGENTS);
    *lingerer = (struct lingerer){
        .page = stream->direct, .device = link->view.device, .link = link, .stream = stream->id};
    memcpy(lingerer->nonce, link->view.nonce, sizeof(lingerer->nonce));
    lingering_add(link->lingering, lingerer);
    forget_page(stream);
}

void direct_part(struct link *link, struct stream *stream)
{
    if (direct_take_back(link, stream) < 0)
        linger(link, stream);
}

/* What could be read in the ring can be read by the socket when the program looks there: while its
 * turn is taken it waits. */
static const char *deliver(const struct link *link, struct stream *stream)
{
    if (link->region_lost)
        return NULL;
    if (stream_take_ring(stream, &link->view, STREAM_QUANTUM) == STREAM_BROKEN ||
        stream_write_program(stream, STREAM_QUANTUM) == STREAM_BROKEN)
        return stream->fault;
    return NULL;
}

int direct_take_back(struct link *link, struct stream *stream)
{
    bool received = stream->direct_rx;
    const char *fault;

    if (!stream->direct)
        return 0;
    if (!take_turns(stream)) {
        note_stuck(link, stream);
        return -EBUSY;
    }
    fault = received ? take_rx(stream) : NULL;
    if (!fault && stream->direct_tx)
        fault = take_tx(link, stream);
    if (!fault)
        go_on(link, stream);
    if (!fault && received)
        fault = deliver(link, stream);
    let_go(stream);
    if (fault)
        link_reset(link, stream, fault);
    return 0;
}
