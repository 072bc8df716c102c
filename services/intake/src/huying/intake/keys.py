"""Keyed hashes out of the installation's secret, one key a purpose. It never shows a key."""

from functools import partial

from huying.chassis.sealing import derive, keyed_hash
from huying.contracts.identity import KeyedHash

from .domain.acceptance import Keys


def keys_of(secret: str) -> Keys:
    """The hashes that identities are made with; hotline-bridge makes the same tracking numbers by the same purpose."""
    return Keys(_hash(secret, "tracking"), _hash(secret, "reporter"), _hash(secret, "report body"))


def _hash(secret: str, purpose: str) -> KeyedHash:
    return partial(keyed_hash, derive(secret, purpose))
