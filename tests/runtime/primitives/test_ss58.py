"""SS58: one text per address, every other text refused."""

import base58
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runtime.primitives.hashing import blake2_512
from runtime.primitives.ss58 import ADDRESS_LENGTH_MAX, Address, Ss58Error, decode_address, encode_address
from runtime.primitives.types import AccountId

ALICE = AccountId(bytes.fromhex("d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d"))
ALICE_42 = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"
prefixes = st.integers(0, 16_383).filter(lambda prefix: prefix not in (46, 47))
account_ids = st.binary(min_size=32, max_size=32)


def seal(body: bytes, checksum_length: int = 2) -> str:
    """Return base58 of a body with a right checksum, whatever the body is."""
    return base58.b58encode(body + blake2_512(b"SS58PRE" + body)[:checksum_length]).decode("ascii")


def test_alice_on_the_generic_prefix() -> None:
    assert encode_address(ALICE, 42) == ALICE_42
    assert decode_address(ALICE_42) == Address(42, ALICE)


@pytest.mark.parametrize(
    ("prefix", "first_bytes"),
    [(0, "00"), (63, "3f"), (64, "5000"), (255, "7fc0"), (256, "4001"), (16_383, "7fff")],
)
def test_prefix_takes_one_byte_below_64_and_two_above(prefix: int, first_bytes: str) -> None:
    raw = base58.b58decode(encode_address(ALICE, prefix))
    assert raw[: -len(ALICE) - 2].hex() == first_bytes
    assert decode_address(encode_address(ALICE, prefix)) == (prefix, ALICE)


@given(account_ids, prefixes)
def test_address_round_trips(account_id: bytes, prefix: int) -> None:
    text = encode_address(account_id, prefix)
    assert decode_address(text) == (prefix, account_id)
    assert len(text) <= ADDRESS_LENGTH_MAX


@given(account_ids, prefixes, prefixes)
def test_prefixes_never_share_an_address(account_id: bytes, one: int, other: int) -> None:
    assume(one != other)
    assert encode_address(account_id, one) != encode_address(account_id, other)


@given(st.integers(0, 47), st.sampled_from("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"))
def test_one_changed_character_is_noticed(position: int, character: str) -> None:
    changed = ALICE_42[:position] + character + ALICE_42[position + 1 :]
    assume(changed != ALICE_42)
    with pytest.raises(Ss58Error):
        decode_address(changed)


@given(st.text(max_size=60))
def test_any_text_gives_an_address_or_the_typed_error(text: str) -> None:
    try:
        prefix, account_id = decode_address(text)
    except Ss58Error:
        return
    assert encode_address(account_id, prefix) == text


@pytest.mark.parametrize("prefix", [-1, 16_384, 46, 47])
def test_unusable_prefix_is_refused_in_encoding(prefix: int) -> None:
    with pytest.raises(Ss58Error):
        encode_address(ALICE, prefix)


@pytest.mark.parametrize("prefix", [46, 47])
def test_reserved_prefix_is_refused_in_decoding(prefix: int) -> None:
    with pytest.raises(Ss58Error, match="reserved"):
        decode_address(seal(bytes((prefix,)) + ALICE))


@pytest.mark.parametrize("length", [0, 1, 2, 4, 8, 31, 33])
def test_other_lengths_than_32_bytes_are_refused(length: int) -> None:
    with pytest.raises(Ss58Error):
        encode_address(bytes(length), 42)
    with pytest.raises(Ss58Error):
        decode_address(seal(b"\x2a" + bytes(length)))


@pytest.mark.parametrize("checksum_length", [0, 1, 3, 32])
def test_other_checksum_lengths_are_refused(checksum_length: int) -> None:
    with pytest.raises(Ss58Error):
        decode_address(seal(b"\x2a" + ALICE, checksum_length))


def test_small_prefix_in_two_bytes_is_refused() -> None:
    # 42 in the two-byte form: ((42 & 0xfc) >> 2) | 0x40, then (42 & 3) << 6.
    with pytest.raises(Ss58Error, match="one byte"):
        decode_address(seal(bytes((0x4A, 0x80)) + ALICE))


@pytest.mark.parametrize("first", [128, 200, 255])
def test_first_byte_above_127_is_refused(first: int) -> None:
    with pytest.raises(Ss58Error, match="no prefix"):
        decode_address(seal(bytes((first, 0)) + ALICE))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1",
        ALICE_42 + " ",
        ALICE_42 + "\n",
        " " + ALICE_42,
        "1" + ALICE_42,
        ALICE_42 + "1",
        ALICE_42.lower(),
        "0x" + ALICE.hex(),
        "0OIl",
        "é" * 48,
        "\ud800",
        ALICE_42.replace("5", "\u0665"),
    ],
)
def test_text_beside_the_canonical_form_is_refused(text: str) -> None:
    with pytest.raises(Ss58Error):
        decode_address(text)


def test_long_text_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> int:
        raise AssertionError("decoded")

    monkeypatch.setattr(base58, "b58decode_int", fail)
    with pytest.raises(AssertionError, match="decoded"):
        decode_address("z" * ADDRESS_LENGTH_MAX)
    with pytest.raises(Ss58Error, match="at most 50"):
        decode_address("z" * (ADDRESS_LENGTH_MAX + 1))
