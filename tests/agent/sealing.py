"""How a connection is sealed, a second time and independently of the agent's C."""

from __future__ import annotations

import hashlib
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

LENGTH = struct.Struct("<I")
TAG_SIZE = 16
RECORD_MAX = 65536 + 32


def key_id(key: bytes) -> bytes:
    """What a HELLO calls a link's key."""
    return hashlib.blake2b(b"domsock key 4\0", key=key, digest_size=16).digest()


def public(secret: bytes) -> bytes:
    """The X25519 key that goes with a secret."""
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def agree(
    key: bytes, secret: bytes, ephemeral: bytes, lower: bytes, higher: bytes
) -> tuple[bytes, bytes]:
    """The keys that seal what the lower, and what the higher domain id sends. `lower` and `higher`
    are their HELLOs as they travelled, `ephemeral` is the X25519 key of the other side.
    """
    peer = X25519PublicKey.from_public_bytes(ephemeral)
    shared = X25519PrivateKey.from_private_bytes(secret).exchange(peer)
    text = b"domsock link 4\0" + shared + lower + higher
    both = hashlib.blake2b(text, key=key, digest_size=64).digest()
    return both[:32], both[32:]


class Seal:
    """One direction of a connection."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self.count = 0

    def _nonce(self) -> bytes:
        self.count += 1
        return struct.pack("<QI", self.count - 1, 0)

    def close(self, messages: bytes) -> bytes:
        """Make a record of whole messages."""
        head = LENGTH.pack(len(messages))
        return head + self._cipher.encrypt(self._nonce(), messages, head)

    def open(self, record: bytes) -> bytes:
        """What is in a record. Raises InvalidTag when it is not the next one."""
        head, sealed = record[: LENGTH.size], record[LENGTH.size :]
        return self._cipher.decrypt(self._nonce(), sealed, head)
