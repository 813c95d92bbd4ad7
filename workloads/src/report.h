/* JSON lines: a sample per interval, and the final result. */
#pragma once

#include "meter.h"
#include "verifier.h"

#include <stdio.h>

struct report {
    FILE *file; /* samples go here, when there is one; the result goes to stdout otherwise */
    bool failed;
};

struct result {
    uint64_t sent;
    const struct verifier *verifier; /* or NULL: nothing was expected */
    const struct meter *sending, *receiving;
    uint64_t began_ns, now_ns;
    bool eof;
    const char *error; /* or NULL */
    int child_status;  /* as waitpid gives it, or -1 */
};

/* 0, or 1: the file cannot be written, and standard error says why. */
int report_init(struct report *report, const char *path);

void report_sample(struct report *report, uint64_t now_ns, uint64_t sent,
                   const struct verifier *verifier, struct meter *sending, struct meter *receiving);

void report_final(struct report *report, const struct result *result);

/* 0, or 1: a line could not be written. */
int report_deinit(struct report *report);
