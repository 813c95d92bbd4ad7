#include "link/handover.h"

struct transition {
    enum handover_phase phase;
    enum handover_input input;
    enum handover_phase next;
    struct handover_step step;
};

#define ROW(phase, input, next, first, second, third)                                              \
    {HANDOVER_##phase,                                                                             \
     HANDOVER_##input,                                                                             \
     HANDOVER_##next,                                                                              \
     {{HANDOVER_##first, HANDOVER_##second, HANDOVER_##third}}},
static const struct transition transitions[HANDOVER_ROWS] = {
#include "link/handover_rows.h"
};
#undef ROW

static enum handover_input resolve_sync(const struct handover *handover, uint32_t peer_epoch)
{
    if (peer_epoch == handover->epoch)
        return HANDOVER_SYNC_SAME;
    if (peer_epoch == handover->epoch + 1)
        return HANDOVER_SYNC_AHEAD;
    return peer_epoch + 1 == handover->epoch ? HANDOVER_SYNC_BEHIND : HANDOVER_SYNC_LOST;
}

static enum handover_input resolve(const struct handover *handover, struct handover_event event)
{
    bool prepare = event.input == HANDOVER_PREPARE || event.input == HANDOVER_UNPREPARED;

    if (event.input == HANDOVER_SYNC)
        return resolve_sync(handover, event.peer_epoch);
    if (!prepare || handover->phase != HANDOVER_PREPARING)
        return event.input;
    if (handover->lower)
        return HANDOVER_OUTRANK;
    return event.input == HANDOVER_PREPARE ? HANDOVER_YIELD : HANDOVER_YIELD_UNPREPARED;
}

int handover_row(const struct handover *handover, struct handover_event event)
{
    enum handover_input input = resolve(handover, event);

    for (int i = 0; i < HANDOVER_ROWS; i++)
        if (transitions[i].phase == handover->phase && transitions[i].input == input)
            return i;
    return -1;
}

void handover_init(struct handover *handover, bool lower)
{
    *handover = (struct handover){.path = WIRE_PATH_TCP, .to = WIRE_PATH_TCP, .lower = lower};
}

bool handover_expects(const struct handover *handover, struct handover_event event)
{
    return handover_row(handover, event) >= 0;
}

static bool commits(const struct handover_step *step)
{
    return step->actions[0] == HANDOVER_COMMIT;
}

struct handover_step handover_step(struct handover *handover, struct handover_event event)
{
    int row = handover_row(handover, event);
    const struct transition *transition = &transitions[row < 0 ? 0 : row];
    bool adopts;

    if (row < 0)
        return (struct handover_step){{HANDOVER_BREAK}};
    adopts = transition->next == HANDOVER_PREPARING || transition->next == HANDOVER_PREPARED;
    if (adopts && transition->input != HANDOVER_OUTRANK)
        handover->to = event.to;
    if (commits(&transition->step)) {
        handover->path = handover->to;
        handover->epoch++;
    }
    handover->phase = transition->next;
    return transition->step;
}

const char *handover_phase_name(enum handover_phase phase)
{
    static const char *const names[HANDOVER_PHASES] = {"idle",  "preparing", "prepared", "fenced",
                                                       "voted", "committed", "aborting"};

    return names[phase];
}

const char *path_name(enum wire_path path)
{
    return path == WIRE_PATH_SHM ? "shm" : "tcp";
}
