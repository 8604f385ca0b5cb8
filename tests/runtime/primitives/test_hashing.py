"""Storage hashers: known digests, the concat rule, and the relations between the widths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives import hashing
from runtime.primitives.hashing import Hasher

# RFC 7693 appendix A gives blake2b-512 of "abc"; the BLAKE3 paper's test vector file gives the empty input.
ABC_BLAKE2B_512 = (
    "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
)
EMPTY_BLAKE3 = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"


def test_blake2_512_is_rfc_7693_blake2b() -> None:
    assert hashing.blake2_512(b"abc").hex() == ABC_BLAKE2B_512


def test_blake3_of_nothing_is_the_published_digest() -> None:
    assert hashing.blake3_256(b"").hex() == EMPTY_BLAKE3


def test_runtime_api_id_is_blake2_64_of_the_name() -> None:
    assert hashing.blake2_64(b"Core").hex() == "df6acb689907609b"


def test_storage_prefix_of_system_account_is_twox128_twice() -> None:
    key = hashing.twox128(b"System") + hashing.twox128(b"Account")
    assert key.hex() == "26aa394eea5630e07c48ae0c9558cef7b99d880ec681799c0cf30e8886371da9"


@pytest.mark.parametrize(
    ("hasher", "length"),
    [
        (hashing.blake2_64, 8),
        (hashing.blake2_128, 16),
        (hashing.blake2_256, 32),
        (hashing.blake2_512, 64),
        (hashing.blake3_256, 32),
        (hashing.twox64, 8),
        (hashing.twox128, 16),
        (hashing.twox256, 32),
    ],
)
@given(data=st.binary(max_size=200))
def test_digest_has_its_length(hasher: Hasher, length: int, data: bytes) -> None:
    assert len(hasher(data)) == length


@given(st.binary(max_size=200))
def test_concat_hashers_append_their_input(data: bytes) -> None:
    assert hashing.blake2_128_concat(data) == hashing.blake2_128(data) + data
    assert hashing.twox64_concat(data) == hashing.twox64(data) + data
    assert hashing.identity(data) == data


@given(st.binary(max_size=200))
def test_narrow_twox_is_the_beginning_of_the_wide_one(data: bytes) -> None:
    assert hashing.twox256(data).startswith(hashing.twox128(data))
    assert hashing.twox128(data).startswith(hashing.twox64(data))


def test_blake2_digest_size_is_part_of_the_hash() -> None:
    assert not hashing.blake2_256(b"abc").startswith(hashing.blake2_128(b"abc"))


@pytest.mark.parametrize("hasher", [hashing.blake2_128, hashing.blake2_128_concat, hashing.blake3_256])
def test_text_is_not_hashed_silently(hasher: Hasher) -> None:
    with pytest.raises(TypeError):
        hasher("System")  # type: ignore[arg-type]  # the point of the test
