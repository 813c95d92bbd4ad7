/* The little that the unit tests need. A failed check prints where and ends the test program. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct check_test {
    const char *name;
    void (*run)(void);
};

static inline int check_run(const struct check_test *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tests[i].run();
        printf("   %s\n", tests[i].name);
    }
    return 0;
}

#define CHECK_MAIN(tests)                                                                          \
    int main(void)                                                                                 \
    {                                                                                              \
        return check_run(tests, sizeof(tests) / sizeof((tests)[0]));                               \
    }
