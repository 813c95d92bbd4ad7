/* Which key of a link's: both sides choose the same, have one in common whatever connection breaks
 * between whatever two messages, and forget the old ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "link/keys.h"
#include "pick.h"

#define SEEDS 5000u
#define STEPS 100
#define CONNECTIONS 2

/* ---- chosen ---- */

static void tell(struct keys *keys, uint8_t key)
{
    keys_tell(keys, (uint8_t[WIRE_KEY_SIZE]){key});
}

/* Zeros: there is none. */
static void common_id(const struct keys *lower, const struct keys *higher,
                      uint8_t id[WIRE_KEY_ID_SIZE])
{
    const uint8_t *found;
    key_ids low, high;

    keys_ids(lower, low);
    keys_ids(higher, high);
    found = keys_common(low, high);
    memset(id, 0, WIRE_KEY_ID_SIZE);
    if (found)
        memcpy(id, found, WIRE_KEY_ID_SIZE);
}

/* The first byte of the key that they would take; 0: there is none. */
static int common(const struct keys *lower, const struct keys *higher)
{
    struct keys copies[2] = {*lower, *higher};
    const uint8_t *of_lower, *of_higher;
    uint8_t id[WIRE_KEY_ID_SIZE];

    common_id(lower, higher, id);
    of_lower = keys_offer(&copies[0], id);
    of_higher = keys_offer(&copies[1], id);
    CHECK(!of_lower == !of_higher);
    CHECK(!of_lower || memcmp(of_lower, of_higher, WIRE_KEY_SIZE) == 0);
    return of_lower ? *of_lower : 0;
}

/* Both say AUTH, and those of the two for whom it `arrives` hear the other one. */
static void connect(struct keys *lower, struct keys *higher, bool at_lower, bool at_higher)
{
    uint8_t id[WIRE_KEY_ID_SIZE];

    common_id(lower, higher, id);
    CHECK(keys_offer(lower, id) && keys_offer(higher, id));
    CHECK(!at_lower || keys_prove(lower, id));
    CHECK(!at_higher || keys_prove(higher, id));
}

static void both_sides_choose_the_same_key(void)
{
    struct keys lower = {0}, higher = {0};

    tell(&lower, 1);
    CHECK(common(&lower, &higher) == 0);
    tell(&higher, 1);
    CHECK(common(&lower, &higher) == 1);
    connect(&lower, &higher, true, true);
    tell(&higher, 2); /* one is told first, whichever */
    CHECK(common(&lower, &higher) == 1);
    tell(&higher, 3); /* what nobody has used is forgotten */
    tell(&lower, 3);
    CHECK(common(&lower, &higher) == 3);
    connect(&lower, &higher, true, true);
    tell(&lower, 1);
    tell(&higher, 2);
    CHECK(common(&lower, &higher) == 3);
}

static void a_proof_that_only_one_side_hears(void)
{
    for (int who = 0; who < 4; who++) {
        struct keys lower = {0}, higher = {0};

        tell(&lower, 1);
        tell(&higher, 1);
        connect(&lower, &higher, who & 1, !(who & 1));
        tell(who & 2 ? &lower : &higher, 2);
        CHECK(common(&lower, &higher) == 1);
        tell(who & 2 ? &higher : &lower, 2);
        CHECK(common(&lower, &higher) == 2);
    }
}

static void old_keys_die_with_the_proof_of_a_newer_one(void)
{
    struct keys lower = {0}, higher = {0}, old;

    tell(&lower, 1);
    tell(&higher, 1);
    connect(&lower, &higher, true, true);
    old = lower;
    tell(&lower, 2);
    tell(&higher, 2);
    connect(&lower, &higher, true, true);
    CHECK(common(&old, &lower) == 0 && common(&old, &higher) == 0);
    CHECK(!memchr(&lower, 1, sizeof(lower.known)) && !memchr(&higher, 1, sizeof(lower.known)));
}

/* However often it is tried in vain, what was once proven is good until something else is. */
static void a_full_house_keeps_what_was_proven(void)
{
    struct keys lower = {0}, higher = {0}, old;

    tell(&lower, 1);
    tell(&higher, 1);
    connect(&lower, &higher, true, true);
    old = higher;
    for (uint8_t key = 2; key < 20; key++) {
        tell(&lower, key);
        tell(&higher, key);
        connect(&lower, &higher, false, false);
        CHECK(common(&lower, &higher) == key && common(&lower, &old) == 1);
    }
}

