"""Encryption at rest and derived keys: one installation secret, one key per purpose.

AES-256-GCM; keys by HKDF-SHA256. It never writes or logs a key.
"""

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import ConfigurationError

NONCE_BYTES = 12
KEY_BYTES = 32


def derive(secret: str, purpose: str) -> bytes:
    """A key of 32 bytes for one purpose."""
    return HKDF(SHA256(), KEY_BYTES, salt=b"huying", info=purpose.encode()).derive(secret.encode())


def keyed_hash(key: bytes, *parts: str) -> str:
    """Hex HMAC-SHA256 of parts that cannot run into one another: stable, not reversible without the key."""
    mac = hmac.new(key, digestmod=sha256)
    for part in parts:
        piece = part.encode("utf-8", "surrogatepass")
        mac.update(len(piece).to_bytes(4, "big") + piece)
    return mac.hexdigest()


class Sealer:
    """Seals bytes for one purpose."""

    def __init__(self, secret: str, purpose: str) -> None:
        """Derive the key for `purpose` from the installation's secret."""
        self._cipher = AESGCM(derive(secret, purpose))

    def seal(self, data: bytes) -> bytes:
        """Nonce and ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, None)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed.

        Raises:
            ConfigurationError: another secret sealed it, or somebody changed it.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except InvalidTag as error:
            raise ConfigurationError(
                "sealed with another HUYING_SECRET: start with the secret it was written with"
            ) from error
