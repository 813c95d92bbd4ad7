/* Holds a pattern in memory and one in a file, keeps rewriting parts of them at a given rate, and
 * checks all of both when somebody connects to its socket. */
#include "../clock.h"
#include "book.h"
#include "load.h"
#include "reach.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TICK_MS = 10, ANSWER_MAX = 512 };

struct burden {
    struct book ram, disk;
    uint64_t pages_per_second;
    uint64_t since_ns, done; /* the rate is kept from here on; a backlog is forgotten */
    uint64_t behind;         /* pages that were due and forgotten */
    bool wrong;              /* a page was, at some time */
};

/* Rewrites what is due. A guest that was paused, or is too slow, does not catch up for ever. */
static void keep_rate(struct burden *b)
{
    uint64_t now_ns = clock_ns();
    uint64_t due = (now_ns - b->since_ns) / NS_PER_MS * b->pages_per_second / 1000;
    uint64_t most = b->pages_per_second / (1000 / TICK_MS) * 10 + 1;
    if (due > b->done + most) {
        b->behind += due - b->done - most;
        b->done = due - most;
    }
    for (; b->done < due; b->done++) {
        if (b->ram.blocks)
            book_rewrite(&b->ram);
        if (b->disk.blocks && b->done % b->disk.block_pages == 0)
            book_rewrite(&b->disk);
    }
}

/* What was found is told once: a page that is still wrong is found again. */
static void forget_findings(struct burden *b)
{
    b->wrong |= b->ram.bad || b->disk.bad;
    b->ram.bad = b->disk.bad = 0;
}

static uint64_t rewritten(const struct book *book)
{
    return book->written * book->block_pages * PAGE;
}

static void answer(struct burden *b, int fd)
{
    char text[ANSWER_MAX];
    uint64_t ram = b->ram.blocks ? book_check(&b->ram) : 0;
    uint64_t disk = b->disk.blocks ? book_check(&b->disk) : 0;
    int length = snprintf(
        text, sizeof text,
        "{\"ram_checked\": %" PRIu64 ", \"ram_bad\": %" PRIu64 ", \"ram_bad_page\": %" PRIu64
        ", \"disk_checked\": %" PRIu64 ", \"disk_bad\": %" PRIu64 ", \"disk_bad_page\": %" PRIu64
        ", \"rewritten\": %" PRIu64 ", \"behind\": %" PRIu64 ", \"monotonic_ns\": %" PRIu64 "}\n",
        ram, b->ram.bad, b->ram.bad_page, disk, b->disk.bad, b->disk.bad_page,
        rewritten(&b->ram) + rewritten(&b->disk), b->behind * PAGE, clock_ns());
    if (send(fd, text, (size_t)length, MSG_NOSIGNAL) != length)
        complain(BROKEN, "cannot answer", "pages", strerror(errno));
    forget_findings(b);
}

static void run(struct burden *b, int listener)
{
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    b->since_ns = clock_ns();
    while (!stops) {
        if (b->pages_per_second)
            keep_rate(b);
        if (poll(&wait, 1, b->pages_per_second ? TICK_MS : -1) <= 0)
            continue;
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            answer(b, fd);
            close(fd);
        }
    }
}

static int open_books(struct burden *b, char **arguments)
{
    uint64_t seed = number_option(arguments, "seed", 0);
    int error = book_init(&b->ram, NULL, number_option(arguments, "ram", PAGE), seed);
    const char *file = text_option(arguments, "file", NULL);
    if (!error && file)
        error = book_init(&b->disk, file, number_option(arguments, "disk", PAGE), ~seed);
    b->pages_per_second = number_option(arguments, "dirty", 0) / PAGE;
    return error;
}

enum exit_code pages(char **arguments)
{
    struct burden b = {.ram.fd = -1, .disk.fd = -1};
    const char *path = text_option(arguments, "socket", NULL);
    if (!path)
        return complain(USAGE, "nobody could ask", "pages", "--socket PATH");
    int error = open_books(&b, arguments);
    if (error)
        return complain(BROKEN, "cannot hold the patterns", "pages", strerror(error));
    unlink(path);
    int listener = reach_listen(path);
    if (listener < 0)
        return complain(BROKEN, "cannot listen", path, strerror(errno));
    catch_stop();
    run(&b, listener);
    unlink(path);
    forget_findings(&b);
    book_deinit(&b.ram);
    book_deinit(&b.disk);
    return b.wrong ? WRONG : CLEAN;
}

enum exit_code ask(char **arguments)
{
    char text[ANSWER_MAX];
    if (!*arguments)
        return complain(USAGE, "nobody to ask", "ask", "load ask PATH");
    int fd = reach_connect(*arguments);
    if (fd < 0)
        return complain(BROKEN, "nobody answers", *arguments, strerror(errno));
    size_t got = 0;
    for (ssize_t length = 1; length > 0 && got < sizeof text; got += (size_t)length) {
        length = read(fd, text + got, sizeof text - got);
        if (length < 0)
            return complain(BROKEN, "the answer broke off", *arguments, strerror(errno));
    }
    fwrite(text, 1, got, stdout);
    return got ? CLEAN : complain(BROKEN, "no answer", *arguments, "it ended");
}
