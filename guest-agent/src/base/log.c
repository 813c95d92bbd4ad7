#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

/* A hostile peer can make us complain: no more than this many lines each second are written. */
#define LINES_PER_SECOND 200

static int log_fd = STDERR_FILENO;
static uint64_t window_start_us;
static unsigned window_lines;

int log_open(const char *path)
{
    int fd;

    if (!path)
        return 0;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    log_fd = fd;
    return 0;
}

static int over_limit(uint64_t now_us)
{
    unsigned left_out = window_lines > LINES_PER_SECOND ? window_lines - LINES_PER_SECOND : 0;

    if (now_us - window_start_us > 1000000u) {
        window_start_us = now_us;
        window_lines = 0;
        if (left_out)
            log_line(LOG_WARNING, "%u lines were left out here: too many in a second", left_out);
    }
    return ++window_lines > LINES_PER_SECOND;
}

void log_line(enum log_level level, const char *format, ...)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    uint64_t now_us = clock_now_us();
    char line[1024];
    va_list args;
    int used, more;

    if (over_limit(now_us))
        return;
    used = snprintf(line, sizeof(line), "%" PRIu64 ".%06u %s ", now_us / 1000000u,
                    (unsigned)(now_us % 1000000u), names[level]);
    va_start(args, format);
    more = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, args);
    va_end(args);
    used += more < 0 ? 0 : more;
    if ((size_t)used > sizeof(line) - 2)
        used = sizeof(line) - 2;
    line[used++] = '\n';
    if (write(log_fd, line, (size_t)used) < 0)
        return; /* a log that cannot be written has nowhere to complain */
}
