/* Direct mode: the program itself holds its ends of a stream's two rings, and the agent only wakes
 * and, at any moment, takes them back. One page of memory, shared by the agent and the processes
 * that have the stream, says who holds them.
 *
 *   end.holder   Only the agent changes it: it gives the ends away when a shim asks (SHIM_PROMOTE),
 *                and takes them back for a handover, an end of the stream, or when it is asked to.
 *                An end on its way back is nobody's: what the ring had is not in the socket yet.
 *   end.turn     a lock: whoever copies, or takes an end back, has the turn.
 *   end.wake     a futex word: it grows whenever a sleeper has a reason to look again.
 *   end.watched  1: who waits for other things, too, asks for one write to the stream's eventfd
 *                when there is a reason to look again; the agent sets it back.
 *
 * What this end must remember about its ring is here, not in the region: the peer is not trusted.
 * The page belongs to this domain alone; but the agent checks it like everything else. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/region.h"

enum direct_holder { DIRECT_AGENTS = 0, DIRECT_PROGRAMS = 1, DIRECT_LEAVES = 2 };
enum direct_which { DIRECT_TX = 1, DIRECT_RX = 2 };
#define DIRECT_WATCHED 4u /* beside it: the stream's eventfd is wanted, too */

struct direct_end {
    uint32_t turn; /* base/turn.h */
    uint32_t holder;
    uint32_t wake;
    uint32_t sleepers;
    uint64_t index;  /* published up to, or delivered up to */
    uint64_t seen;   /* the other end's index, checked */
    uint32_t asleep; /* this end's flag in the ring is set */
    uint32_t watched;
    uint8_t reserved[24];
};

struct direct_page {
    struct direct_end tx;
    struct direct_end rx;
    uint64_t tx_ring; /* where in the region */
    uint64_t rx_ring;
    uint32_t window;
    uint32_t give_back; /* 1: a program asks the agent to take the ends back */
    uint8_t nonce[REGION_NONCE_SIZE];
};

_Static_assert(sizeof(struct direct_end) == 64, "struct direct_end");
_Static_assert(offsetof(struct direct_page, tx_ring) == 128, "struct direct_page.tx_ring");
_Static_assert(sizeof(struct direct_page) == 168, "struct direct_page");
_Static_assert(sizeof(struct direct_page) <= REGION_PAGE, "one page");
