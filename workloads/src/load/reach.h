/* Sockets by a UNIX path or an IPv4 ADDRESS:PORT. Each returns a descriptor, or -1 with errno. */
#pragma once

int reach_listen(const char *where);
int reach_connect(const char *where);
