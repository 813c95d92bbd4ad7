#include "shim/address.h"

#include <errno.h>
#include <string.h>

int address_read(struct sockaddr_vm *vm, const struct sockaddr *address, socklen_t length)
{
    if (!address || length < sizeof(*vm))
        return -EINVAL;
    memcpy(vm, address, sizeof(*vm));
    return vm->svm_family == AF_VSOCK ? 0 : -EINVAL;
}

void address_write(struct sockaddr *address, socklen_t *length, uint32_t cid, uint32_t port)
{
    struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_port = port, .svm_cid = cid};

    if (!address || !length)
        return;
    memcpy(address, &vm, *length < sizeof(vm) ? *length : sizeof(vm));
    *length = sizeof(vm);
}
