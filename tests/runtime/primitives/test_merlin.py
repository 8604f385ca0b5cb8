"""Merlin transcripts, against hashlib's Keccak and the published test vectors of merlin."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.merlin import RATE, STATE_BYTES, Transcript, _permute

SHA3_RATE = 136


def compute_sha3(message: bytes) -> bytes:
    """Return SHA3-256 by the permutation under test: FIPS 202, section 6.1."""
    padded = bytearray(message + b"\x06" + bytes(-(len(message) + 1) % SHA3_RATE))
    padded[-1] |= 0x80
    state = bytearray(STATE_BYTES)
    for start in range(0, len(padded), SHA3_RATE):
        for index, byte in enumerate(padded[start : start + SHA3_RATE]):
            state[index] ^= byte
        state = _permute(state)
    return bytes(state[:32])


@pytest.mark.parametrize("length", [0, 1, SHA3_RATE - 1, SHA3_RATE, SHA3_RATE + 1, 500])
def test_permutation_is_that_of_sha3(length: int) -> None:
    message = bytes(index % 251 for index in range(length))
    assert compute_sha3(message) == hashlib.sha3_256(message).digest()


def test_simple_transcript_of_merlin_gives_its_challenge() -> None:
    transcript = Transcript(b"test protocol")
    transcript.append(b"some label", b"some data")
    expected = "d5a21972d0d5fe320c0d263fac7fffb8145aa640af6e9bca177c03c7efcf0615"
    assert transcript.challenge(b"challenge", 32).hex() == expected


def test_complex_transcript_of_merlin_gives_its_challenge() -> None:
    transcript = Transcript(b"test protocol")
    transcript.append(b"step1", b"some data")
    challenge = b""
    for _ in range(32):
        challenge = transcript.challenge(b"challenge", 32)
        transcript.append(b"bigdata", bytes([99]) * 1024)
        transcript.append(b"challengedata", challenge)
    assert challenge.hex() == "a8c933f54fae76e3f9bea93648c1308e7dfa2152dd51674ff3ca438351cf003c"


@given(st.lists(st.binary(max_size=3 * RATE), max_size=4), st.integers(0, 3 * RATE))
def test_challenge_has_the_length_asked_for_and_depends_on_all_that_was_said(
    said: list[bytes], length: int
) -> None:
    def draw(messages: list[bytes]) -> bytes:
        transcript = Transcript(b"lengths")
        for message in messages:
            transcript.append(b"message", message)
        return transcript.challenge(b"drawn", length) + transcript.challenge(b"more", 16)

    assert len(draw(said)) == length + 16
    assert draw(said) == draw(said)
    assert draw([*said, b""]) != draw(said)
