/* The fields of a request, checked: the first that is wrong is remembered, with what is wanted. */
#pragma once

#include <jansson.h>
#include <stdint.h>

struct args {
    const json_t *request;
    char fault[200]; /* empty: none so far */
};

/* NULL when missing or wrong. */
const char *args_text(struct args *args, const char *field, size_t length_max);
const char *args_text_or_null(struct args *args, const char *field, size_t length_max);
uint64_t args_number(struct args *args, const char *field, uint64_t min, uint64_t max);
uint64_t args_number_or(struct args *args, const char *field, uint64_t min, uint64_t max,
                        uint64_t absent);
void args_hex(struct args *args, const char *field, uint8_t *bytes, size_t size);
/* Unless something was wrong before. */
void args_fault(struct args *args, const char *format, ...) __attribute__((format(printf, 2, 3)));
