/* Fills streams, for ever: only how fast they are emptied limits it. */
#include "load.h"
#include "reach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 16 << 10, READY = 64 };

static enum exit_code connect_all(int poller, const char *where, uint64_t streams)
{
    for (uint64_t i = 0; i < streams; i++) {
        int fd = reach_connect(where);
        struct epoll_event event = {.events = EPOLLOUT, .data.fd = fd};
        if (fd < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
            epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0)
            return complain(BROKEN, "cannot connect", where, strerror(errno));
    }
    return CLEAN;
}

enum exit_code pour(char **arguments)
{
    static const uint8_t chunk[CHUNK];
    struct epoll_event ready[READY];

    if (!*arguments)
        return complain(USAGE, "nowhere to pour", "pour", "load pour WHERE");
    catch_stop();
    int poller = epoll_create1(EPOLL_CLOEXEC);
    enum exit_code code = connect_all(poller, *arguments, number_option(arguments, "streams", 1));
    while (code == CLEAN && !stops) {
        int count = epoll_wait(poller, ready, READY, -1);
        for (int i = 0; i < count; i++)
            if (send(ready[i].data.fd, chunk, CHUNK, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
                code = complain(BROKEN, "a stream broke", *arguments, strerror(errno));
    }
    return code;
}
