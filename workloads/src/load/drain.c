/* Empties streams as they come, and notes every silence of each. */
#include "load.h"
#include "reach.h"

#include "../clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAMS_MAX = 1024, ROOM = 1 << 18, READY = 64, LISTENER = STREAMS_MAX };

struct drain {
    int poller;
    int listener;
    uint64_t least_ns;
    FILE *report;
    uint32_t count;
    int fd[STREAMS_MAX];
    uint64_t heard_ns[STREAMS_MAX]; /* when bytes last came */
};

static int watch(struct drain *drain, int fd, uint32_t as)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = as};
    return epoll_ctl(drain->poller, EPOLL_CTL_ADD, fd, &event);
}

static void take(struct drain *drain)
{
    int fd = accept4(drain->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (drain->count == STREAMS_MAX || watch(drain, fd, drain->count) < 0) {
        close(fd);
        return;
    }
    drain->fd[drain->count] = fd;
    drain->heard_ns[drain->count++] = clock_ns();
}

/* One line a silence: the stream, the time at which it ended, how long it was. */
static void hear(struct drain *drain, uint32_t stream)
{
    static uint8_t room[ROOM];
    ssize_t length = read(drain->fd[stream], room, sizeof room);
    if (length < 0)
        return;
    uint64_t now = clock_ns(), silent = now - drain->heard_ns[stream];
    drain->heard_ns[stream] = now;
    if (silent >= drain->least_ns)
        fprintf(drain->report, "%" PRIu32 " %" PRIu64 " %" PRIu64 "\n", stream, now, silent);
    if (length == 0)
        close(drain->fd[stream]);
}

static void serve_all(struct drain *drain)
{
    struct epoll_event ready[READY];
    while (!stops) {
        int count = epoll_wait(drain->poller, ready, READY, -1);
        for (int i = 0; i < count; i++)
            if (ready[i].data.u32 == LISTENER)
                take(drain);
            else
                hear(drain, ready[i].data.u32);
    }
}

enum exit_code drain(char **arguments)
{
    static struct drain drain;
    const char *report = text_option(arguments, "report", NULL);
    if (!*arguments || !report)
        return complain(USAGE, "nowhere to listen", "drain", "load drain WHERE --report FILE");
    if (**arguments == '/')
        unlink(*arguments);
    drain.least_ns = number_option(arguments, "least", 0) * NS_PER_MS;
    drain.report = fopen(report, "w");
    if (!drain.report)
        return complain(BROKEN, "cannot write", report, strerror(errno));
    drain.listener = reach_listen(*arguments);
    drain.poller = epoll_create1(EPOLL_CLOEXEC);
    catch_stop();
    if (drain.listener < 0 || watch(&drain, drain.listener, LISTENER) < 0)
        return complain(BROKEN, "cannot listen", *arguments, strerror(errno));
    serve_all(&drain);
    if (**arguments == '/')
        unlink(*arguments);
    return fclose(drain.report) == 0 ? CLEAN : complain(BROKEN, "cannot write", report, "no room");
}
