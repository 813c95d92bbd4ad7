/* Addresses as text: vsock:CID:PORT, tcp:ADDRESS:PORT, unix:PATH. */
#pragma once

#include <sys/socket.h>

struct address {
    struct sockaddr_storage where;
    socklen_t length;
};

/* False for what is no address. */
int address_parse(struct address *address, const char *text);
/* Both return a blocking stream socket, or -1 with errno. */
int address_connect(const struct address *address);
int address_accept_one(const struct address *address);
