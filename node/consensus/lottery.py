"""Slots drawn by a verifiable lottery: who wins one is known to the winner alone until the block is there.

Responsible for rules alone, as `slots`. An author whose number for a slot is below the threshold of its
weight may make a primary block and shows the proof in a `VRF_` digest item. Where nobody wins, or the winner
is away, the slot's secondary author may make a block; that item is absent then. So no slot stays empty
because of the draw.

An epoch's randomness comes from the outputs of primary blocks two epochs back: who leaves out a block to
change it does so before knowing which authors will draw with it. The threshold is exact, in integers: every
machine finds the same. Source: "Ouroboros Praos" (David, Gaži, Kiayias, Russell; 2017), section 3, and
sc_consensus_babe for primary and secondary slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from node.consensus.slots import Claim, HeaderError, NotEligibleError, author_of
from runtime.primitives.block import Header, PreRuntime
from runtime.primitives.ecvrf import PROOF_LENGTH, proof_to_hash, prove, verify
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import Hash

VRF_ENGINE: Final = b"VRF_"
DOMAIN: Final = b"loam/slot/1"
NUMBER_BITS: Final = 128
"""Bits of an output that are compared with the threshold, little-endian."""


class SeveralProofsError(HeaderError):
    """More than one digest item holds a proof."""


class WrongProofError(HeaderError):
    """The proof is not the author's for this slot."""


class Chance(NamedTuple):
    """How likely a slot has a primary author, `numerator / denominator`; 1/4 on most chains."""

    numerator: int
    denominator: int


USUAL_CHANCE: Final = Chance(1, 4)


@dataclass(frozen=True, slots=True)
class Lottery:
    """One epoch's draw among the keys of a set; all weights are 1."""

    randomness: Hash
    epoch: int
    keys: Sequence[bytes]
    threshold: int

    def draw(self, seed: bytes, slot: int) -> bytes | None:
        """Return an author's proof that it won a slot, None where it did not; `seed` is its secret."""
        proof = prove(seed, self.alpha(slot))
        output = proof_to_hash(proof)
        assert output is not None, "a proof made here has its form"
        return proof if _number(output) < self.threshold else None

    def alpha(self, slot: int) -> bytes:
        """Return what the function is evaluated at for a slot."""
        return DOMAIN + self.randomness + self.epoch.to_bytes(8, "little") + slot.to_bytes(8, "little")

    def secondary_author(self, slot: int) -> int:
        """Return the index of who may make a block in a slot that nobody won."""
        digest = blake2_256(self.randomness + slot.to_bytes(8, "little"))
        return author_of(int.from_bytes(digest, "little"), len(self.keys))

    def check(self, header: Header, claim: Claim) -> bytes | None:
        """Return a primary block's output of 64 bytes, None of a secondary block.

        SeveralProofsError, WrongProofError, and NotEligibleError where the author neither won the slot nor is
        its secondary author. The claim's author is an index of the set.
        """
        proof = find_proof(header)
        if proof is None:
            if claim.author != self.secondary_author(claim.slot):
                raise NotEligibleError(f"author {claim.author} in slot {claim.slot}, without a proof")
            return None
        output = verify(self.keys[claim.author], self.alpha(claim.slot), proof)
        if output is None:
            raise WrongProofError(f"the proof is not that of author {claim.author} for slot {claim.slot}")
        if _number(output) >= self.threshold:
            raise NotEligibleError(f"author {claim.author} did not win slot {claim.slot}")
        return output


def find_proof(header: Header) -> bytes | None:
    """Return the proof that a header shows, None where it shows none; SeveralProofsError."""
    found = [
        item.field_1
        for item in header.digest.logs
        if isinstance(item, PreRuntime) and item.field_0 == VRF_ENGINE
    ]
    if len(found) > 1:
        raise SeveralProofsError("several proofs")
    return found[0] if found else None


def encode_proof(proof: bytes) -> PreRuntime:
    """Return the digest item of a proof; ValueError where it has not 80 bytes."""
    if len(proof) != PROOF_LENGTH:
        raise ValueError(f"a proof of {len(proof)} bytes")
    return PreRuntime(VRF_ENGINE, proof)


def find_threshold(weight: int, total: int, chance: Chance = USUAL_CHANCE) -> int:
    """Return below which number an author wins: 2^128 · (1 - (1 - c)^(weight / total)), rounded up.

    ValueError where the weight is not within 1 to total, or the chance c not between 0 and 1.
    """
    part, whole = chance
    if not 0 < weight <= total or not 0 < part < whole:
        raise ValueError(f"weight {weight} of {total}, chance {part}/{whole}")
    left = ((whole - part) ** weight << NUMBER_BITS * total) // whole**weight
    return (1 << NUMBER_BITS) - _integer_root(left, total)


def find_randomness(before: Hash, epoch: int, outputs: Sequence[bytes]) -> Hash:
    """Return an epoch's randomness: a hash of the one before, the epoch's number, and the outputs of the
    primary blocks of two epochs before, in the chain's order."""
    return Hash(blake2_256(before + epoch.to_bytes(8, "little") + b"".join(outputs)))


def _number(output: bytes) -> int:
    return int.from_bytes(output[: NUMBER_BITS // 8], "little")


def _integer_root(value: int, degree: int) -> int:
    """Return the greatest integer whose power is at most a value, by Newton's method from above."""
    root = 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * root + value // root ** (degree - 1)) // degree
        if better >= root:
            return root
        root = better
