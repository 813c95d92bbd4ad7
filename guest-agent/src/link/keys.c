#include "link/keys.h"

#include <sodium.h>
#include <string.h>

#define ID_CONTEXT "domsock key 4"

_Static_assert(WIRE_KEY_ID_SIZE >= crypto_generichash_BYTES_MIN, "the id is a hash");

/* The oldest one stays: it is the one that was proven here. */
static void make_room(struct keys *keys)
{
    unsigned last = WIRE_KEYS - 1;

    if (sodium_is_zero(keys->known[last], WIRE_KEY_SIZE))
        last++;
    memmove(keys->known[1], keys->known[0], (last - 1) * WIRE_KEY_SIZE);
}

bool keys_tell(struct keys *keys, const uint8_t key[WIRE_KEY_SIZE])
{
    if (sodium_memcmp(keys->known[0], key, WIRE_KEY_SIZE) == 0)
        return false;
    if (keys->offered)
        make_room(keys);
    memcpy(keys->known[0], key, WIRE_KEY_SIZE);
    keys->offered = false;
    return true;
}

static void id_of(const uint8_t key[WIRE_KEY_SIZE], uint8_t id[WIRE_KEY_ID_SIZE])
{
    crypto_generichash(id, WIRE_KEY_ID_SIZE, (const uint8_t *)ID_CONTEXT, sizeof(ID_CONTEXT), key,
                       WIRE_KEY_SIZE);
}

void keys_ids(const struct keys *keys, key_ids ids)
{
    memset(ids, 0, sizeof(key_ids));
    for (unsigned i = 0; i < WIRE_KEYS; i++)
        if (!sodium_is_zero(keys->known[i], WIRE_KEY_SIZE))
            id_of(keys->known[i], ids[i]);
}

/* WIRE_KEYS: it is not there. */
static unsigned find(const key_ids ids, const uint8_t id[WIRE_KEY_ID_SIZE])
{
    unsigned i = 0;

    while (i < WIRE_KEYS && memcmp(ids[i], id, WIRE_KEY_ID_SIZE) != 0)
        i++;
    return i;
}

const uint8_t *keys_common(const key_ids lower, const key_ids higher)
{
    for (unsigned i = 0; i < WIRE_KEYS; i++)
        if (!sodium_is_zero(lower[i], WIRE_KEY_ID_SIZE) && find(higher, lower[i]) < WIRE_KEYS)
            return lower[i];
    return NULL;
}

static unsigned find_own(const struct keys *keys, const uint8_t id[WIRE_KEY_ID_SIZE])
{
    key_ids own;

    keys_ids(keys, own);
    return find(own, id);
}

const uint8_t *keys_offer(struct keys *keys, const uint8_t id[WIRE_KEY_ID_SIZE])
{
    unsigned at = find_own(keys, id);

    if (at == WIRE_KEYS)
        return NULL;
    keys->offered |= at == 0;
    return keys->known[at];
}

bool keys_prove(struct keys *keys, const uint8_t id[WIRE_KEY_ID_SIZE])
{
    unsigned at = find_own(keys, id);

    if (at == WIRE_KEYS)
        return false;
    for (unsigned older = at + 1; older < WIRE_KEYS; older++)
        sodium_memzero(keys->known[older], WIRE_KEY_SIZE);
    return true;
}
