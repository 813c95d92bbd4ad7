/* How a peer is called: over the guest network first, and through the hosts where that leads
 * nowhere. While a link goes through the hosts, the network is tried again now and then: a new
 * connection that proves itself replaces the old one. */
#pragma once

#include "daemon/peers.h"

void dialling_init(struct peer *peer);
void dialling_start(struct peer *peer); /* at once */
void dialling_later(struct peer *peer); /* after its back-off */
/* The network leads nowhere: by the hosts, if they are a way, else later. */
void dialling_fall_back(struct peer *peer);
void dialling_stop(struct peer *peer);
/* The link has a connection. */
void dialling_done(struct peer *peer);
