/* A program that is replaced leaves its rings behind: what its successor inherits are sockets. */
#include <fcntl.h>
#include <unistd.h>

#include "shim/epoll_set.h"
#include "shim/handles.h"
#include "shim/real.h"

static void renounce_inherited(struct handle *handle, int fd)
{
    if (real()->fcntl(fd, F_GETFD) & FD_CLOEXEC)
        return;
    if (handle->epoll)
        epoll_set_forsake(handle->epoll);
    else
        held_renounce(handle);
}

int execve(const char *path, char *const arguments[], char *const environment[])
{
    handle_each(renounce_inherited);
    return real()->execve(path, arguments, environment);
}

int execv(const char *path, char *const arguments[])
{
    handle_each(renounce_inherited);
    return real()->execv(path, arguments);
}

int execvp(const char *file, char *const arguments[])
{
    handle_each(renounce_inherited);
    return real()->execvp(file, arguments);
}

int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    handle_each(renounce_inherited);
    return real()->execvpe(file, arguments, environment);
}

int fexecve(int fd, char *const arguments[], char *const environment[])
{
    handle_each(renounce_inherited);
    return real()->fexecve(fd, arguments, environment);
}
