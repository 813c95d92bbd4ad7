/* stdio reads and writes by calls within the C library, which nobody sees: a socket that it is
 * given is the kernel's from then on. Bytes that it puts into the socket and bytes that the program
 * puts into a ring would overtake each other. */
#include <stdio.h>

#include "shim/checked.h"
#include "shim/handles.h"
#include "shim/real.h"

FILE *fdopen(int fd, const char *mode)
{
    handle_renounce(fd);
    return real()->fdopen(fd, mode);
}

/* It closes its descriptor by a call that nobody sees, too. */
int fclose(FILE *file)
{
    handle_drop(fileno(file));
    return real()->fclose(file);
}

FILE *freopen(const char *path, const char *mode, FILE *file)
{
    handle_drop(fileno(file));
    return real()->freopen(path, mode, file);
}

FILE *freopen64(const char *path, const char *mode, FILE *file) __attribute__((alias("freopen")));

int vdprintf(int fd, const char *format, va_list arguments)
{
    handle_renounce(fd);
    return real()->vdprintf(fd, format, arguments);
}

int dprintf(int fd, const char *format, ...)
{
    va_list arguments;
    int put;

    va_start(arguments, format);
    put = vdprintf(fd, format, arguments);
    va_end(arguments);
    return put;
}

int __vdprintf_chk(int fd, int flag, const char *format, va_list arguments)
{
    handle_renounce(fd);
    return real()->__vdprintf_chk(fd, flag, format, arguments);
}

int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list arguments;
    int put;

    va_start(arguments, format);
    put = __vdprintf_chk(fd, flag, format, arguments);
    va_end(arguments);
    return put;
}
