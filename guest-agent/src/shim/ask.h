/* One question to this domain's agent. */
#pragma once

#include "abi/direct.h"
#include "abi/shim.h"

#define ASK_DIRECT_FDS 4

/* Sends the request, with a descriptor unless `fd` < 0, and waits for the answer at most this long.
 * Returns 0 or a negative errno: the agent's (answer->error), -ETIMEDOUT, -EINTR, or -ENODEV where
 * no agent answers. */
int ask(const struct shim_request *request, int fd, uint64_t timeout_us,
        struct shim_answer *answer);
/* The same without waiting: returns where the answer will come, or a negative errno. */
int ask_without_waiting(const struct shim_request *request, int fd);
/* This domain's id, and that of the host it is on: 0, if that is not known. */
int ask_cids(uint32_t *cid, uint32_t *host);
/* Asks for one end of a stream: the page, the region, the eventfd of the agent's kick, and where
 * `end` has DIRECT_WATCHED the stream's own (else -1). */
int ask_for_direct(uint64_t stream, uint32_t end, uint64_t timeout_us, int fds[ASK_DIRECT_FDS]);
