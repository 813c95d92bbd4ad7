#include "link/keys.h"

#include <sodium.h>
#include <string.h>

#define ID_CONTEXT "domsock key 3"

_Static_assert(WIRE_KEY_ID_SIZE >= crypto_generichash_BYTES_MIN, "the id is a hash");

bool keys_tell(struct keys *keys, const uint8_t key[WIRE_KEY_SIZE])
{
    if (sodium_memcmp(keys->told, key, WIRE_KEY_SIZE) == 0)
        return false;
    memcpy(keys->told, key, WIRE_KEY_SIZE);
    return true;
}

void keys_prove(struct keys *keys, const uint8_t key[WIRE_KEY_SIZE])
{
    memcpy(keys->proven, key, WIRE_KEY_SIZE);
}

static void id_of(const uint8_t key[WIRE_KEY_SIZE], uint8_t id[WIRE_KEY_ID_SIZE])
{
    crypto_generichash(id, WIRE_KEY_ID_SIZE, (const uint8_t *)ID_CONTEXT, sizeof(ID_CONTEXT), key,
                       WIRE_KEY_SIZE);
}

void keys_ids(const struct keys *keys, key_ids ids)
{
    memset(ids, 0, sizeof(key_ids));
    id_of(keys->told, ids[0]);
    if (!sodium_is_zero(keys->proven, WIRE_KEY_SIZE))
        id_of(keys->proven, ids[1]);
}

static const uint8_t *find(const struct keys *keys, const uint8_t id[WIRE_KEY_ID_SIZE])
{
    key_ids own;

    keys_ids(keys, own);
    if (memcmp(id, own[0], WIRE_KEY_ID_SIZE) == 0)
        return keys->told;
    return memcmp(id, own[1], WIRE_KEY_ID_SIZE) == 0 ? keys->proven : NULL;
}

const uint8_t *keys_common(const struct keys *keys, const key_ids lower, const key_ids higher)
{
    for (unsigned i = 0; i < WIRE_KEYS; i++)
        for (unsigned j = 0; j < WIRE_KEYS; j++)
            if (!sodium_is_zero(lower[i], WIRE_KEY_ID_SIZE) &&
                memcmp(lower[i], higher[j], WIRE_KEY_ID_SIZE) == 0)
                return find(keys, lower[i]);
    return NULL;
}
