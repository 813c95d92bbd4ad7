/* Takes away from the process, for good, every system call that it does not need at its work. */
#pragma once

/* A refused call fails as one that the kernel does not have. Negative: the kernel has no filters.
 */
int confine_agent(void);
int confine_opener(void); /* the process that keeps privileges for the agent (daemon/opener.h) */
