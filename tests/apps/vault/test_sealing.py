"""What is sealed opens with its own key and place alone; the cipher is XChaCha20-Poly1305."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.vault.errors import BadInput, Damaged
from apps.vault.sealing import (
    SEALED_EXTRA,
    STRETCHING_MAX,
    Stretching,
    draw_bytes,
    open_sealed,
    seal,
    stretch,
)
from tests.apps.vault.making import CHEAP

KEY = bytes(range(32))


def test_the_cipher_is_that_of_the_draft() -> None:
    """draft-irtf-cfrg-xchacha-03, appendix A.3.1."""
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future,"
        b" sunscreen would be it."
    )
    place = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    key = bytes(range(0x80, 0xA0))
    nonce = bytes(range(0x40, 0x58))
    text = bytes.fromhex(
        "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
        "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
        "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
        "21f9664c97637da9768812f615c68b13b52e"
    )
    tag = bytes.fromhex("c0875924c1c7987947deafd8780acf49")
    assert open_sealed(key, nonce + text + tag, place) == plain


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_what_is_sealed_opens_again(plain: bytes, place: bytes) -> None:
    sealed = seal(KEY, plain, place)
    assert len(sealed) == len(plain) + SEALED_EXTRA
    assert open_sealed(KEY, sealed, place) == plain


def test_the_same_text_is_never_sealed_alike() -> None:
    assert len({seal(KEY, b"same", b"") for _ in range(50)}) == 50


def test_every_changed_byte_is_noticed() -> None:
    sealed = seal(KEY, b"text", b"place")
    for at in range(len(sealed)):
        for changed in (sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], sealed[:at]):
            with pytest.raises(Damaged):
                open_sealed(KEY, changed, b"place")


@pytest.mark.parametrize("place", [b"", b"placf", b"place\0", b"Place"])
def test_a_text_opens_at_its_own_place_alone(place: bytes) -> None:
    with pytest.raises(Damaged):
        open_sealed(KEY, seal(KEY, b"text", b"place"), place)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Damaged):
        open_sealed(draw_bytes(), seal(KEY, b"text", b"place"), b"place")


def test_a_passphrase_gives_one_key_for_one_salt() -> None:
    keys = {stretch(b"word", bytes([n]) * 16, CHEAP) for n in (1, 1, 2)}
    assert len(keys) == 2
    assert stretch(b"word", bytes(16), CHEAP) != stretch(b"wore", bytes(16), CHEAP)


@pytest.mark.parametrize(
    ("passphrase", "salt", "how"),
    [
        (b"", bytes(16), CHEAP),
        (b"x" * 1025, bytes(16), CHEAP),
        (b"x", bytes(15), CHEAP),
        (b"x", bytes(16), Stretching(0, 8192)),
        (b"x", bytes(16), Stretching(1, 1)),
        (b"x", bytes(16), Stretching(STRETCHING_MAX.passes + 1, 8192)),
        (b"x", bytes(16), Stretching(1, STRETCHING_MAX.memory_bytes + 1)),
    ],
)
def test_parameters_out_of_bounds_are_refused(passphrase: bytes, salt: bytes, how: Stretching) -> None:
    with pytest.raises(BadInput):
        stretch(passphrase, salt, how)
