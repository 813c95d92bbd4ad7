#include "link/handover.h"

/* Inputs whose meaning depends on the domain ids or epochs are resolved to these first. */
enum resolved {
    YIELD = HANDOVER_SYNC + 1, /* both want one, the peer has the lower id */
    YIELD_UNPREPARED,
    OUTRANK, /* both want one, this side has the lower id */
    SYNC_SAME,
    SYNC_AHEAD,
    SYNC_BEHIND,
    SYNC_LOST,
};

struct transition {
    enum handover_phase phase;
    int input;
    enum handover_phase next;
    struct handover_step step;
};

#define ROW(phase, input, next, ...)                                                               \
    {                                                                                              \
        HANDOVER_##phase, input, HANDOVER_##next,                                                  \
        {                                                                                          \
            {                                                                                      \
                __VA_ARGS__                                                                        \
            }                                                                                      \
        }                                                                                          \
    }
#define NOTHING HANDOVER_NOTHING

static const struct transition transitions[] = {
    ROW(IDLE, HANDOVER_START, PREPARING, HANDOVER_SEND_PREPARE),
    ROW(IDLE, HANDOVER_PREPARE, PREPARED, HANDOVER_SEND_PREPARED),
    ROW(IDLE, HANDOVER_UNPREPARED, ABORTING, HANDOVER_RETURN_AND_ABORT),
    ROW(IDLE, HANDOVER_DOWN, IDLE, NOTHING),
    ROW(IDLE, HANDOVER_EXPIRED, IDLE, NOTHING),
    ROW(IDLE, SYNC_SAME, IDLE, NOTHING),

    ROW(PREPARING, YIELD, PREPARED, HANDOVER_SEND_PREPARED),
    ROW(PREPARING, YIELD_UNPREPARED, ABORTING, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(PREPARING, OUTRANK, PREPARING, NOTHING),
    ROW(PREPARING, HANDOVER_GOT_PREPARED, FENCED, HANDOVER_SWITCH_AND_FENCE),
    ROW(PREPARING, HANDOVER_GOT_ABORT, IDLE, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(PREPARING, HANDOVER_EXPIRED, ABORTING, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(PREPARING, HANDOVER_DOWN, IDLE, HANDOVER_ROLL_BACK, HANDOVER_FAILED),

    ROW(PREPARED, HANDOVER_GOT_FENCE, VOTED, HANDOVER_SWITCH_AND_FENCE, HANDOVER_SEND_DRAINED),
    ROW(PREPARED, HANDOVER_GOT_ABORT, IDLE, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(PREPARED, HANDOVER_EXPIRED, ABORTING, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(PREPARED, HANDOVER_DOWN, IDLE, HANDOVER_ROLL_BACK, HANDOVER_FAILED),

    ROW(FENCED, HANDOVER_GOT_FENCE, FENCED, NOTHING),
    ROW(FENCED, HANDOVER_GOT_DRAINED, COMMITTED, HANDOVER_COMMIT, HANDOVER_SEND_COMMIT),
    ROW(FENCED, HANDOVER_GOT_ABORT, IDLE, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(FENCED, HANDOVER_EXPIRED, ABORTING, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(FENCED, HANDOVER_DOWN, IDLE, HANDOVER_ROLL_BACK, HANDOVER_FAILED),

    ROW(VOTED, HANDOVER_GOT_COMMIT, IDLE, HANDOVER_COMMIT, HANDOVER_SEND_RELEASE, HANDOVER_DONE),
    ROW(VOTED, HANDOVER_GOT_ABORT, IDLE, HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED),
    ROW(VOTED, HANDOVER_EXPIRED, VOTED, NOTHING),
    ROW(VOTED, HANDOVER_DOWN, VOTED, NOTHING),
    ROW(VOTED, SYNC_SAME, IDLE, HANDOVER_ROLL_BACK, HANDOVER_FAILED),
    ROW(VOTED, SYNC_AHEAD, IDLE, HANDOVER_COMMIT, HANDOVER_SEND_RELEASE, HANDOVER_DONE),

    ROW(COMMITTED, HANDOVER_GOT_RELEASE, IDLE, HANDOVER_DONE),
    ROW(COMMITTED, HANDOVER_EXPIRED, COMMITTED, NOTHING),
    ROW(COMMITTED, HANDOVER_DOWN, COMMITTED, NOTHING),
    ROW(COMMITTED, SYNC_SAME, IDLE, HANDOVER_DONE),
    ROW(COMMITTED, SYNC_BEHIND, COMMITTED, NOTHING),

    ROW(ABORTING, HANDOVER_PREPARE, ABORTING, NOTHING),
    ROW(ABORTING, HANDOVER_UNPREPARED, ABORTING, NOTHING),
    ROW(ABORTING, HANDOVER_GOT_PREPARED, ABORTING, NOTHING),
    ROW(ABORTING, HANDOVER_GOT_FENCE, ABORTING, NOTHING),
    ROW(ABORTING, HANDOVER_GOT_DRAINED, ABORTING, NOTHING),
    ROW(ABORTING, HANDOVER_GOT_ABORT, IDLE, NOTHING),
    ROW(ABORTING, HANDOVER_EXPIRED, ABORTING, NOTHING),
    ROW(ABORTING, HANDOVER_DOWN, IDLE, HANDOVER_ROLL_BACK),
};

static int resolve_sync(const struct handover *handover, uint32_t peer_epoch)
{
    if (peer_epoch == handover->epoch)
        return SYNC_SAME;
    if (peer_epoch == handover->epoch + 1)
        return SYNC_AHEAD;
    return peer_epoch + 1 == handover->epoch ? SYNC_BEHIND : SYNC_LOST;
}

static int resolve(const struct handover *handover, struct handover_event event)
{
    bool prepare = event.input == HANDOVER_PREPARE || event.input == HANDOVER_UNPREPARED;

    if (event.input == HANDOVER_SYNC)
        return resolve_sync(handover, event.peer_epoch);
    if (!prepare || handover->phase != HANDOVER_PREPARING)
        return event.input;
    if (handover->lower)
        return OUTRANK;
    return event.input == HANDOVER_PREPARE ? YIELD : YIELD_UNPREPARED;
}

static const struct transition *find(const struct handover *handover, struct handover_event event)
{
    int input = resolve(handover, event);

    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++)
        if (transitions[i].phase == handover->phase && transitions[i].input == input)
            return &transitions[i];
    return NULL;
}

void handover_init(struct handover *handover, bool lower)
{
    *handover = (struct handover){.path = WIRE_PATH_TCP, .to = WIRE_PATH_TCP, .lower = lower};
}

bool handover_expects(const struct handover *handover, struct handover_event event)
{
    return find(handover, event) != NULL;
}

static bool commits(const struct handover_step *step)
{
    return step->actions[0] == HANDOVER_COMMIT;
}

struct handover_step handover_step(struct handover *handover, struct handover_event event)
{
    const struct transition *transition = find(handover, event);
    bool adopts;

    if (!transition)
        return (struct handover_step){{HANDOVER_BREAK}};
    adopts = transition->next == HANDOVER_PREPARING || transition->next == HANDOVER_PREPARED;
    if (adopts && transition->input != OUTRANK)
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
