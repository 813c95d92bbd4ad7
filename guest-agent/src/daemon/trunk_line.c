#include "daemon/trunk_line.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/socket.h"
#include "daemon/routes.h"

#define TRUNK_PATIENCE_US 5000000u
#define TRUNK_PROOF "domsock trunk 1"
#define TRUNK_KEY "domsock trunk key 1"

_Static_assert(TRUNK_KEY_SIZE == crypto_auth_KEYBYTES, "the key is crypto_auth's");
_Static_assert(RELAY_MAC_SIZE == crypto_auth_BYTES, "the code is crypto_auth's");

/* ---- a connection's life ---- */

static struct trunk_line **stranger(struct relay *relay, const struct trunk_line *line)
{
    for (int i = 0; i < RELAY_STRANGERS_MAX; i++)
        if (relay->strangers[i] == line)
            return &relay->strangers[i];
    return NULL;
}

/* Its place is free before its channels end: nothing is sent on it any more. */
void trunk_line_free(struct trunk_line *line)
{
    struct trunk_line **place = stranger(line->agent->relay, line);
    struct trunk *trunk = line->trunk;

    if (place)
        *place = NULL;
    if (trunk && trunk->line == line)
        trunk->line = NULL;
    loop_disarm(&line->agent->loop, &line->patience);
    relay_pipe_deinit(&line->pipe);
    sodium_memzero(line, sizeof(*line));
    free(line);
}

static void give_up(struct trunk_line *line, const char *reason)
{
    struct agent *agent = line->agent;
    struct trunk *trunk = line->trunk;
    bool needed = trunk && (!trunk->line || trunk->line == line);

    log_warning("relay: the connection with host %u ended: %s", trunk ? trunk->host : 0, reason);
    trunk_line_free(line);
    if (needed)
        trunk_dial_later(trunk);
    routes_changed(agent);
}

static void line_ended(struct relay_pipe *pipe, const char *reason)
{
    give_up(container_of(pipe, struct trunk_line, pipe), reason);
}

static void patience_over(struct loop_timer *timer)
{
    give_up(container_of(timer, struct trunk_line, patience), "it did not prove itself in time");
}

static void line_reset(struct relay_line *line)
{
    struct trunk_line *own = container_of(line, struct trunk_line, pipe.line);

    relay_switch_reset(&own->agent->relay->between, &line->way);
}

/* ---- proving ---- */

static void derive(const struct trunk_line *line, const char *purpose, bool mine_first,
                   uint8_t mac[RELAY_MAC_SIZE])
{
    const struct relay_trunk *first = mine_first ? &line->mine : &line->theirs;
    const struct relay_trunk *second = mine_first ? &line->theirs : &line->mine;
    crypto_auth_hmacsha512256_state state;

    crypto_auth_hmacsha512256_init(&state, line->trunk->key, TRUNK_KEY_SIZE);
    crypto_auth_hmacsha512256_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1);
    crypto_auth_hmacsha512256_update(&state, (const uint8_t *)first, sizeof(*first));
    crypto_auth_hmacsha512256_update(&state, (const uint8_t *)second, sizeof(*second));
    crypto_auth_hmacsha512256_final(&state, mac);
}

static void key_sums(const struct trunk_line *line, struct relay_sums *sums, bool mine_first)
{
    uint8_t mac[RELAY_MAC_SIZE];

    derive(line, TRUNK_KEY, mine_first, mac);
    *sums = (struct relay_sums){0};
    memcpy(sums->key, mac, sizeof(sums->key));
}

static void say(struct trunk_line *line, enum relay_kind kind, const void *payload, size_t length)
{
    struct relay_frame frame = {.kind = kind, .length = (uint32_t)length};
    struct relay_way *way = &line->pipe.line.way;

    way->send(way, &frame, payload);
}

