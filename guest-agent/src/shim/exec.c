/* A program that is replaced leaves its rings behind: what its successor inherits are sockets. So
 * are what its children get. */
#include <alloca.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
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

/* ---- with the arguments one by one ---- */

static size_t count_arguments(const char *first, va_list *list)
{
    size_t count = 0;

    for (const char *next = first; next; next = va_arg(*list, const char *))
        count++;
    return count;
}

static void gather(char *arguments[], const char *first, va_list *list)
{
    for (const char *next = first; next; next = va_arg(*list, const char *))
        *arguments++ = (char *)(uintptr_t)next;
    *arguments = NULL;
}

/* On the stack: between fork() and exec() there may be no malloc(). */
#define GATHER(arguments, first, list)                                                             \
    va_start(list, first);                                                                         \
    (arguments) = alloca((count_arguments(first, &(list)) + 1) * sizeof(*(arguments)));            \
    va_end(list);                                                                                  \
    va_start(list, first);                                                                         \
    gather(arguments, first, &(list))

int execl(const char *path, const char *first, ...)
{
    char **arguments;
    va_list list;

    GATHER(arguments, first, list);
    va_end(list);
    return execv(path, arguments);
}

int execlp(const char *file, const char *first, ...)
{
    char **arguments;
    va_list list;

    GATHER(arguments, first, list);
    va_end(list);
    return execvp(file, arguments);
}

int execle(const char *path, const char *first, ...)
{
    char **arguments;
    char *const *environment;
    va_list list;

    GATHER(arguments, first, list);
    environment = va_arg(list, char *const *);
    va_end(list);
    return execve(path, arguments, environment);
}

/* ---- children that the C library makes ---- */

int posix_spawn(pid_t *child, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *how, char *const arguments[], char *const environment[])
{
    handle_each(renounce_inherited);
    return real()->posix_spawn(child, path, actions, how, arguments, environment);
}

int posix_spawnp(pid_t *child, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *how, char *const arguments[], char *const environment[])
{
    handle_each(renounce_inherited);
    return real()->posix_spawnp(child, file, actions, how, arguments, environment);
}

/* The child gets it, even where the descriptor itself is one that exec() closes. */
int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *actions, int from, int to)
{
    handle_renounce(from);
    return real()->posix_spawn_file_actions_adddup2(actions, from, to);
}

int system(const char *command)
{
    handle_each(renounce_inherited);
    return real()->system(command);
}

FILE *popen(const char *command, const char *mode)
{
    handle_each(renounce_inherited);
    return real()->popen(command, mode);
}
