/* A block's content is one piece of the pattern, another one for each block and generation, so a
 * page that is stale, torn, or another's is told from the right one. Its generation follows from
 * the number of rewrites: there is no table of them that could be damaged like the pages. */
#include "book.h"
#include "../pattern.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STRIDE = 7919, BLOCK_MAX = 64 * 1024 };

static uint64_t divisor(uint64_t a, uint64_t b)
{
    return b ? divisor(b, a % b) : a;
}

static size_t block_bytes(const struct book *book)
{
    return book->block_pages * PAGE;
}

static uint64_t generation(const struct book *book, size_t block)
{
    uint64_t turn = book->turn[block];
    return book->written > turn ? (book->written - turn - 1) / book->blocks + 1 : 0;
}

/* Where in the pattern the content of a block begins, in bytes. */
static uint64_t place(const struct book *book, size_t block, uint64_t gen)
{
    return (gen * book->blocks + block) * block_bytes(book);
}

static uint8_t *room(struct book *book, size_t block)
{
    return book->memory ? book->memory + block * PAGE : book->buffer;
}

static bool load_block(struct book *book, size_t block)
{
    ssize_t bytes = (ssize_t)block_bytes(book);
    return book->memory ||
           pread(book->fd, book->buffer, (size_t)bytes, (off_t)block * bytes) == bytes;
}

static bool store_block(struct book *book, size_t block)
{
    ssize_t bytes = (ssize_t)block_bytes(book);
    return book->memory ||
           pwrite(book->fd, book->buffer, (size_t)bytes, (off_t)block * bytes) == bytes;
}

static void note(struct book *book, size_t page, bool right)
{
    if (!right && book->bad++ == 0)
        book->bad_page = page;
}

static void check(struct book *book, size_t block)
{
    bool loaded = load_block(book, block);
    uint64_t offset = place(book, block, generation(book, block));
    for (size_t n = 0; n < book->block_pages; n++) {
        const uint8_t *page = room(book, block) + n * PAGE;
        bool right = loaded && pattern_match(page, PAGE, book->start, offset + n * PAGE) == PAGE;
        note(book, block * book->block_pages + n, right);
    }
}

static void write_block(struct book *book, size_t block, uint64_t gen)
{
    size_t words = block_bytes(book) / PATTERN_WORD;
    pattern_fill(room(book, block), words, book->start, place(book, block, gen) / PATTERN_WORD);
    if (!store_block(book, block))
        note(book, block * book->block_pages, false);
}

/* A disk is read past the cache of the guest, where it can be: what is checked is what it holds. */
static int open_file(const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL)
        fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd;
}

/* The largest that divides the whole, up to a limit: for a disk few large requests are cheap. */
static size_t pages_of_a_block(size_t pages)
{
    size_t most = BLOCK_MAX / PAGE;
    while (pages % most)
        most /= 2;
    return most;
}

static int get_room(struct book *book, const char *file)
{
    if (file) {
        book->fd = open_file(file);
        return book->fd < 0 ? errno
                            : posix_memalign((void **)&book->buffer, PAGE, block_bytes(book));
    }
    void *memory =
        mmap(NULL, book->blocks * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return errno;
    book->memory = memory;
    return 0;
}

int book_init(struct book *book, const char *file, size_t bytes, uint64_t seed)
{
    size_t pages = bytes / PAGE;
    *book = (struct book){.fd = -1, .start = pattern_start(seed), .stride = STRIDE};
    if (!pages)
        return 0;
    book->block_pages = file ? pages_of_a_block(pages) : 1;
    book->blocks = pages / book->block_pages;
    int error = get_room(book, file);
    if (error)
        return error;
    book->turn = calloc(book->blocks, sizeof *book->turn);
    if (!book->turn)
        return ENOMEM;
    while (divisor(book->stride, book->blocks) != 1)
        book->stride++;
    for (size_t k = 0; k < book->blocks; k++)
        book->turn[k * book->stride % book->blocks] = (uint32_t)k;
    for (size_t block = 0; block < book->blocks; block++)
        write_block(book, block, 0);
    return book->bad ? EIO : 0;
}

void book_deinit(struct book *book)
{
    if (book->memory)
        munmap(book->memory, book->blocks * PAGE);
    if (book->fd >= 0)
        close(book->fd);
    free(book->buffer);
    free(book->turn);
}

void book_rewrite(struct book *book)
{
    size_t block = book->written * book->stride % book->blocks;
    check(book, block);
    book->written++;
    write_block(book, block, generation(book, block));
}

uint64_t book_check(struct book *book)
{
    for (size_t block = 0; block < book->blocks; block++)
        check(book, block);
    return book->blocks * block_bytes(book);
}
