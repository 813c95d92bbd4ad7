/* A UNIX socket says only that its other end is closed. An orderly end is one that the agent
 * vouches for, by the name that its end of the socket has (abi/shim.h): an agent that was killed
 * cannot. */
#include "shim/ending.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/un.h>

#include "shim/real.h"

static bool hung_up(int fd)
{
    struct pollfd asked = {.fd = fd};

    return real()->poll(&asked, 1, 0) > 0 && asked.revents & POLLHUP;
}

static bool is_vouched_for(int fd)
{
    struct sockaddr_un name;
    socklen_t length = sizeof(name);

    return real()->getpeername(fd, (struct sockaddr *)&name, &length) < 0 ||
           length > offsetof(struct sockaddr_un, sun_path);
}

int ending_take_error(struct handle *handle, int fd)
{
    if (!handle->stream || handle->deaf || is_vouched_for(fd) || !hung_up(fd) ||
        atomic_exchange(&handle->end_told, true))
        return 0;
    return ECONNRESET;
}
