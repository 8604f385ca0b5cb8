"""Which of a node's keys signs: the one that the authority set has, though it changes while the node runs.

Responsible for the choice alone. A key stays in use until the set has another one of this node instead; a key
that was given up, since another node signs with it or its record is lost, is never chosen again: the former
not even after a restart, for whatever restarts a node by itself knows nothing of the other one. It must not
know how keys and their guards are kept, nor when a key may begin to sign (`new_key`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Protocol

import structlog

from node.driver.signer import GuardedSigner
from node.keystore import KeystoreError
from node.storage.guard import CopiedKeys

log = structlog.get_logger("agreement")


class HeldKeys(Protocol):
    """The vote keys that a node holds; both may read files."""

    def list(self) -> Sequence[bytes]:
        """Return their public keys; KeystoreError or FileNotFoundError when they cannot be listed."""
        ...

    def open(self, public: bytes) -> GuardedSigner:
        """Return the signer of one; KeystoreError when it cannot be read."""
        ...


class VoteKeys:
    """The key in use, and those that could follow it."""

    def __init__(
        self,
        current: GuardedSigner | None,
        held: HeldKeys | None = None,
        copied: CopiedKeys | None = None,
    ) -> None:
        """Begin with a key, or as an observer; without `held` it stays so. What `copied` names signs nothing;
        CorruptionError where that cannot be read."""
        self.current = current
        self._held = held
        self._copied = copied
        self._given_up: dict[bytes, None] = {}
        if copied is not None:
            self._give_up_copied(copied)

    def give_up(self) -> None:
        """Never sign with the key in use again."""
        if self.current is not None:
            self._given_up[self.current.public] = None
            self.current = None

    async def remember_copied(self, public: bytes) -> None:
        """Let a key that another node signs with sign nothing after a restart either; durable on return."""
        if self._copied is not None:
            await asyncio.to_thread(self._copied.add, public)

    async def choose(self, authorities: Collection[bytes]) -> GuardedSigner | None:
        """Return the key to sign with for a set: one that the set has, else the one that was in use."""
        current = self.current
        if self._held is not None and (current is None or current.public not in authorities):
            found = await asyncio.to_thread(self._find, self._held, authorities)
            if found is not None:
                log.info("vote_key_changed", key=found.public)
                self.current = found
        return self.current

    def _give_up_copied(self, copied: CopiedKeys) -> None:
        for public in copied.load():
            self._given_up[public] = None
            log.error(
                "second_copy_known",
                key=public,
                reason=f"another node signed with this key; when it no longer does, stop this one, remove"
                f" {copied.path} and start it again",
            )
        if self.current is not None and self.current.public in self._given_up:
            self.current = None

    def _find(self, held: HeldKeys, authorities: Collection[bytes]) -> GuardedSigner | None:
        try:
            publics = held.list()
        except (KeystoreError, FileNotFoundError) as error:
            log.error("vote_keys_unreadable", reason=str(error))  # noqa: TRY400  # no fault here
            return None
        for public in publics:
            if public in authorities and public not in self._given_up:
                try:
                    return held.open(public)
                except KeystoreError as error:
                    log.error("vote_key_unreadable", key=public, reason=str(error))  # noqa: TRY400  # no fault here
                    self._given_up[public] = None
        return None
