#include "link/packets.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/shim.h"
#include "base/passing.h"

#define HEADER sizeof(uint32_t)
#define ENDS_RECORD 0x80000000u

int packets_init(struct stream *stream)
{
    struct packets *packets = calloc(1, sizeof(*packets));

    if (!packets)
        return -ENOMEM;
    queue_init(&packets->out, HEADER + SHIM_PACKET_MAX);
    queue_init(&packets->in, HEADER + SHIM_PACKET_MAX);
    stream->packets = packets;
    return 0;
}

void packets_free(struct packets *packets)
{
    if (!packets)
        return;
    queue_deinit(&packets->out);
    queue_deinit(&packets->in);
    free(packets);
}

static enum stream_result broken(struct stream *stream, const char *fault)
{
    stream->fault = fault;
    return STREAM_BROKEN;
}

/* ---- from the program ---- */

/* An empty message looks like the end; behind the end there is nothing. */
static bool at_the_end(const struct stream *stream)
{
    struct pollfd asked = {.fd = stream->source.fd, .events = POLLRDHUP};
    int left = 0;

    return poll(&asked, 1, 0) > 0 && ioctl(stream->source.fd, FIONREAD, &left) == 0 && !left;
}

static enum stream_result no_message(struct stream *stream)
{
    if (errno == EINTR)
        return STREAM_MOVED;
    stream->readable = false;
    return errno == EAGAIN ? STREAM_STILL
                           : broken(stream, "the program closed its socket with unread data");
}

static enum stream_result take_message(struct stream *stream)
{
    struct queue *out = &stream->packets->out;
    ssize_t length = recv(stream->source.fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    uint32_t header;
    uint8_t *room;
    int record;

    if (length < 0)
        return no_message(stream);
    room = length <= (ssize_t)SHIM_PACKET_MAX ? queue_reserve(out, HEADER + (size_t)length) : NULL;
    if (!room)
        return broken(stream, "there is no room for the program's message");
    length =
        passing_receive(stream->source.fd, room + HEADER, (size_t)length, &record, MSG_DONTWAIT);
    if (record >= 0)
        close(record);
    if (length <= 0) {
        if (at_the_end(stream))
            stream_end_tx(stream);
        return STREAM_MOVED;
    }
    header = (uint32_t)length | (record >= 0 ? ENDS_RECORD : 0);
    memcpy(room, &header, HEADER);
    queue_commit(out, HEADER + (size_t)length);
    return STREAM_MOVED;
}

static bool put_into_stream(struct stream *stream)
{
    struct queue *out = &stream->packets->out;
    struct fifo *fifo = &stream->tx.fifo;
    size_t length = queue_length(out) < fifo_room(fifo) ? queue_length(out) : fifo_room(fifo);

    if (!length)
        return false;
    fifo_append(fifo, queue_head(out), (uint32_t)length);
    queue_drop(out, length);
    return true;
}

enum stream_result packets_read_program(struct stream *stream)
{
    enum stream_result taken = STREAM_STILL;

    if (!queue_length(&stream->packets->out) && stream->readable && !stream->tx.ended)
        taken = take_message(stream);
    if (taken == STREAM_BROKEN)
        return taken;
    return put_into_stream(stream) ? STREAM_MOVED : taken;
}

/* ---- for the program ---- */

/* How much of the message that comes next is still missing, as far as is known. */
static size_t missing(const struct queue *in)
{
    uint32_t header;

    if (queue_length(in) < HEADER)
        return HEADER - queue_length(in);
    memcpy(&header, queue_head(in), HEADER);
    return HEADER + (header & ~ENDS_RECORD) - queue_length(in);
}

/* Negative: what came is no message. */
static int take_from_stream(struct stream *stream)
{
    struct queue *in = &stream->packets->in;
    struct fifo *fifo = &stream->rx.fifo;
    struct iovec pieces[2];
    uint32_t length = fifo_length(fifo);

    if (missing(in) < length)
        length = (uint32_t)missing(in);
    if (!length)
        return 0;
    for (int i = 0, count = fifo_pieces(fifo, fifo->start, length, pieces); i < count; i++)
        if (queue_append(in, pieces[i].iov_base, pieces[i].iov_len) < 0)
            return -EMSGSIZE;
    fifo->start += length;
    stream->rx.ack_due = true;
    return 1;
}

/* Any descriptor will do: it is closed where it arrives. */
static int deliver(struct stream *stream)
{
    struct queue *in = &stream->packets->in;
    uint32_t header;
    int record, error;

    memcpy(&header, queue_head(in), HEADER);
    record = header & ENDS_RECORD ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
    error =
        passing_send(stream->source.fd, queue_head(in) + HEADER, queue_length(in) - HEADER, record);
    if (record >= 0)
        close(record);
    if (!error)
        queue_clear(in);
    return error;
}

enum stream_result packets_write_program(struct stream *stream)
{
    struct queue *in = &stream->packets->in;
    int taken = missing(in) ? take_from_stream(stream) : 1, error;

    if (taken < 0)
        return broken(stream, "the peer's message is too large");
    if (!taken && queue_length(in) && stream->rx.fin_known &&
        stream->rx.fifo.start == stream->rx.fin)
        return broken(stream, "the peer's last message is cut off");
    if (!taken)
        return stream_end_program(stream);
    if (missing(in))
        return STREAM_MOVED;
    if (queue_length(in) == HEADER)
        return broken(stream, "the peer's message is empty");
    if (!stream->writable)
        return STREAM_STILL;
    error = deliver(stream);
    stream->writable = error != -EAGAIN;
    if (error && error != -EAGAIN && error != -EINTR)
        return broken(stream, "the program closed its socket before it had read everything");
    return error == -EAGAIN ? STREAM_STILL : STREAM_MOVED;
}
