"""Slots: claims and seals that keep to the rules pass, each fault has its error, evidence convinces."""

from __future__ import annotations

import pytest
from nacl.signing import SigningKey

from node.consensus import slots
from node.consensus.slots import Claim, Equivocation
from runtime.primitives.block import Digest, DigestItem, Header, PreRuntime, Seal, encode_header
from runtime.primitives.types import ZERO_HASH, Hash

KEYS = [SigningKey(bytes([number]) * 32) for number in range(3)]
SET = [bytes(key.verify_key) for key in KEYS]
CLAIM = Claim(author=1, slot=10)


def bare(*logs: DigestItem, root: int = 0) -> Header:
    return Header(ZERO_HASH, 5, Hash(bytes([root]) * 32), ZERO_HASH, Digest(logs))


def sealed(header: Header, key: int = 1) -> Header:
    return slots.seal_header(header, KEYS[key].sign(encode_header(header)).signature)


GOOD = sealed(bare(slots.encode_claim(CLAIM)))


def test_a_right_header_passes_up_to_the_drift() -> None:
    assert slots.check_header(GOOD, 9, 8, 2, SET, slots.round_robin(len(SET))) == CLAIM
    assert slots.slot_at(59_999, 6_000) == 9
    assert slots.encode_claim(CLAIM).field_1 == bytes.fromhex("02010000000a00000000000000")


@pytest.mark.parametrize(
    ("header", "parent", "now", "error"),
    [
        (sealed(bare()), 9, 10, slots.NoClaimError),
        (sealed(bare(PreRuntime(b"BABE", b"\x02" + bytes(11)))), 9, 10, slots.NoClaimError),
        (sealed(bare(PreRuntime(b"BABE", b"\x01" + bytes(12)))), 9, 10, slots.NoClaimError),
        (sealed(bare(*[slots.encode_claim(CLAIM)] * 2)), 9, 10, slots.SeveralClaimsError),
        (bare(slots.encode_claim(CLAIM)), 9, 10, slots.NoSealError),
        (sealed(GOOD), 9, 10, slots.NoSealError),
        (bare(slots.encode_claim(CLAIM), Seal(b"BABE", bytes(64))), 9, 10, slots.NoSealError),
        (GOOD, 10, 10, slots.StaleSlotError),
        (GOOD, 9, 7, slots.FutureSlotError),
        (sealed(bare(slots.encode_claim(Claim(3, 10)))), 9, 10, slots.AuthorRangeError),
        (sealed(bare(slots.encode_claim(Claim(2, 10))), 2), 9, 10, slots.NotEligibleError),
        (sealed(bare(slots.encode_claim(CLAIM)), 0), 9, 10, slots.WrongSealError),
        (slots.seal_header(bare(slots.encode_claim(CLAIM)), b""), 9, 10, slots.WrongSealError),
    ],
)
def test_each_fault_has_its_error(header: Header, parent: int, now: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        slots.check_header(header, parent, now, 2, SET, slots.round_robin(len(SET)))


def test_bad_numbers_are_refused() -> None:
    for unix_ms, slot_ms in ((-1, 1), (0, 0)):
        with pytest.raises(ValueError, match="not negative"):
            slots.slot_at(unix_ms, slot_ms)
    with pytest.raises(ValueError, match="members"):
        slots.author_of(1, 0)


def test_two_blocks_of_one_author_in_one_slot_are_evidence() -> None:
    other = sealed(bare(slots.encode_claim(CLAIM), root=1))
    assert slots.is_equivocation(Equivocation(SET[1], 10, GOOD, other))
    forged = sealed(bare(slots.encode_claim(CLAIM), root=1), 0)
    later = sealed(bare(slots.encode_claim(Claim(1, 13))))
    for second in (GOOD, forged, later, bare()):
        assert not slots.is_equivocation(Equivocation(SET[1], 10, GOOD, second))
    assert not slots.is_equivocation(Equivocation(SET[0], 10, GOOD, other))
