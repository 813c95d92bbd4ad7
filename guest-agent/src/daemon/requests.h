/* Requests about a link that are answered later. */
#pragma once

#include "daemon/peers.h"

void requests_hand_over(struct peer *peer, enum wire_path to, uint32_t deadline_ms,
                        struct reply *reply);
void requests_handed_over(void *user, const struct handover_report *report);

/* `file` NULL: an ivshmem device. */
void requests_attach(struct peer *peer, const uint8_t nonce[REGION_NONCE_SIZE], const char *file,
                     uint32_t deadline_ms, struct reply *reply);
void requests_attach_retry(struct loop_timer *timer);

/* Answers all that wait: the link is going away. */
void requests_drop(struct peer *peer);
