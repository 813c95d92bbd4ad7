/* A lock and a place to sleep in memory that processes of one domain share.
 *
 * The word of a lock holds its owner's thread id. An owner that was killed is found out by whoever
 * waits: nothing it had begun counts before it is published, so the lock is simply taken over. No
 * signal handler interrupts an owner (base/critical.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define TURN_FOREVER UINT64_MAX

/* Whether that process knows threads by the same ids as this one. A process of another PID
 * namespace would take owners that live for dead ones, and the other way round. */
bool turn_can_be_shared(pid_t process);
/* False when the owner lives and does not let go for that long. */
bool turn_take(uint32_t *turn, uint64_t timeout_us);
void turn_give(uint32_t *turn);

/* Sleeps until the word is no longer `seen`, somebody wakes it, or the time is over. -EINTR: a
 * signal was handled; else 0. */
int turn_sleep(const uint32_t *word, uint32_t seen, uint64_t timeout_us);
/* Changes the word and wakes all who sleep on it. */
void turn_wake(uint32_t *word);
