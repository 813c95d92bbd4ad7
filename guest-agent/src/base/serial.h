/* A guest's virtio-serial port, or a terminal in its place: opened so that every byte passes as it
 * is. */
#pragma once

#define SERIAL_RETRY_US 500000u /* after which one that could not be opened is tried again */

/* A file descriptor that does not block, or a negative errno. */
int serial_open(const char *path);
