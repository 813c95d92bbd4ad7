/* How a stream has ended: in order, or by a reset. */
#pragma once

#include "shim/handles.h"

/* Where nothing can be read any more: ECONNRESET if the end is a reset that was not told yet; 0. */
int ending_take_error(struct handle *handle, int fd);
