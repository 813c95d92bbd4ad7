/* Programs that an earlier life of this agent has left with ends of rings, when it was killed.
 *
 * Nobody would ever take them back: the pages that say whose they are (abi/direct.h) are in those
 * programs' memory only. An agent that starts finds them there, by the name that its lock gives
 * them, and takes the ends away: a program that is in the middle of a copy lingers. It needs to be
 * root for that, as a guest's agent is when it starts. */
#pragma once

#include "daemon/agent.h"

/* What the pages of an agent that holds the lock are called. */
void inheritance_name(struct agent *agent);
void inheritance_take(struct agent *agent);
