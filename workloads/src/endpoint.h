/* Opens the stream, whichever way it is reached. */
#pragma once

#include "options.h"

#include <signal.h>
#include <sys/types.h>

struct endpoint {
    int fd;          /* the stream, non-blocking */
    int listener;    /* or -1; kept open, as a server would, until the stream is over */
    pid_t child;     /* or 0 */
    const char *own; /* the socket file we made, or NULL */
};

/* Gives up early once *stop is set. 0: open. 1: wrong usage. 3: no peer came, or a system call
 * failed; standard error says which. In every case endpoint_deinit is due. */
int endpoint_init(struct endpoint *endpoint, const struct options *options,
                  const volatile sig_atomic_t *stop);

/* Closes everything. Returns the child's wait status, or -1 without one; a child that has not
 * ended by itself when its stream is closed is killed. */
int endpoint_deinit(struct endpoint *endpoint);
