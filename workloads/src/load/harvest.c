/* Reports grow in a guest's memory. Reading them from where the last reading ended, and punching
 * out what was read, keeps their offsets and gives the memory back, with no moment at which a line
 * that is just being written could be lost. */
#include "load.h"
#include "size.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* What ends behind the last whole line. */
static size_t whole_lines(const char *text, size_t length)
{
    while (length > 0 && text[length - 1] != '\n')
        length--;
    return length;
}

static enum exit_code reap(const char *path, int fd, uint64_t offset)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || (uint64_t)status.st_size < offset)
        return complain(BROKEN, "not the file it was", path, "it is shorter than before");
    size_t length = (size_t)status.st_size - offset;
    char *text = malloc(length + 1);
    if (!text || pread(fd, text, length, (off_t)offset) != (ssize_t)length) {
        free(text);
        return complain(BROKEN, "cannot be read", path, strerror(errno));
    }
    size_t whole = whole_lines(text, length);
    printf("{\"harvest\": \"%s\", \"end\": %" PRIu64 "}\n", path, offset + whole);
    fwrite(text, 1, whole, stdout);
    free(text);
    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)(offset + whole));
    return CLEAN;
}

static void put_size(const char *program)
{
    struct size size;
    if (size_of(program, &size) == 0)
        printf("{\"agent_kib\": %" PRIu64 ", \"agent_fds\": %" PRIu64 "}\n", size.kib, size.fds);
}

/* Whoever may do so passes the streams at full rate by: they must not keep a look waiting. */
static void hurry(void)
{
    setpriority(PRIO_PROCESS, 0, -10);
}

/* The files stand behind the options: each option has one value. */
static char **skip_options(char **arguments)
{
    while (arguments[0] && strncmp(arguments[0], "--", 2) == 0 && arguments[1])
        arguments += 2;
    return arguments;
}

enum exit_code harvest(char **arguments)
{
    enum exit_code code = CLEAN;
    hurry();
    const char *patterns = text_option(arguments, "patterns", NULL);
    const char *program = text_option(arguments, "size-of", NULL);
    if (patterns)
        code = ask((char *[]){(char *)patterns, NULL});
    if (program)
        put_size(program);
    for (arguments = skip_options(arguments); arguments[0] && arguments[1]; arguments += 2) {
        int fd = open(arguments[0], O_RDWR | O_CLOEXEC);
        enum exit_code this = fd < 0 ? complain(BROKEN, "cannot open", *arguments, strerror(errno))
                                     : reap(*arguments, fd, strtoull(arguments[1], NULL, 10));
        if (fd >= 0)
            close(fd);
        code = this ? this : code;
    }
    return code;
}