static void refuse(struct trunk_line *line, const char *why)
{
    log_warning("relay: a host is refused: %s", why);
    line->pipe.line.broken = true; /* its pipe ends it */
}

static void say_trunk(struct trunk_line *line, uint32_t other)
{
    line->mine = (struct relay_trunk){.host = line->agent->options.id, .other = other};
    randombytes_buf(line->mine.challenge, sizeof(line->mine.challenge));
    say(line, RELAY_TRUNK, &line->mine, sizeof(line->mine));
}

static void on_trunk(struct trunk_line *line, const uint8_t *payload)
{
    bool called = !line->trunk;
    uint8_t mac[RELAY_MAC_SIZE];

    memcpy(&line->theirs, payload, sizeof(line->theirs));
    line->heard = true;
    if (called)
        line->trunk = trunk_find(line->agent->relay, line->theirs.host);
    if (!line->trunk || line->theirs.other != line->agent->options.id ||
        line->theirs.host != line->trunk->host) {
        refuse(line, "it is not one of those there are routes to, or means another one");
        return;
    }
    if (called)
        say_trunk(line, line->trunk->host);
    derive(line, TRUNK_PROOF, true, mac);
    say(line, RELAY_PROOF, mac, sizeof(mac));
    key_sums(line, &line->pipe.line.sums_out, true);
}

static void on_proof(struct trunk_line *line, const uint8_t *payload)
{
    struct agent *agent = line->agent;
    struct trunk *trunk = line->trunk;
    uint8_t expected[RELAY_MAC_SIZE];

    derive(line, TRUNK_PROOF, false, expected);
    if (sodium_memcmp(expected, payload, sizeof(expected)) != 0) {
        refuse(line, "it does not know the testbed's key");
        return;
    }
    key_sums(line, &line->pipe.line.sums_in, false);
    loop_disarm(&agent->loop, &line->patience);
    *stranger(agent->relay, line) = NULL;
    line->proven = true;
    trunk_serve(trunk, line);
    log_info("relay: host %u is there", trunk->host);
    routes_changed(agent);
}

static void line_frame(struct relay_line *relay_line, const struct relay_frame *frame,
                       const uint8_t *payload)
{
    struct trunk_line *line = container_of(relay_line, struct trunk_line, pipe.line);

    if (line->proven)
        relay_switch_pass(&line->agent->relay->between, &relay_line->way, frame, payload);
    else if (frame->kind == RELAY_TRUNK && frame->length == sizeof(line->theirs) && !line->heard)
        on_trunk(line, payload);
    else if (frame->kind == RELAY_PROOF && frame->length == RELAY_MAC_SIZE && line->heard)
        on_proof(line, payload);
    else
        refuse(line, "it spoke out of turn");
}

static const struct relay_line_user line_user = {.reset = line_reset, .frame = line_frame};

/* ---- connecting ---- */

/* Another attempt is cheap. */
static const struct socket_patience line_patience = {
    .unacknowledged_ms = 5000, .idle_s = 5, .interval_s = 1, .count = 4};

struct trunk_line *trunk_line_new(struct agent *agent, int fd, struct trunk *trunk)
{
    struct trunk_line **place = stranger(agent->relay, NULL);
    struct trunk_line *line = place ? calloc(1, sizeof(*line)) : NULL;

    if (!line) {
        close(fd);
        return NULL;
    }
    line->agent = agent;
    line->trunk = trunk;
    line->patience.expired = patience_over;
    *place = line;
    socket_set_patience(fd, &line_patience);
    relay_pipe_init(&line->pipe, &agent->loop, true, &line_user, line_ended);
    line->pipe.line.up = true; /* it has no openings */
    loop_arm(&agent->loop, &line->patience, TRUNK_PATIENCE_US);
    if (relay_pipe_open(&line->pipe, fd, false) < 0) {
        trunk_line_free(line);
        return NULL;
    }
    if (trunk)
        say_trunk(line, trunk->host);
    return line;
}
