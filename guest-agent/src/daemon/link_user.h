/* The daemon, as the link of a peer sees it. Its `user` is the peer. */
#pragma once

#include "link/link.h"

extern const struct link_user peer_link_user;
