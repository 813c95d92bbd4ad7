#include "path/relay_switch.h"

#include <stdlib.h>

struct circuit_end {
    uint32_t domain;
    struct relay_way *way;
    uint32_t credit; /* how much it may send */
};

/* One channel, as a host sees it. */
struct relay_circuit {
    struct relay_circuit *next;
    uint64_t channel;
    struct circuit_end ends[2]; /* [0] opened it */
};

static void refuse(struct relay_way *to, uint32_t source, uint32_t target, uint64_t channel)
{
    struct relay_frame close = {
        .kind = RELAY_CLOSE, .source = source, .target = target, .channel = channel};

    to->send(to, &close, NULL);
}

static void drop(struct relay_switch *relay, struct relay_circuit **at)
{
    struct relay_circuit *circuit = *at;

    *at = circuit->next;
    relay->count--;
    free(circuit);
}

static bool is_there(const struct relay_switch *relay, const struct circuit_end *end)
{
    return relay->find(relay->user, end->domain) == end->way;
}

/* Tells those ends that can be told: a way that is not the domain's any more may be gone. */
static void end_circuit(struct relay_switch *relay, struct relay_circuit **at)
{
    struct relay_circuit circuit = **at;

    drop(relay, at);
    for (int i = 0; i < 2; i++)
        if (is_there(relay, &circuit.ends[i]))
            refuse(circuit.ends[i].way, circuit.ends[1 - i].domain, circuit.ends[i].domain,
                   circuit.channel);
}

void relay_switch_deinit(struct relay_switch *relay)
{
    while (relay->circuits)
        drop(relay, &relay->circuits);
}

static int find_end(const struct relay_circuit *circuit, const struct relay_frame *frame)
{
    for (int i = 0; i < 2; i++)
        if (circuit->channel == frame->channel && circuit->ends[i].domain == frame->source &&
            circuit->ends[1 - i].domain == frame->target)
            return i;
    return -1;
}

/* The circuit's place, and which of its ends the frame comes from. */
static struct relay_circuit **find_circuit(struct relay_switch *relay,
                                           const struct relay_frame *frame, int *end)
{
    for (struct relay_circuit **at = &relay->circuits; *at; at = &(*at)->next) {
        *end = find_end(*at, frame);
        if (*end >= 0)
            return at;
    }
    return NULL;
}

static uint32_t opened_by(const struct relay_switch *relay, uint32_t domain)
{
    uint32_t count = 0;

    for (const struct relay_circuit *c = relay->circuits; c; c = c->next)
        count += c->ends[0].domain == domain;
    return count;
}

static struct relay_circuit *open_circuit(struct relay_switch *relay, struct relay_way *from,
                                          const struct relay_frame *frame)
{
    struct relay_way *to = relay->find(relay->user, frame->target);
    struct relay_circuit *circuit = NULL;

    if (to && to != from && relay->count < RELAY_HOST_CHANNELS_MAX &&
        opened_by(relay, frame->source) < RELAY_CHANNELS_MAX)
        circuit = calloc(1, sizeof(*circuit));
    if (!circuit)
        return NULL;
    *circuit = (struct relay_circuit){
        .next = relay->circuits,
        .channel = frame->channel,
        .ends = {{.domain = frame->source, .way = from, .credit = RELAY_WINDOW},
                 {.domain = frame->target, .way = to, .credit = RELAY_WINDOW}}};
    relay->circuits = circuit;
    relay->count++;
    return circuit;
}

/* Whether the frame is what its sender may send now. */
static bool account(struct relay_circuit *circuit, int end, const struct relay_frame *frame)
{
    struct circuit_end *sender = &circuit->ends[end], *other = &circuit->ends[1 - end];

    switch (frame->kind) {
    case RELAY_DATA:
        if (!frame->length || relay_frame_cost(frame) > sender->credit)
            return false;
        sender->credit -= relay_frame_cost(frame);
        return true;
    case RELAY_CREDIT:
        if (frame->amount < RELAY_CREDIT_MIN || frame->amount > RELAY_WINDOW - other->credit)
            return false;
        other->credit += frame->amount;
        return frame->length == 0;
    case RELAY_PROBE:
    case RELAY_CLOSE:
        return frame->length == 0;
    default:
        return false;
    }
}

static void pass_opened(struct relay_switch *relay, struct relay_way *from,
                        const struct relay_frame *frame)
{
    struct relay_circuit *circuit = open_circuit(relay, from, frame);
    struct relay_way *to = circuit ? circuit->ends[1].way : NULL;

    if (circuit && !frame->length && to->send(to, frame, NULL) == 0)
        return;
    if (circuit) /* the other end has not heard of it */
        drop(relay, &relay->circuits);
    refuse(from, frame->target, frame->source, frame->channel);
}

static void pass_on(struct relay_switch *relay, struct relay_circuit **at, int end,
                    const struct relay_frame *frame, const uint8_t *payload)
{
    struct relay_way *to = (*at)->ends[1 - end].way;

    if (!account(*at, end, frame)) {
        end_circuit(relay, at);
    } else if (frame->kind == RELAY_CLOSE) {
        drop(relay, at);
        to->send(to, frame, NULL);
    } else if (to->send(to, frame, payload) < 0 && frame->kind != RELAY_PROBE) {
        end_circuit(relay, at); /* a probe that is lost is asked again */
    }
}

void relay_switch_pass(struct relay_switch *relay, struct relay_way *from,
                       const struct relay_frame *frame, const uint8_t *payload)
{
    struct relay_circuit **at;
    int end;

    if (relay->find(relay->user, frame->source) != from)
        return; /* nobody speaks for a domain that is elsewhere */
    at = find_circuit(relay, frame, &end);
    if (at)
        pass_on(relay, at, end, frame, payload);
    else if (frame->kind == RELAY_OPEN)
        pass_opened(relay, from, frame);
    else if (frame->kind != RELAY_CLOSE)
        refuse(from, frame->target, frame->source, frame->channel);
}

static void end_those(struct relay_switch *relay, const struct relay_way *way)
{
    struct relay_circuit **at = &relay->circuits;

    while (*at) {
        struct relay_circuit *circuit = *at;
        bool lost = circuit->ends[0].way == way || circuit->ends[1].way == way;
        bool stays = is_there(relay, &circuit->ends[0]) && is_there(relay, &circuit->ends[1]);

        if (lost || !stays)
            end_circuit(relay, at);
        else
            at = &circuit->next;
    }
}

void relay_switch_settle(struct relay_switch *relay)
{
    end_those(relay, NULL);
}

void relay_switch_reset(struct relay_switch *relay, const struct relay_way *way)
{
    end_those(relay, way);
}
