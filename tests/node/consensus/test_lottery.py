"""Slots are drawn by lot: winners prove it, nobody else passes, and no slot is without an author."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.consensus import lottery, slots
from node.consensus.lottery import Chance, Lottery, SeveralProofsError, WrongProofError
from node.consensus.slots import Claim, NotEligibleError
from runtime.primitives.block import Digest, DigestItem, Header, PreRuntime, encode_header
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.ecvrf import verify
from runtime.primitives.types import Hash

PAIRS = [Keypair.from_seed(bytes([number]) * 32, Scheme.ED25519) for number in range(4)]
KEYS = [pair.public for pair in PAIRS]
THRESHOLD = lottery.find_threshold(1, len(KEYS))
DRAW = Lottery(Hash(bytes(32)), 3, KEYS, THRESHOLD)
SLOTS = range(100, 300)


def won() -> list[tuple[int, int, bytes]]:
    """Author, slot and proof of every prize."""
    found = [(author, slot, DRAW.draw(bytes([author]) * 32, slot)) for slot in SLOTS for author in range(4)]
    return [(author, slot, proof) for author, slot, proof in found if proof is not None]


WON = won()


def header(claim: Claim, *more: DigestItem) -> Header:
    """A sealed header of an author for a slot."""
    zero = Hash(bytes(32))
    bare = Header(zero, 7, zero, zero, Digest((slots.encode_claim(claim), *more)))
    return slots.seal_header(bare, PAIRS[claim.author].sign(encode_header(bare)))


def lost(slot: int) -> int:
    """An author who neither won a slot nor is its secondary author."""
    winners = [author for author, one, _ in WON if one == slot]
    return next(number for number in range(4) if number not in (*winners, DRAW.secondary_author(slot)))


def test_winners_pass_with_their_proof_and_its_output() -> None:
    for author, slot, proof in WON[:5]:
        made = header(Claim(author, slot), lottery.encode_proof(proof))
        assert DRAW.check(made, Claim(author, slot)) == verify(KEYS[author], DRAW.alpha(slot), proof)
        assert slots.check_header(made, slot - 1, slot, 0, KEYS, DRAW.check) == Claim(author, slot)


def test_about_a_quarter_of_the_slots_has_a_winner_and_every_slot_an_author() -> None:
    assert 30 <= len({slot for _, slot, _ in WON}) <= 70
    for slot in SLOTS[:20]:
        claim = Claim(DRAW.secondary_author(slot), slot)
        assert DRAW.check(header(claim), claim) is None
    assert {DRAW.secondary_author(slot) for slot in SLOTS} == {0, 1, 2, 3}


def test_who_neither_won_nor_is_next_may_not() -> None:
    slot = WON[0][1]
    claim = Claim(lost(slot), slot)
    with pytest.raises(NotEligibleError, match="without a proof"):
        DRAW.check(header(claim), claim)


def test_a_proof_that_did_not_win_is_refused_from_a_secondary_author_too() -> None:
    slot = next(one for one in SLOTS if all(one != other for _, other, _ in WON))
    everything = Lottery(DRAW.randomness, DRAW.epoch, KEYS, 1 << lottery.NUMBER_BITS)
    for author in range(4):
        proof = everything.draw(bytes([author]) * 32, slot)
        assert proof is not None
        claim = Claim(author, slot)
        with pytest.raises(NotEligibleError, match="did not win"):
            DRAW.check(header(claim, lottery.encode_proof(proof)), claim)


@pytest.mark.parametrize("changed", ["author", "slot", "epoch", "randomness", "bytes", "length"])
def test_proofs_of_something_else_are_refused(changed: str) -> None:
    author, slot, proof = WON[0]
    draw = DRAW
    match changed:
        case "author":
            author = (author + 1) % 4
        case "slot":
            slot += 1
        case "epoch":
            draw = Lottery(DRAW.randomness, 4, KEYS, THRESHOLD)
        case "randomness":
            draw = Lottery(Hash(b"\1" * 32), 3, KEYS, THRESHOLD)
        case "bytes":
            proof = bytes([proof[0] ^ 1]) + proof[1:]
        case _:
            proof = proof[:-1]
    item = PreRuntime(lottery.VRF_ENGINE, proof)
    claim = Claim(author, slot)
    with pytest.raises(WrongProofError):
        draw.check(header(claim, item), claim)


def test_a_header_has_one_proof() -> None:
    author, slot, proof = WON[0]
    item = lottery.encode_proof(proof)
    with pytest.raises(SeveralProofsError):
        DRAW.check(header(Claim(author, slot), item, item), Claim(author, slot))
    with pytest.raises(ValueError, match="79 bytes"):
        lottery.encode_proof(proof[:-1])


@given(
    st.integers(1, 30).flatmap(lambda total: st.tuples(st.integers(1, total), st.just(total))),
    st.integers(2, 12).flatmap(lambda whole: st.tuples(st.integers(1, whole - 1), st.just(whole))),
)
def test_the_threshold_is_exact(weights: tuple[int, int], chance: tuple[int, int]) -> None:
    (weight, total), (part, whole) = weights, chance
    limit, top = lottery.find_threshold(weight, total, Chance(part, whole)), 1 << lottery.NUMBER_BITS

    def wins(number: int) -> bool:
        return Fraction(top - number, top) ** total > Fraction(whole - part, whole) ** weight

    assert wins(limit - 1)
    assert limit == top or not wins(limit)


def test_one_author_of_all_wins_as_often_as_the_chance_says() -> None:
    assert lottery.find_threshold(5, 5) == 1 << 126
    assert lottery.find_threshold(1, 1, Chance(1, 2)) == 1 << 127


@pytest.mark.parametrize(
    ("weight", "total", "chance"),
    [
        (0, 4, Chance(1, 4)),
        (5, 4, Chance(1, 4)),
        (1, 4, Chance(0, 4)),
        (1, 4, Chance(4, 4)),
        (-1, 4, Chance(1, 4)),
    ],
)
def test_weights_and_chances_out_of_range_are_refused(weight: int, total: int, chance: Chance) -> None:
    with pytest.raises(ValueError, match="weight"):
        lottery.find_threshold(weight, total, chance)


def test_the_next_randomness_depends_on_all_that_goes_in() -> None:
    base = lottery.find_randomness(Hash(bytes(32)), 5, [b"a" * 64, b"b" * 64])
    others = [
        lottery.find_randomness(Hash(b"\1" * 32), 5, [b"a" * 64, b"b" * 64]),
        lottery.find_randomness(Hash(bytes(32)), 6, [b"a" * 64, b"b" * 64]),
        lottery.find_randomness(Hash(bytes(32)), 5, [b"b" * 64, b"a" * 64]),
        lottery.find_randomness(Hash(bytes(32)), 5, [b"a" * 64]),
    ]
    assert len({base, *others}) == 5
