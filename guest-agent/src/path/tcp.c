/* Control messages must never wait behind megabytes of data. So the kernel is given little unsent
 * data (TCP_NOTSENT_LOWAT), our own queue takes DATA only while it is short, and everything else
 * always. A peer that reads nothing at all lets the queue reach its limit: the connection ends and
 * the streams resume on the next one. */
#include "path/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/socket.h"

#define TCP_OUT_MAX (2u << 20)
#define TCP_OUT_DATA_MAX (192u << 10)
#define TCP_FLUSH_AT (64u << 10)
#define TCP_IN_MAX (256u << 10)
#define TCP_READ_PER_TURN (256u << 10)
#define TCP_UNSENT_MAX (128 << 10)
#define TCP_TIMEOUT_MS 20000

#define TOO_MUCH "the peer does not read: too much is queued for it"

static struct tcp *from_carrier(struct carrier *carrier)
{
    return container_of(carrier, struct tcp, carrier);
}

static void tcp_fail(struct carrier *carrier, const char *reason)
{
    struct tcp *tcp = from_carrier(carrier);

    if (tcp->failed)
        return;
    tcp->failed = reason;
    loop_arm(tcp->loop, &tcp->failure, 0);
}

static void set_writable(struct tcp *tcp, bool writable)
{
    tcp->writable = writable;
    loop_change(tcp->loop, &tcp->source, writable ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void tcp_flush(struct carrier *carrier)
{
    struct tcp *tcp = from_carrier(carrier);

    if (!tcp->writable || tcp->failed)
        return;
    if (records_finish(&tcp->records, &tcp->out) < 0)
        tcp_fail(carrier, TOO_MUCH);
    while (tcp->writable && !tcp->failed && queue_length(&tcp->out)) {
        ssize_t sent = send(tcp->source.fd, queue_head(&tcp->out), queue_length(&tcp->out),
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent >= 0) {
            queue_drop(&tcp->out, (size_t)sent);
        } else if (errno == EAGAIN) {
            set_writable(tcp, false);
        } else if (errno != EINTR) {
            tcp_fail(carrier, strerror(errno));
        }
    }
}

static void tcp_send(struct carrier *carrier, const struct wire_header *header,
                     const struct iovec *pieces, int count)
{
    struct tcp *tcp = from_carrier(carrier);

    if (records_put(&tcp->records, &tcp->out, header, pieces, count) < 0)
        tcp_fail(carrier, TOO_MUCH);
    else if (queue_length(&tcp->out) >= TCP_FLUSH_AT)
        tcp_flush(carrier);
}

static size_t tcp_room(struct carrier *carrier)
{
    struct tcp *tcp = from_carrier(carrier);
    size_t queued = queue_length(&tcp->out);

    return tcp->failed || queued >= TCP_OUT_DATA_MAX ? 0 : TCP_OUT_DATA_MAX - queued;
}

static const struct carrier_ops tcp_ops = {
    .send = tcp_send, .room = tcp_room, .flush = tcp_flush, .fail = tcp_fail};

/* Negative: the user called a halt, or the bytes are no message. */
static int parse(struct tcp *tcp)
{
    struct wire_header header;
    const uint8_t *payload;

    while (!tcp->failed) {
        int found = records_next(&tcp->records, &tcp->in, &header, &payload);

        if (found <= 0)
            return found;
        if (tcp->user_ops->message(tcp->user, &header, payload))
            return -EPROTO;
    }
    return 0;
}

static const char *fault(int error)
{
    return error == -EBADMSG ? "a record does not open: it is not what the peer sealed next"
                             : "the peer broke the protocol";
}

static void receive(struct tcp *tcp)
{
    size_t total = 0;
    int error;

    while (total < TCP_READ_PER_TURN && !tcp->failed) {
        size_t want = sizeof(struct wire_record) + WIRE_RECORD_MAX + WIRE_TAG_SIZE;
        uint8_t *room = queue_reserve(&tcp->in, want);
        ssize_t got = room ? read(tcp->source.fd, room, want) : -1;

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got <= 0) {
            tcp_fail(&tcp->carrier, got ? strerror(errno) : "the peer closed the connection");
            return;
        }
        queue_commit(&tcp->in, (size_t)got);
        total += (size_t)got;
        error = parse(tcp);
        if (error)
            tcp_fail(&tcp->carrier, fault(error));
        if ((size_t)got < want)
            return;
    }
}

static void tcp_ready(struct loop_source *source, uint32_t events)
{
    struct tcp *tcp = container_of(source, struct tcp, source);

    if (events & EPOLLOUT) {
        set_writable(tcp, true);
        tcp_flush(&tcp->carrier);
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        receive(tcp);
}

static void tcp_failed(struct loop_timer *timer)
{
    struct tcp *tcp = container_of(timer, struct tcp, failure);

    loop_remove(tcp->loop, &tcp->source);
    tcp->user_ops->ended(tcp->user, tcp->failed);
}

static void set_options(int fd)
{
    static const struct socket_patience patience = {
        .unacknowledged_ms = TCP_TIMEOUT_MS, .idle_s = 10, .interval_s = 3, .count = 4};
    int unsent = TCP_UNSENT_MAX;

    socket_set_patience(fd, &patience);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof(unsent));
}

struct tcp *tcp_new(struct loop *loop, int fd, const struct carrier_user *user_ops, void *user)
{
    struct tcp *tcp = calloc(1, sizeof(*tcp));

    if (!tcp)
        return NULL;
    *tcp = (struct tcp){.carrier.ops = &tcp_ops,
                        .source = {.fd = fd, .ready = tcp_ready},
                        .failure.expired = tcp_failed,
                        .loop = loop,
                        .user_ops = user_ops,
                        .user = user};
    queue_init(&tcp->out, TCP_OUT_MAX);
    queue_init(&tcp->in, TCP_IN_MAX);
    set_options(fd);
    if (loop_add(loop, &tcp->source, EPOLLIN | EPOLLOUT) < 0) {
        free(tcp);
        return NULL;
    }
    return tcp;
}

void tcp_seal(struct tcp *tcp, const uint8_t mine[WIRE_KEY_SIZE],
              const uint8_t theirs[WIRE_KEY_SIZE])
{
    records_seal(&tcp->records, mine, theirs);
}

struct tcp *tcp_free(struct tcp *tcp)
{
    if (!tcp)
        return NULL;
    loop_disarm(tcp->loop, &tcp->failure);
    loop_remove(tcp->loop, &tcp->source);
    close(tcp->source.fd);
    records_wipe(&tcp->records);
    queue_deinit(&tcp->out);
    queue_deinit(&tcp->in);
    free(tcp);
    return NULL;
}

void tcp_set_patience(struct tcp *tcp, uint32_t ms)
{
    socket_set_unacknowledged(tcp->source.fd, ms ? (int)ms : TCP_TIMEOUT_MS);
}