/* ---- connections that break anywhere ---- */

struct end {
    key_ids mine; /* as its HELLO named them */
    uint8_t chosen[WIRE_KEY_ID_SIZE];
    unsigned said; /* HELLO, AUTH */
    unsigned heard;
};

static struct keys sides[2];
static struct end connections[CONNECTIONS][2]; /* [][1] dials */
static uint8_t told;
static int proven[2]; /* the newest so far */

static void say_hello(struct end *end, int side)
{
    keys_ids(&sides[side], end->mine);
    end->said = 1;
}

/* The other side's HELLO has come: AUTH, unless they cannot agree. */
static bool answer(struct end *ends, int side)
{
    const uint8_t *id;

    if (side == 0)
        say_hello(&ends[0], 0);
    id = keys_common(ends[0].mine, ends[1].mine);
    if (!id || !keys_offer(&sides[side], id))
        return false;
    memcpy(ends[side].chosen, id, sizeof(ends[side].chosen));
    ends[side].said = 2;
    return true;
}

static bool prove(struct end *ends, int side)
{
    const uint8_t *key = keys_offer(&sides[side], ends[side].chosen);

    if (!keys_prove(&sides[side], ends[side].chosen))
        return false;
    if (*key > proven[side])
        proven[side] = *key;
    return true;
}

/* One side hears the next thing that the other one has said. */
static void hear(struct end *ends, int side)
{
    bool goes_on = true;

    if (ends[side].heard == ends[1 - side].said)
        return;
    if (ends[side].heard++ == 0)
        goes_on = answer(ends, side);
    else
        goes_on = prove(ends, side);
    if (!goes_on)
        memset(ends, 0, 2 * sizeof(*ends));
}

/* Not where a key that the peer may have proven would have to go. */
static void introduce(int side)
{
    static const uint8_t none[WIRE_KEY_SIZE];
    bool full = memcmp(sides[side].known[WIRE_KEYS - 1], none, WIRE_KEY_SIZE) != 0;

    if (full && sides[side].offered)
        return;
    told += (uint8_t)pick(2);
    tell(&sides[side], told);
}

static void step(void)
{
    struct end *ends = connections[pick(CONNECTIONS)];
    int side = (int)pick(2);

    switch (pick(8)) {
    case 0:
        introduce(side);
        break;
    case 1: /* it breaks */
        memset(ends, 0, 2 * sizeof(*ends));
        break;
    case 2:
        if (!ends[1].said)
            say_hello(&ends[1], 1);
        break;
    default:
        hear(ends, side);
    }
}

static void check_sides(void)
{
    CHECK(!(proven[0] || proven[1]) || common(&sides[0], &sides[1]));
    for (int side = 0; side < 2; side++)
        for (int older = 1; older < proven[side]; older++)
            for (unsigned i = 0; i < WIRE_KEYS; i++)
                CHECK(sides[side].known[i][0] != older);
}

static void whatever_breaks_one_key_is_in_common(void)
{
    memset(sides, 0, sizeof(sides));
    memset(connections, 0, sizeof(connections));
    memset(proven, 0, sizeof(proven));
    told = 1;
    for (int i = 0; i < STEPS; i++) {
        step();
        check_sides();
    }
}

static const struct check_test tests[] = {
    {"both sides choose the same key", both_sides_choose_the_same_key},
    {"a proof that only one side hears", a_proof_that_only_one_side_hears},
    {"old keys die with the proof of a newer one", old_keys_die_with_the_proof_of_a_newer_one},
    {"a full house keeps what was proven", a_full_house_keeps_what_was_proven},
};

int main(int argc, char **argv)
{
    uint32_t first = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;

    for (uint32_t i = 0; i < (argc > 1 ? 1 : SEEDS); i++) {
        pick_state = first + i;
        whatever_breaks_one_key_is_in_common();
    }
    return check_run(tests, sizeof(tests) / sizeof(tests[0]));
}
