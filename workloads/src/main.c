/* The oracle: one process is one end of one full-duplex stream. One loop, one thread: a read
 * that is checked, a write that was generated, a sample now and then. */
#include "clock.h"
#include "endpoint.h"
#include "options.h"
#include "report.h"
#include "sender.h"
#include "verifier.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum exit_code { CLEAN = 0, BYTES_WRONG = 1, USAGE = 2, STREAM_BROKEN = 3 };

struct session {
    const struct options *options;
    struct endpoint endpoint;
    struct sender sender;
    struct verifier verifier;
    struct meter sending, receiving;
    struct report report;
    uint64_t began_ns, sample_ns;
    uint64_t read_due_ns;    /* not before it is anything read */
    uint64_t quiet_since_ns; /* we have ended; since then, or since its last byte, only the peer */
    bool eof;
    bool broken;       /* nothing more can come of it */
    const char *error; /* the first one */
};

static volatile sig_atomic_t stops;

static void on_stop(int number)
{
    (void)number;
    stops = stops + 1;
}

static void fail(struct session *s, const char *error)
{
    if (!s->error)
        s->error = error;
}

static void break_off(struct session *s, const char *error)
{
    fail(s, error);
    s->broken = true;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* The peer's silence before its first byte and behind its end mark is no stall. */
static void note_received(struct session *s, uint64_t now_ns)
{
    meter_want(&s->receiving, now_ns);
    meter_progress(&s->receiving, now_ns);
    if (s->verifier.ended)
        meter_rest(&s->receiving);
    s->quiet_since_ns = now_ns;
}

static void receive(struct session *s)
{
    static uint8_t buffer[CHUNK_MAX];
    ssize_t length = read(s->endpoint.fd, buffer, sizeof buffer);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length < 0)
        break_off(s, errno == ECONNRESET ? "reset by the peer" : strerror(errno));
    if (length <= 0) {
        s->eof = length == 0;
        meter_rest(&s->receiving);
        return;
    }
    if (s->options->unchecked)
        s->verifier.verified += (uint64_t)length;
    else if (s->options->expects)
        verifier_feed(&s->verifier, buffer, (size_t)length);
    note_received(s, clock_ns());
    s->read_due_ns = clock_ns() + s->options->read_pace_ms * NS_PER_MS;
}

/* A peer that no longer reads may still have said something: reading goes on. */
static void transmit(struct session *s)
{
    int error = sender_write(&s->sender, s->endpoint.fd, clock_ns());
    if (error == EAGAIN)
        return;
    meter_progress(&s->sending, clock_ns());
    if (error) {
        fail(s, error == EPIPE ? "the peer closed before we had ended" : strerror(error));
        s->sender.done = true;
    }
    s->quiet_since_ns = clock_ns();
}

static bool told_to_stop(const struct options *options)
{
    return stops > 0 || (options->stop_file && access(options->stop_file, F_OK) == 0);
}

static void judge_silence(struct session *s, uint64_t now_ns)
{
    bool ended = s->sender.done && (s->options->sends || told_to_stop(s->options));
    if (!ended)
        s->quiet_since_ns = now_ns;
    else if (now_ns - s->quiet_since_ns > s->options->finish_within * NS_PER_S)
        break_off(s, "the peer was silent for too long after we had ended");
}

static void sample(struct session *s, uint64_t now_ns)
{
    report_sample(&s->report, now_ns, s->sender.sent, &s->verifier, &s->sending, &s->receiving);
    s->sample_ns = now_ns + s->options->interval_ms * NS_PER_MS;
    if (told_to_stop(s->options))
        sender_stop(&s->sender);
    if (stops > 1)
        break_off(s, "told to stop at once");
    judge_silence(s, now_ns);
}

static struct timespec time_to_wait(const struct session *s, uint64_t now_ns)
{
    uint64_t wake = s->sample_ns;
    if (!s->sender.done && s->sender.pace_ns && s->sender.due_ns < wake)
        wake = s->sender.due_ns;
    if (s->read_due_ns > now_ns && s->read_due_ns < wake)
        wake = s->read_due_ns;
    uint64_t left = wake > now_ns ? wake - now_ns : 0;
    return (struct timespec){(time_t)(left / NS_PER_S), (long)(left % NS_PER_S)};
}

static void wait_and_move(struct session *s, uint64_t now_ns)
{
    bool writes = sender_wants(&s->sender, now_ns);
    if (writes)
        meter_want(&s->sending, now_ns);
    else
        meter_rest(&s->sending);
    bool reads = !s->eof && now_ns >= s->read_due_ns;
    struct pollfd wait = {.fd = reads || writes ? s->endpoint.fd : -1,
                          .events = (short)((reads ? POLLIN : 0) | (writes ? POLLOUT : 0))};
    struct timespec left = time_to_wait(s, now_ns);
    if (ppoll(&wait, 1, &left, NULL) <= 0)
        return;
    if (reads && wait.revents & (POLLIN | POLLHUP | POLLERR))
        receive(s);
    if (writes && wait.revents & (POLLOUT | POLLERR | POLLHUP))
        transmit(s);
}

static void pump(struct session *s)
{
    s->began_ns = s->quiet_since_ns = clock_ns();
    s->sample_ns = s->began_ns + s->options->interval_ms * NS_PER_MS;
    while (!s->broken && !(s->sender.done && s->eof)) {
        uint64_t now_ns = clock_ns();
        if (now_ns >= s->sample_ns)
            sample(s, now_ns);
        wait_and_move(s, now_ns);
    }
    verifier_finish(&s->verifier);
    if (s->options->expects && !s->options->unchecked && !s->verifier.ended)
        fail(s, "the stream ended without the peer's end mark");
}

static void finish(struct session *s)
{
    struct result result = {
        .sent = s->sender.sent,
        .verifier = s->options->expects ? &s->verifier : NULL,
        .sending = &s->sending,
        .receiving = &s->receiving,
        .began_ns = s->began_ns,
        .now_ns = clock_ns(),
        .eof = s->eof,
        .error = s->error,
        .child_status = endpoint_deinit(&s->endpoint),
    };
    report_final(&s->report, &result);
}

static enum exit_code run(struct session *s)
{
    int failed = endpoint_init(&s->endpoint, s->options, &stops);
    if (failed) {
        fail(s, "never connected");
        s->began_ns = clock_ns();
        finish(s);
        return failed == 1 ? USAGE : STREAM_BROKEN;
    }
    pump(s);
    finish(s);
    if (s->verifier.failed)
        return BYTES_WRONG;
    return s->error ? STREAM_BROKEN : CLEAN;
}

int main(int argc, char **argv)
{
    static struct session session;
    struct options options;
    if (options_parse(&options, argc, argv) != 0)
        return USAGE;
    if (report_init(&session.report, options.report) != 0)
        return USAGE;
    catch_signals();
    session.options = &options;
    sender_init(&session.sender, &options);
    verifier_init(&session.verifier, options.expect_seed);
    enum exit_code code = run(&session);
    if (report_deinit(&session.report) != 0 && code == CLEAN)
        code = STREAM_BROKEN;
    return code;
}
