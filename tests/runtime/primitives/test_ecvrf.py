"""A proof stands for one value, which only the key's owner can make and everybody can verify."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.ecvrf import (
    GROUP_ORDER,
    PROOF_LENGTH,
    Suite,
    hash_to_curve,
    proof_to_hash,
    prove,
    verify,
)
from runtime.primitives.hash_to_curve import FIELD, IDENTITY, encode_to_curve, expand_message
from runtime.primitives.keys import SEED_LENGTH

SEED = bytes(range(SEED_LENGTH))
PUBLIC = Keypair.from_seed(SEED, Scheme.ED25519).public
ALPHA = b"epoch 7, slot 12"
SMALL_ORDER = bytes(32)
NOT_CANONICAL = (FIELD + 3).to_bytes(32, "little")


@pytest.mark.parametrize("suite", Suite)
@given(seed=st.binary(min_size=32, max_size=32), alpha=st.binary(max_size=100))
def test_a_proof_is_verified_and_is_always_the_same(suite: Suite, seed: bytes, alpha: bytes) -> None:
    public = Keypair.from_seed(seed, Scheme.ED25519).public
    proof = prove(seed, alpha, suite)
    assert prove(seed, alpha, suite) == proof
    assert len(proof) == PROOF_LENGTH
    output = verify(public, alpha, proof, suite)
    assert output is not None
    assert output == proof_to_hash(proof, suite)
    assert verify(public, alpha + b"\0", proof, suite) is None


@given(place=st.integers(0, PROOF_LENGTH * 8 - 1))
def test_a_proof_with_another_bit_proves_nothing(place: int) -> None:
    proof = bytearray(prove(SEED, ALPHA))
    proof[place // 8] ^= 1 << place % 8
    assert verify(PUBLIC, ALPHA, bytes(proof)) is None


def test_suites_and_keys_are_not_mixed_up() -> None:
    proof = prove(SEED, ALPHA)
    assert verify(PUBLIC, ALPHA, proof, Suite.ELL2) is None
    other = Keypair.from_seed(bytes(32), Scheme.ED25519).public
    assert verify(other, ALPHA, proof) is None
    assert proof_to_hash(proof) != proof_to_hash(proof, Suite.ELL2)


@pytest.mark.parametrize("public", [b"", PUBLIC[:-1], PUBLIC + b"\0", SMALL_ORDER, IDENTITY, NOT_CANONICAL])
def test_keys_that_are_none_are_refused(public: bytes) -> None:
    assert verify(public, ALPHA, prove(SEED, ALPHA)) is None


@pytest.mark.parametrize("gamma", [SMALL_ORDER, IDENTITY, NOT_CANONICAL, b"\2" + bytes(31)])
def test_a_gamma_that_is_no_point_of_prime_order_is_refused(gamma: bytes) -> None:
    proof = gamma + prove(SEED, ALPHA)[32:]
    assert verify(PUBLIC, ALPHA, proof) is None
    assert proof_to_hash(proof) is None


def test_a_response_has_one_form() -> None:
    proof = prove(SEED, ALPHA)
    longer = int.from_bytes(proof[48:], "little") + GROUP_ORDER
    assert verify(PUBLIC, ALPHA, proof[:48] + longer.to_bytes(32, "little")) is None


@pytest.mark.parametrize("length", [0, 79, 81])
def test_proofs_of_another_length_are_refused(length: int) -> None:
    assert verify(PUBLIC, ALPHA, prove(SEED, ALPHA)[:79].ljust(length, b"\0")[:length]) is None


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_seeds_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"a seed of {length} bytes"):
        prove(bytes(length), ALPHA)


@pytest.mark.parametrize("public", [IDENTITY, SMALL_ORDER])
@pytest.mark.parametrize("proof", [IDENTITY + bytes(48), bytes(80)])
def test_nothing_of_nothing_is_no_proof(public: bytes, proof: bytes) -> None:
    assert verify(public, b"", proof) is None


def test_zero_as_challenge_and_response_is_answered() -> None:
    gamma = hash_to_curve(PUBLIC, ALPHA, Suite.TAI)
    assert verify(PUBLIC, ALPHA, gamma + bytes(48)) is None


@pytest.mark.parametrize("length", [0, 256])
def test_domain_tags_of_no_length_and_too_long_are_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"a domain tag of {length} bytes"):
        encode_to_curve(b"", bytes(length))


@pytest.mark.parametrize("length", [0, 65])
def test_only_what_one_digest_holds_is_expanded(length: int) -> None:
    with pytest.raises(ValueError, match=f"{length} bytes asked for"):
        expand_message(b"", b"tag", length)
