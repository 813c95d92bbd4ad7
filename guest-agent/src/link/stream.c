/* A stream's life and its program's side. */
#include "link/packets.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/socket.h"

#define STREAM_FDS_MAX 253 /* SCM_MAX_FD of the kernel */

struct stream *stream_new(struct loop *loop, uint32_t id, uint32_t window, const char *name,
                          size_t name_length)
{
    struct stream *stream = calloc(1, sizeof(*stream));

    if (!stream)
        return NULL;
    *stream = (struct stream){.loop = loop, .id = id, .window = window, .source.fd = -1};
    randombytes_buf(&stream->token, sizeof(stream->token));
    memcpy(stream->name, name, name_length < WIRE_NAME_MAX ? name_length : WIRE_NAME_MAX);
    if (fifo_init(&stream->tx.fifo, window) < 0 || fifo_init(&stream->rx.fifo, window) < 0)
        return stream_free(stream);
    return stream;
}

struct stream *stream_free(struct stream *stream)
{
    if (!stream)
        return NULL;
    if (stream->source.fd >= 0) {
        loop_remove(stream->loop, &stream->source);
        close(stream->source.fd);
    }
    packets_free(stream->packets);
    fifo_deinit(&stream->tx.fifo);
    fifo_deinit(&stream->rx.fifo);
    free(stream);
    return NULL;
}

void stream_shrink(struct stream *stream, uint32_t window)
{
    stream->window = window;
    stream->tx.fifo.size = window;
    stream->rx.fifo.size = window;
    stream->slot.size = stream->slot.size ? window : 0;
}

static void program_ready(struct loop_source *source, uint32_t events)
{
    struct stream *stream = container_of(source, struct stream, source);

    stream->readable |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    stream->writable |= (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
}

int stream_adopt(struct stream *stream, int fd)
{
    stream->source = (struct loop_source){.fd = fd, .ready = program_ready};
    return loop_add(stream->loop, &stream->source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static enum stream_result broken(struct stream *stream, const char *fault)
{
    stream->fault = fault;
    return STREAM_BROKEN;
}

/* Descriptors cannot cross domains. Swallowing them silently would be worse than ending. */
static bool close_passed_fds(struct msghdr *message)
{
    bool any = false;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        int fds[STREAM_FDS_MAX];

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || count > STREAM_FDS_MAX)
            continue;
        memcpy(fds, CMSG_DATA(c), count * sizeof(int));
        for (size_t i = 0; i < count; i++)
            close(fds[i]);
        any = any || count;
    }
    return any || message->msg_flags & MSG_CTRUNC;
}

/* A socket that was shut down for writing only has not hung up. */
void stream_end_tx(struct stream *stream)
{
    struct pollfd asked = {.fd = stream->source.fd};

    stream->tx.ended = true;
    stream->tx.closed = poll(&asked, 1, 0) > 0 && asked.revents & POLLHUP;
}

static enum stream_result read_failed(struct stream *stream, ssize_t got)
{
    if (got < 0 && errno == EINTR)
        return STREAM_MOVED;
    stream->readable = false;
    if (got < 0 && errno == EAGAIN)
        return STREAM_STILL;
    if (got < 0)
        return broken(stream, "the program closed its socket with unread data");
    stream_end_tx(stream);
    return STREAM_MOVED;
}

enum stream_result stream_read_program(struct stream *stream)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(STREAM_FDS_MAX * sizeof(int))];
    } control;
    struct fifo *fifo = &stream->tx.fifo;
    uint32_t room = fifo_room(fifo) < STREAM_QUANTUM ? fifo_room(fifo) : STREAM_QUANTUM;
    struct iovec pieces[2];
    struct msghdr message = {
        .msg_iov = pieces, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t got;

    if (stream->packets)
        return packets_read_program(stream);
    if (!stream->readable || stream->tx.ended || !room)
        return STREAM_STILL;
    message.msg_iovlen = (size_t)fifo_pieces(fifo, fifo->end, room, pieces);
    got = recvmsg(stream->source.fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got <= 0)
        return read_failed(stream, got);
    fifo->end += (uint64_t)got;
    if (message.msg_controllen && close_passed_fds(&message))
        return broken(stream, "the program passed file descriptors, which cannot cross domains");
    return STREAM_MOVED;
}

/* The shim knows by the name that this is no reset. */
static void vouch_for_end(const struct stream *stream)
{
    int error = stream->by_port ? socket_name(stream->source.fd) : 0;

    if (error)
        log_warning("the end of stream %u will look like a reset: %s", stream->id,
                    strerror(-error));
}

enum stream_result stream_end_program(struct stream *stream)
{
    struct stream_rx *rx = &stream->rx;

    if (!rx->fin_known || rx->fin_delivered || rx->fifo.start != rx->fin)
        return STREAM_STILL;
    vouch_for_end(stream);
    shutdown(stream->source.fd, rx->closed ? SHUT_RDWR : SHUT_WR);
    rx->fin_delivered = true;
    rx->ack_due = true;
    return STREAM_MOVED;
}

enum stream_result stream_write_program(struct stream *stream, uint32_t most)
{
    struct fifo *fifo = &stream->rx.fifo;
    uint32_t length = fifo_length(fifo) < most ? fifo_length(fifo) : most;
    struct iovec pieces[2];
    struct msghdr message = {.msg_iov = pieces};
    ssize_t put;

    if (stream->packets)
        return packets_write_program(stream);
    if (!length)
        return stream_end_program(stream);
    if (!stream->writable)
        return STREAM_STILL;
    message.msg_iovlen = (size_t)fifo_pieces(fifo, fifo->start, length, pieces);
    put = sendmsg(stream->source.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (put < 0 && errno == EINTR)
        return STREAM_MOVED;
    if (put < 0 && errno == EAGAIN) {
        stream->writable = false;
        return STREAM_STILL;
    }
    if (put < 0)
        return broken(stream, "the program closed its socket before it had read everything");
    fifo->start += (uint64_t)put;
    stream->rx.ack_due = true;
    return STREAM_MOVED;
}

bool stream_finished(const struct stream *stream)
{
    return stream->tx.fin_acked && stream->rx.fin_delivered && !stream->rx.ack_due;
}

const char *stream_state_name(const struct stream *stream)
{
    static const char *const names[] = {"opening", "opening", "connecting", "connected", "open"};

    if (stream->state == STREAM_OPEN && (stream->tx.ended || stream->rx.fin_known))
        return "closing";
    return names[stream->state];
}
