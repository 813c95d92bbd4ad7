/* Takes away from the process, for good, every system call that an agent at work does not need. */
#pragma once

/* A refused call fails as one that the kernel does not have. Negative: the kernel has no filters.
 */
int confine(void);
