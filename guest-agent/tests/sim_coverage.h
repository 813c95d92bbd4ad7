/* Which rows of the handover's table a simulation went through. The linker puts
 * __wrap_handover_step() in handover_step()'s place: see the Makefile. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "link/handover.h"

struct handover_step __real_handover_step(struct handover *handover, struct handover_event event);
struct handover_step __wrap_handover_step(struct handover *handover, struct handover_event event);

static unsigned long row_hits[HANDOVER_ROWS];

struct handover_step __wrap_handover_step(struct handover *handover, struct handover_event event)
{
    int row = handover_row(handover, event);

    if (row >= 0)
        row_hits[row]++;
    return __real_handover_step(handover, event);
}

#define ROW(phase, input, next, ...) #phase " " #input " -> " #next,
static const char *const row_names[HANDOVER_ROWS] = {
#include "link/handover_rows.h"
};
#undef ROW

/* on_prepare() says PREPARE, never UNPREPARED, in a phase in which it is not going to respond. */
static bool never_reached(int row)
{
    return strcmp(row_names[row], "ABORTING UNPREPARED -> ABORTING") == 0;
}

/* Returns how many rows were never taken, and says which. */
static int coverage_report(void)
{
    int missed = 0;

    for (int i = 0; i < HANDOVER_ROWS; i++) {
        if (row_hits[i] || never_reached(i))
            continue;
        missed++;
        printf("   never taken: %s\n", row_names[i]);
    }
    printf("   %d of %d rows of the handover's table taken, or out of reach\n",
           HANDOVER_ROWS - missed, HANDOVER_ROWS);
    return missed;
}

static void coverage_table(void)
{
    for (int i = 0; i < HANDOVER_ROWS; i++)
        printf("%12lu  %s\n", row_hits[i], row_names[i]);
}
