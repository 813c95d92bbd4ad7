/* The messages of a handover. */
#include "link/direct.h"
#include "link/internal.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/name.h"

static int expect(struct link *link, struct handover_event event)
{
    if (handover_expects(&link->handover, event))
        return 0;
    log_error("link %u: a handover message (input %d) came in phase %s", link->peer_id,
              (int)event.input, handover_phase_name(link->handover.phase));
    return -EPROTO;
}

static int step_on(struct link *link, enum handover_input input)
{
    struct handover_event event = {.input = input};

    if (expect(link, event) < 0)
        return -EPROTO;
    link_handover_step(link, event);
    return 0;
}

static const char *prepare_fault(struct link *link, const struct wire_prepare *prepare,
                                 uint64_t heartbeat)
{
    if (prepare->to == link->handover.path)
        return "the link is on that path already";
    if (prepare->to == WIRE_PATH_TCP)
        return direct_take_back_all(link) < 0 ? LINK_HELD_RING : NULL;
    if (!link->attached || !view_trusted(&link->view))
        return "no region is attached here";
    if (memcmp(prepare->nonce, link->view.nonce, sizeof(prepare->nonce)) != 0)
        return "another region is attached here";
    if (link_region_held(link))
        return LINK_HELD_RING;
    if (!link_shows(link, heartbeat))
        return "the region is not shared: one side has a private copy of it";
    return NULL;
}

/* The peer's slots are only looked at when this side is going to respond. */
static bool will_respond(const struct link *link)
{
    enum handover_phase phase = link->handover.phase;

    return phase == HANDOVER_IDLE || (phase == HANDOVER_PREPARING && !link->lower);
}

int on_prepare(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    struct handover_event event = {.input = HANDOVER_PREPARE};
    struct wire_prepare prepare;
    const char *fault;

    if (header->length < sizeof(prepare) || header->epoch != link->handover.epoch)
        return -EPROTO;
    memcpy(&prepare, payload, sizeof(prepare));
    if (prepare.to > WIRE_PATH_SHM || expect(link, event) < 0)
        return -EPROTO;
    fault = prepare_fault(link, &prepare, header->offset);
    if (!will_respond(link))
        return step_on(link, HANDOVER_PREPARE);
    if (!fault && link_take_slots(link, prepare.to, payload + sizeof(prepare),
                                  header->length - sizeof(prepare)) < 0)
        return -EPROTO;
    event = (struct handover_event){.input = fault ? HANDOVER_UNPREPARED : HANDOVER_PREPARE,
                                    .to = prepare.to};
    link->attempt.reason = fault ? fault : "the deadline passed";
    if (!fault && !link->attempt.wanted)
        link_arm_deadline(link, prepare.deadline_ms);
    link_handover_step(link, event);
    return 0;
}

/* The peer has written its ends of the rings: here is the last moment to find out that they are not
 * to be seen. The attempt is then on its way back, and what comes of it is obeyed in that sense. */
static void compare_if_boarding(struct link *link, const struct wire_header *header)
{
    if (link->handover.to == WIRE_PATH_SHM)
        link_compare(link, header);
}

int on_prepared(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    if (expect(link, (struct handover_event){.input = HANDOVER_GOT_PREPARED}) < 0)
        return -EPROTO;
    compare_if_boarding(link, header);
    if (link->handover.phase == HANDOVER_PREPARING &&
        link_take_slots(link, link->handover.to, payload, header->length) < 0)
        return -EPROTO;
    return step_on(link, HANDOVER_GOT_PREPARED);
}

int on_fence(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    if (expect(link, (struct handover_event){.input = HANDOVER_GOT_FENCE}) < 0)
        return -EPROTO;
    compare_if_boarding(link, header);
    if (link_obey_marks(link, payload, header->length, link->handover.to) < 0)
        return -EPROTO;
    return step_on(link, HANDOVER_GOT_FENCE);
}

int on_drained(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    (void)header, (void)payload;
    return step_on(link, HANDOVER_GOT_DRAINED);
}

int on_commit(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    (void)header, (void)payload;
    return step_on(link, HANDOVER_GOT_COMMIT);
}

int on_release(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    (void)header, (void)payload;
    return step_on(link, HANDOVER_GOT_RELEASE);
}

int on_abort(struct link *link, const struct wire_header *header, const uint8_t *payload)
{
    char *reason = link->attempt.peer_reason;

    if (header->length < WIRE_REASON_MAX ||
        expect(link, (struct handover_event){.input = HANDOVER_GOT_ABORT}) < 0)
        return -EPROTO;
    memcpy(reason, payload, WIRE_REASON_MAX);
    reason[WIRE_REASON_MAX] = '\0';
    text_clean(reason);
    if (link_obey_marks(link, payload + WIRE_REASON_MAX, header->length - WIRE_REASON_MAX,
                        link->handover.path) < 0)
        return -EPROTO;
    link->attempt.reason = reason;
    return step_on(link, HANDOVER_GOT_ABORT);
}
