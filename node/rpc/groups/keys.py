"""`author_*` methods on authority keys: insert, look up, rotate; unsafe all of them.

Responsible for what a key must be before it is kept. It never answers, logs or repeats a secret. Where
several authorities agree, a node signs with a new key as soon as the chain's set has it. The authority of a
chain that has no other signs with the key that it was started with; the answer to a new key of that kind says
that a restart is needed.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Annotated, NamedTuple

from node.keystore import Keystore, KeystoreError
from node.rpc.groups.context import hex_of
from node.rpc.jsonrpc import RpcError
from node.rpc.methods import method
from node.rpc.params import Hex, Text
from runtime.primitives.crypto import Scheme
from runtime.primitives.keys import URI_LENGTH_MAX
from runtime.primitives.possession import possession_message

KEY_ERROR = 1040
"""Substrate's code of all that goes wrong with keys."""
PUBLIC_BYTES_MAX = 33
SEED_BYTES = 32
OWNER_BYTES_MAX = 64
RESTART_NEEDED = "the key is kept; restart the node to sign with it"

PublicKey = Annotated[bytes, Hex(limit=PUBLIC_BYTES_MAX)]
Suri = Annotated[str, Text(URI_LENGTH_MAX)]


class SessionKey(NamedTuple):
    """One of a validator's keys: its type in the keystore, its scheme and the length of its public key."""

    key_type: str
    scheme: Scheme
    length: int = 32


class KeyMethods:
    """The methods of one node on one chain."""

    def __init__(
        self, keystore: Keystore, session: Sequence[SessionKey], *, signs_with: bytes | None
    ) -> None:
        """Keep keys of any type; `session` are those of a validator, in the order of the chain's session
        keys.

        `signs_with` is the public key that the chain's only authority signs with until it is restarted,
        None where keys take turns.
        """
        self._keystore = keystore
        self._session = tuple(session)
        self._signs_with = signs_with

    @method("author_insertKey", unsafe=True)
    async def insert(self, key_type: str, suri: Suri, public_key: PublicKey) -> str | None:
        """Keep the key of a secret URI, which must give the public key; null, or that a restart is needed."""
        self._ensure_key_type(key_type)
        scheme = await asyncio.to_thread(self._keystore.find_scheme, suri, public_key)
        if scheme is None:
            raise RpcError(KEY_ERROR, "the secret URI is malformed or gives another public key than this")
        for one in self._session:
            if one.key_type == key_type and one.scheme is not scheme:
                raise RpcError(KEY_ERROR, f"{key_type} keys are {one.scheme.name.lower()} keys")
        await self._insert(key_type, suri, scheme)
        return RESTART_NEEDED if self._is_new_to_authority(key_type, public_key) else None

    @method("author_hasKey", unsafe=True)
    def has(self, public_key: PublicKey, key_type: str) -> bool:
        """Whether the secret of a public key is kept under a key type."""
        self._ensure_key_type(key_type)
        return self._keystore.has_key(key_type, public_key)

    @method("author_hasSessionKeys", unsafe=True)
    def has_session(self, session_keys: bytes) -> bool:
        """Whether the secrets of all keys in SCALE-encoded session keys are kept."""
        if len(session_keys) != sum(one.length for one in self._session):
            raise RpcError(KEY_ERROR, "Session keys are not encoded correctly")
        position = 0
        for one in self._session:
            public = session_keys[position : position + one.length]
            position += one.length
            if not self._keystore.has_key(one.key_type, public):
                return False
        return True

    @method("author_rotateKeys", unsafe=True)
    async def rotate(self) -> str:
        """Make and keep new session keys; returns them SCALE-encoded."""
        return hex_of(b"".join(await self._rotate()))

    @method("author_rotateKeysWithOwner", unsafe=True)
    async def rotate_with_owner(self, owner: Annotated[bytes, Hex(limit=OWNER_BYTES_MAX)]) -> dict[str, str]:
        """Make and keep new session keys; returns them and the proof with which this account registers them
        in `Session.set_keys`."""
        publics = await self._rotate()
        message = possession_message(owner)
        pairs = [
            self._keystore.get_keypair(one.key_type, public)
            for one, public in zip(self._session, publics, strict=True)
        ]
        proof = b"".join(pair.sign(message) for pair in pairs)
        return {"keys": hex_of(b"".join(publics)), "proof": hex_of(proof)}

    async def _rotate(self) -> list[bytes]:
        return [
            await self._insert(one.key_type, "0x" + secrets.token_hex(SEED_BYTES), one.scheme)
            for one in self._session
        ]

    async def _insert(self, key_type: str, suri: str, scheme: Scheme) -> bytes:
        try:
            # Sealing takes most of a second, and the file is synced.
            key = await asyncio.to_thread(self._keystore.insert, key_type, suri, scheme)
        except KeystoreError as error:
            raise RpcError(KEY_ERROR, "The key store is unavailable", str(error)) from error
        return key.public

    def _is_new_to_authority(self, key_type: str, public: bytes) -> bool:
        is_session_key = any(one.key_type == key_type for one in self._session)
        return is_session_key and self._signs_with is not None and public != self._signs_with

    def _ensure_key_type(self, key_type: str) -> None:
        if not self._keystore.is_key_type(key_type):
            raise RpcError(KEY_ERROR, "Invalid key type ID format (should be of length four)")
