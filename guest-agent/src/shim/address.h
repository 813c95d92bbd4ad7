/* AF_VSOCK addresses. */
#pragma once

#include <linux/vm_sockets.h>
#include <stdint.h>
#include <sys/socket.h>

/* -EINVAL for what is no such address. */
int address_read(struct sockaddr_vm *vm, const struct sockaddr *address, socklen_t length);
/* As the kernel gives addresses out: cut to *length, which becomes the whole length. */
void address_write(struct sockaddr *address, socklen_t *length, uint32_t cid, uint32_t port);
