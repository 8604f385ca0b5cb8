"""Which signatures were found good, so that no transaction is verified twice on one node.

Sans-IO and bounded. The hash of an extrinsic does not cover all that its signature signs: spec and
transaction version, genesis hash and the hash of the era's birth block are implied by the chain. So an
entry is the pair of the hash and these implied bytes; the same extrinsic on another fork or after a runtime
upgrade is a miss. Answering by the hash alone would let two nodes disagree about one block.
"""

from typing import Final

VERIFIED_MAX: Final = 131_072
"""Entries kept: at least four seconds of 15,000 transactions a second, from pool to block."""


class VerifiedCache:
    """Bounded memory of good signatures; the newest half of `capacity` is always kept.

    Two generations stand in for a strict order of use: a hit moves the entry into the young one, and a full
    young generation replaces the old one. That costs no bookkeeping per look-up.
    """

    def __init__(self, capacity: int = VERIFIED_MAX) -> None:
        assert capacity >= 2
        self._half = capacity // 2
        self._young: dict[bytes, bytes] = {}
        self._old: dict[bytes, bytes] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, extrinsic: bytes, implied: bytes) -> None:
        """Remember that the signature of the extrinsic of this hash is good over these implied bytes."""
        if len(self._young) >= self._half and extrinsic not in self._young:
            self._old = self._young
            self._young = {}
        self._young[extrinsic] = implied

    def has(self, extrinsic: bytes, implied: bytes) -> bool:
        """Tell whether this very signature check was done before with a good result."""
        if self._young.get(extrinsic) == implied:
            return True
        if self._old.get(extrinsic) != implied:
            return False
        self.add(extrinsic, implied)
        return True
