/* The handover's state machine alone: the picture in its header, and every way off that path. */
#include <string.h>

#include "check.h"
#include "link/handover.h"

static struct handover initiator, responder;

static void begin(void)
{
    handover_init(&initiator, true);
    handover_init(&responder, false);
}

static struct handover_step feed(struct handover *handover, enum handover_input input)
{
    return handover_step(handover, (struct handover_event){.input = input, .to = WIRE_PATH_SHM});
}

static struct handover_step sync_with(struct handover *handover, uint32_t peer_epoch)
{
    return handover_step(handover,
                         (struct handover_event){.input = HANDOVER_SYNC, .peer_epoch = peer_epoch});
}

#define DOES(step, ...)                                                                            \
    (memcmp((step).actions, (enum handover_action[HANDOVER_ACTIONS_MAX]){__VA_ARGS__},             \
            sizeof((step).actions)) == 0)

static void to_voted(void)
{
    begin();
    CHECK(DOES(feed(&initiator, HANDOVER_START), HANDOVER_SEND_PREPARE));
    CHECK(DOES(feed(&responder, HANDOVER_PREPARE), HANDOVER_SEND_PREPARED));
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_PREPARED), HANDOVER_SWITCH_AND_FENCE));
    CHECK(DOES(feed(&responder, HANDOVER_GOT_FENCE), HANDOVER_SWITCH_AND_FENCE,
               HANDOVER_SEND_DRAINED));
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_FENCE), HANDOVER_NOTHING));
    CHECK(responder.phase == HANDOVER_VOTED && responder.path == WIRE_PATH_TCP);
}

static void the_straight_way(void)
{
    to_voted();
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_DRAINED), HANDOVER_COMMIT, HANDOVER_SEND_COMMIT));
    CHECK(DOES(feed(&responder, HANDOVER_GOT_COMMIT), HANDOVER_COMMIT, HANDOVER_SEND_RELEASE,
               HANDOVER_DONE));
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_RELEASE), HANDOVER_DONE));
    CHECK(initiator.path == WIRE_PATH_SHM && responder.path == WIRE_PATH_SHM);
    CHECK(initiator.epoch == 1 && responder.epoch == 1);
    CHECK(!handover_running(&initiator) && !handover_running(&responder));
}

static void a_voter_cannot_abort_alone(void)
{
    to_voted();
    CHECK(DOES(feed(&responder, HANDOVER_EXPIRED), HANDOVER_NOTHING));
    CHECK(DOES(feed(&responder, HANDOVER_DOWN), HANDOVER_NOTHING));
    CHECK(responder.phase == HANDOVER_VOTED);
}

static void the_epoch_tells_a_voter_how_it_ended(void)
{
    to_voted();
    feed(&responder, HANDOVER_DOWN);
    CHECK(DOES(sync_with(&responder, 0), HANDOVER_ROLL_BACK, HANDOVER_FAILED));
    CHECK(responder.epoch == 0 && responder.path == WIRE_PATH_TCP);

    to_voted();
    feed(&initiator, HANDOVER_GOT_DRAINED);
    feed(&initiator, HANDOVER_DOWN);
    feed(&responder, HANDOVER_DOWN);
    CHECK(DOES(sync_with(&responder, 1), HANDOVER_COMMIT, HANDOVER_SEND_RELEASE, HANDOVER_DONE));
    CHECK(DOES(sync_with(&initiator, 0), HANDOVER_NOTHING)); /* RELEASE is still to come */
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_RELEASE), HANDOVER_DONE));
}

static void an_abort_is_answered_once(void)
{
    to_voted();
    CHECK(DOES(feed(&initiator, HANDOVER_EXPIRED), HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED));
    CHECK(DOES(feed(&responder, HANDOVER_GOT_ABORT), HANDOVER_RETURN_AND_ABORT, HANDOVER_FAILED));
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_DRAINED), HANDOVER_NOTHING)); /* was under way */
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_ABORT), HANDOVER_NOTHING));
    CHECK(!handover_running(&initiator) && !handover_running(&responder));
    CHECK(initiator.path == WIRE_PATH_TCP && initiator.epoch == 0);
}

static void the_lower_id_wins(void)
{
    begin();
    feed(&initiator, HANDOVER_START);
    feed(&responder, HANDOVER_START);
    CHECK(DOES(feed(&initiator, HANDOVER_PREPARE), HANDOVER_NOTHING));
    CHECK(DOES(feed(&responder, HANDOVER_PREPARE), HANDOVER_SEND_PREPARED));
    CHECK(DOES(feed(&initiator, HANDOVER_GOT_PREPARED), HANDOVER_SWITCH_AND_FENCE));
}

static void what_comes_out_of_turn_breaks_the_connection(void)
{
    static const enum handover_input never_when_idle[] = {
        HANDOVER_GOT_PREPARED, HANDOVER_GOT_FENCE,   HANDOVER_GOT_DRAINED,
        HANDOVER_GOT_COMMIT,   HANDOVER_GOT_RELEASE, HANDOVER_GOT_ABORT};

    for (size_t i = 0; i < sizeof(never_when_idle) / sizeof(never_when_idle[0]); i++) {
        begin();
        CHECK(DOES(feed(&initiator, never_when_idle[i]), HANDOVER_BREAK));
        CHECK(initiator.phase == HANDOVER_IDLE);
    }
    begin();
    CHECK(DOES(sync_with(&initiator, 7), HANDOVER_BREAK));
}

static void a_broken_connection_ends_every_phase_but_the_decided_ones(void)
{
    for (int phase = 0; phase < HANDOVER_PHASES; phase++) {
        struct handover handover = {.phase = (enum handover_phase)phase, .lower = true};
        bool decided = phase == HANDOVER_VOTED || phase == HANDOVER_COMMITTED;

        feed(&handover, HANDOVER_DOWN);
        CHECK(handover_running(&handover) == decided);
        CHECK(handover.epoch == 0);
    }
}

static const struct check_test tests[] = {
    {"the straight way", the_straight_way},
    {"a voter cannot abort alone", a_voter_cannot_abort_alone},
    {"the epoch tells a voter how it ended", the_epoch_tells_a_voter_how_it_ended},
    {"an abort is answered once", an_abort_is_answered_once},
    {"the lower id wins", the_lower_id_wins},
    {"what comes out of turn breaks the connection", what_comes_out_of_turn_breaks_the_connection},
    {"a broken connection ends every phase but the decided ones",
     a_broken_connection_ends_every_phase_but_the_decided_ones},
};

CHECK_MAIN(tests)
