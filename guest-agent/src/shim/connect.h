/* Connecting, also for a program that does not wait for it. */
#pragma once

#include <stdbool.h>

#include "shim/handles.h"

/* Looks whether a connect that was left to itself has ended, and notes how. */
void connect_settle(struct handle *handle, int fd);
/* What SO_ERROR tells, once. */
int connect_take_error(struct handle *handle, int fd);
