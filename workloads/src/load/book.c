/* A page's content is one piece of the pattern, another one for each page and generation, so a
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

enum { STRIDE = 7919, WORDS = PAGE / PATTERN_WORD };

static uint64_t divisor(uint64_t a, uint64_t b)
{
    return b ? divisor(b, a % b) : a;
}

static uint64_t generation(const struct book *book, size_t page)
{
    uint64_t turn = book->turn[page];
    return book->written > turn ? (book->written - turn - 1) / book->pages + 1 : 0;
}

static uint64_t place(const struct book *book, size_t page, uint64_t gen)
{
    return (gen * book->pages + page) * WORDS;
}

static uint8_t *room(struct book *book, size_t page)
{
    return book->memory ? book->memory + page * PAGE : book->page;
}

static bool load_page(struct book *book, size_t page)
{
    return book->memory || pread(book->fd, book->page, PAGE, (off_t)(page * PAGE)) == PAGE;
}

static bool store_page(struct book *book, size_t page)
{
    return book->memory || pwrite(book->fd, book->page, PAGE, (off_t)(page * PAGE)) == PAGE;
}

static void note(struct book *book, size_t page, bool right)
{
    if (!right && book->bad++ == 0)
        book->bad_page = page;
}

static void check(struct book *book, size_t page)
{
    uint64_t offset = place(book, page, generation(book, page)) * PATTERN_WORD;
    bool right =
        load_page(book, page) && pattern_match(room(book, page), PAGE, book->start, offset) == PAGE;
    note(book, page, right);
}

static void write_page(struct book *book, size_t page, uint64_t gen)
{
    pattern_fill(room(book, page), WORDS, book->start, place(book, page, gen));
    if (!store_page(book, page))
        note(book, page, false);
}

/* A disk is read past the cache of the guest, where it can be: what is checked is what it holds. */
static int open_file(const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
    if (fd < 0 && errno == EINVAL)
        fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd;
}

static int get_pages(struct book *book, const char *file)
{
    size_t bytes = book->pages * PAGE;
    if (file) {
        book->fd = open_file(file);
        return book->fd < 0 ? errno : posix_memalign((void **)&book->page, PAGE, PAGE);
    }
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return errno;
    book->memory = memory;
    return 0;
}

int book_init(struct book *book, const char *file, size_t bytes, uint64_t seed)
{
    *book = (struct book){
        .fd = -1, .pages = bytes / PAGE, .start = pattern_start(seed), .stride = STRIDE};
    if (!book->pages)
        return 0;
    int error = get_pages(book, file);
    if (error)
        return error;
    book->turn = calloc(book->pages, sizeof *book->turn);
    if (!book->turn)
        return ENOMEM;
    while (divisor(book->stride, book->pages) != 1)
        book->stride++;
    for (size_t k = 0; k < book->pages; k++)
        book->turn[k * book->stride % book->pages] = (uint32_t)k;
    for (size_t page = 0; page < book->pages; page++)
        write_page(book, page, 0);
    return book->bad ? EIO : 0;
}

void book_deinit(struct book *book)
{
    if (book->memory)
        munmap(book->memory, book->pages * PAGE);
    if (book->fd >= 0)
        close(book->fd);
    free(book->page);
    free(book->turn);
}

void book_rewrite(struct book *book)
{
    size_t page = book->written * book->stride % book->pages;
    check(book, page);
    book->written++;
    write_page(book, page, generation(book, page));
}

uint64_t book_check(struct book *book)
{
    for (size_t page = 0; page < book->pages; page++)
        check(book, page);
    return book->pages * PAGE;
}
