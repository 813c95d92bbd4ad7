#include "path/seal.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#define NONCE_SIZE crypto_aead_chacha20poly1305_ietf_NPUBBYTES

_Static_assert(WIRE_KEY_SIZE == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "the cipher's key");
_Static_assert(WIRE_TAG_SIZE == crypto_aead_chacha20poly1305_ietf_ABYTES, "the cipher's tag");

static void next_nonce(struct seal *seal, uint8_t nonce[NONCE_SIZE])
{
    memset(nonce, 0, NONCE_SIZE);
    memcpy(nonce, &seal->count, sizeof(seal->count));
    seal->count++;
}

static uint32_t length_of(const uint8_t *record)
{
    struct wire_record head;

    memcpy(&head, record, sizeof(head));
    return head.length;
}

void seal_close(struct seal *seal, uint8_t *record)
{
    uint32_t length = length_of(record);
    uint8_t nonce[NONCE_SIZE], *text = record + sizeof(struct wire_record);

    next_nonce(seal, nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt_detached(text, text + length, NULL, text, length,
                                                       record, sizeof(struct wire_record), NULL,
                                                       nonce, seal->key);
}

int seal_open(struct seal *seal, uint8_t *record)
{
    uint32_t length = length_of(record);
    uint8_t nonce[NONCE_SIZE], *text = record + sizeof(struct wire_record);

    next_nonce(seal, nonce);
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(
               text, NULL, text, length, text + length, record, sizeof(struct wire_record), nonce,
               seal->key)
               ? -EBADMSG
               : 0;
}
