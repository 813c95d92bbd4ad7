#include "sender.h"
#include "clock.h"

#include <errno.h>
#include <sys/socket.h>

void sender_init(struct sender *sender, const struct options *options)
{
    *sender = (struct sender){
        .start = pattern_start(options->send_seed),
        .limit = options->bytes,
        .chunk = options->chunk,
        .pace_ns = options->pace_ms * NS_PER_MS,
        .unchecked = options->unchecked,
        .done = !options->sends,
    };
}

void sender_stop(struct sender *sender)
{
    uint64_t promised = sender->marked ? 0 : sender->end - sender->begin;
    if (sender->limit > sender->sent + promised)
        sender->limit = sender->sent + promised;
}

/* The pattern is made in whole words; what lies before an odd offset is skipped. */
static void refill(struct sender *sender)
{
    uint64_t left = sender->limit - sender->sent;
    if (left == 0) {
        pattern_end_write(sender->buffer, sender->start, sender->sent);
        sender->marked = true;
        sender->begin = 0;
        sender->end = PATTERN_END;
        return;
    }
    size_t skipped = sender->sent % PATTERN_WORD;
    size_t length = left < sender->chunk ? left : sender->chunk;
    size_t words = (skipped + length + PATTERN_WORD - 1) / PATTERN_WORD;
    if (!sender->unchecked || sender->sent == 0)
        pattern_fill(sender->buffer, words, sender->start, sender->sent / PATTERN_WORD);
    sender->begin = skipped;
    sender->end = skipped + length;
}

bool sender_wants(struct sender *sender, uint64_t now_ns)
{
    if (sender->done)
        return false;
    if (sender->begin < sender->end)
        return true;
    if (now_ns < sender->due_ns && sender->sent < sender->limit)
        return false;
    refill(sender);
    sender->due_ns = now_ns + sender->pace_ns;
    return true;
}

int sender_write(struct sender *sender, int fd, uint64_t now_ns)
{
    if (!sender_wants(sender, now_ns))
        return 0;
    ssize_t written =
        send(fd, sender->buffer + sender->begin, sender->end - sender->begin, MSG_NOSIGNAL);
    if (written < 0)
        return errno == EINTR ? EAGAIN : errno;
    sender->begin += (size_t)written;
    if (!sender->marked)
        sender->sent += (uint64_t)written;
    else if (sender->begin == sender->end)
        sender->done = shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN;
    return 0;
}
