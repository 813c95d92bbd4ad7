#include "base/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>

int serial_open(const char *path)
{
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    struct termios mode;

    if (fd < 0)
        return -errno;
    if (tcgetattr(fd, &mode) == 0) {
        cfmakeraw(&mode);
        tcsetattr(fd, TCSANOW, &mode);
    }
    return fd;
}
