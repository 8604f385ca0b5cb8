"""Sealed frames: only the next frame opens, and after a bad one nothing does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_aead_chacha20poly1305_ietf_encrypt

from node.network.cipher import TAG_LENGTH, Cipher, compute_nonce
from node.network.frames import FRAME_MAX, FRAMES_MAX, PLAINTEXT_MAX, FrameError, FrameOpener, FrameSealer

KEY = bytes(range(32))


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**64 - 1), st.binary(max_size=300))
def test_aead_is_that_of_libsodium(key: bytes, counter: int, plaintext: bytes) -> None:
    nonce = compute_nonce(counter)
    sealed = Cipher(key).seal(counter, plaintext)
    assert sealed == crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, None, nonce, key)
    assert len(sealed) == len(plaintext) + TAG_LENGTH


def test_nonce_is_four_zeros_and_the_counter_little_endian() -> None:
    assert compute_nonce(0x0807060504030201).hex() == "000000000102030405060708"


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_frames_open_in_order(plaintexts: list[bytes]) -> None:
    sealer, opener = FrameSealer(KEY), FrameOpener(KEY)
    frames = [sealer.seal(plaintext) for plaintext in plaintexts]
    assert [opener.open(frame) for frame in frames] == plaintexts
    assert len(set(frames)) == len(frames)


@given(st.binary(max_size=100), st.data())
def test_a_changed_byte_anywhere_is_refused(plaintext: bytes, data: st.DataObject) -> None:
    frame = FrameSealer(KEY).seal(plaintext)
    position = data.draw(st.integers(0, len(frame) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = frame[:position] + bytes([frame[position] ^ mask]) + frame[position + 1 :]
    with pytest.raises(FrameError):
        FrameOpener(KEY).open(changed)


@given(st.binary(max_size=100))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(FrameError):
        FrameOpener(KEY).open(data)


@given(st.binary(min_size=1, max_size=40), st.integers(1, 16))
def test_a_truncated_frame_is_refused(plaintext: bytes, cut: int) -> None:
    with pytest.raises(FrameError):
        FrameOpener(KEY).open(FrameSealer(KEY).seal(plaintext)[:-cut])


def test_a_repeated_frame_is_refused() -> None:
    frame = FrameSealer(KEY).seal(b"once")
    opener = FrameOpener(KEY)
    assert opener.open(frame) == b"once"
    with pytest.raises(FrameError):
        opener.open(frame)


def test_a_left_out_frame_is_noticed() -> None:
    sealer, opener = FrameSealer(KEY), FrameOpener(KEY)
    sealer.seal(b"lost")
    with pytest.raises(FrameError):
        opener.open(sealer.seal(b"second"))


def test_reordered_frames_are_refused_and_the_rest_with_them() -> None:
    sealer, opener = FrameSealer(KEY), FrameOpener(KEY)
    first, second = sealer.seal(b"first"), sealer.seal(b"second")
    with pytest.raises(FrameError):
        opener.open(second)
    with pytest.raises(FrameError, match="any more"):
        opener.open(first)


def test_a_frame_of_the_other_direction_is_refused() -> None:
    with pytest.raises(FrameError):
        FrameOpener(b"\x01" * 32).open(FrameSealer(KEY).seal(b"mine"))


def test_the_longest_frame_passes_and_a_longer_one_is_not_decrypted() -> None:
    frame = FrameSealer(KEY).seal(bytes(PLAINTEXT_MAX))
    assert len(frame) == FRAME_MAX
    assert len(FrameOpener(KEY).open(frame)) == PLAINTEXT_MAX
    opener = FrameOpener(KEY)
    with pytest.raises(FrameError, match="at most"):
        opener.open(frame + b"\x00")
    with pytest.raises(FrameError, match="any more"):
        opener.open(frame)


def test_a_key_ends_after_its_last_frame() -> None:
    sealer, opener = FrameSealer(KEY, FRAMES_MAX - 1), FrameOpener(KEY, FRAMES_MAX - 1)
    assert opener.open(sealer.seal(b"last")) == b"last"
    with pytest.raises(FrameError, match="used up"):
        sealer.seal(b"one more")
    with pytest.raises(FrameError, match="any more"):
        opener.open(Cipher(KEY).seal(FRAMES_MAX, b"one more"))
    assert FRAMES_MAX == 2**32
    assert PLAINTEXT_MAX == 131_073
