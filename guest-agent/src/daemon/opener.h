/* What takes more rights than an agent at work has: opening regions and ports, and doing something
 * as the user who acts for a remote domain.
 *
 * Where root starts the agent, a process of its own does it: the opener. It keeps root's id and the
 * few capabilities that it takes (opener.c), and hands over what it has opened; the agent itself
 * becomes an ordinary user. The opener does nothing but what is listed here, and looks up itself
 * who acts for a domain, so that whoever took over the agent could do as much as an agent can, and
 * no more. It lives as long as the agent, and the agent ends with it.
 *
 * An agent that somebody else starts has whatever rights it has, and does all this itself. */
#pragma once

#include "base/region_open.h"
#include "daemon/peers.h"

enum opener_port { OPENER_CTL, OPENER_DATA };

/* Starts the opener, and parts with root. Negative: neither has happened. */
int opener_start(struct agent *agent);
/* From now on its end is noticed. */
int opener_watch(struct agent *agent);
void opener_stop(struct agent *agent);

/* All return a descriptor, which the caller owns, or a negative errno. */
int opener_open_port(const struct agent *agent, enum opener_port port);
/* As region_open(). */
int opener_open_region(const struct agent *agent, const char *file,
                       const uint8_t nonce[REGION_NONCE_SIZE], char path[REGION_PATH_MAX],
                       char why[REGION_WHY_MAX]);
/* On a host: to the other end of a guest's port. */
int opener_meet_guest(const struct agent *agent, const char *socket);
/* To a server of this domain as the peer's user, who goes by the name `caller`. */
int opener_connect(const struct peer *peer, const char *name, const char *caller);

/* A pair of sockets that the peer's user has made. 0, or a negative errno. */
int opener_pair(const struct peer *peer, int type, int ends[2]);
/* Whether the peer's user may connect to that server. */
bool opener_reaches(const struct peer *peer, const char *name);
