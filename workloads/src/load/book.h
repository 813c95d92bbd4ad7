/* A pattern over pages, parts of which are written again and again in a known order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE = 4096 };

/* Memory is written page by page, a file in blocks of several pages. */
struct book {
    uint8_t *memory; /* the pages, or NULL when they are in a file */
    int fd;
    uint8_t *buffer; /* one block, aligned as a disk wants it; for files */
    size_t block_pages, blocks;
    uint64_t start;
    uint64_t stride;   /* the k-th rewrite is of block k * stride modulo blocks */
    uint32_t *turn;    /* per block: the k that comes to it first */
    uint64_t written;  /* rewrites so far: what each block must hold follows from this alone */
    uint64_t bad;      /* pages that did not hold it */
    uint64_t bad_page; /* the first of them */
};

/* In memory when `file` is NULL; a file is made as long as it must be, a disk is used from its
 * beginning. 0, or a positive errno; book_deinit is due in both cases. */
int book_init(struct book *book, const char *file, size_t bytes, uint64_t seed);
void book_deinit(struct book *book);

/* Checks the block whose turn it is and writes its next content. */
void book_rewrite(struct book *book);

/* Checks every block. Returns how many bytes that were. */
uint64_t book_check(struct book *book);
