"""Eras: the bytes, the windows, and every form that is not canonical."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.era import IMMORTAL, Era, EraError, decode_era, encode_era, mortal_era

periods = st.integers(2, 16).map(lambda exponent: 1 << exponent)
numbers = st.integers(0, 2**32 - 1)


def test_immortal_is_one_zero_byte() -> None:
    assert encode_era(IMMORTAL) == b"\x00"
    assert decode_era(b"\x00\xff", 0) == (IMMORTAL, 1)


def test_immortal_spans_everything() -> None:
    assert IMMORTAL.is_immortal
    assert IMMORTAL.birth(1_000) == 0
    assert IMMORTAL.death(1_000) == U64_MAX


@pytest.mark.parametrize(
    ("requested", "period"),
    [(0, 4), (1, 4), (3, 4), (4, 4), (5, 8), (64, 64), (65, 128), (65_536, 65_536), (65_537, 65_536)],
)
def test_period_is_rounded_up_to_a_power_of_two_and_limited(requested: int, period: int) -> None:
    assert mortal_era(requested, 0) == Era(period, 0)


@given(st.integers(0, 2**20), numbers)
def test_every_mortal_era_round_trips_in_two_bytes(period: int, number: int) -> None:
    era = mortal_era(period, number)
    encoded = encode_era(era)
    assert len(encoded) == 2
    assert decode_era(b"\xff" + encoded + b"\xff", 1) == (era, 3)


@given(periods, numbers, st.integers(0, 2**17))
def test_window_holds_its_number_and_repeats(period: int, number: int, later: int) -> None:
    era = mortal_era(period, number)
    birth, death = era.birth(number), era.death(number)
    assert birth <= number < death
    assert death - birth == period
    assert (era.birth(number + later) - birth) % period == 0
    assert era.birth(number + later) <= number + later < era.death(number + later)


@given(periods, numbers)
def test_birth_is_the_number_itself_up_to_the_quantum(period: int, number: int) -> None:
    era = mortal_era(period, number)
    assert number - era.birth(number) < max(period // 4_096, 1)


@given(periods)
def test_number_before_the_first_phase_belongs_to_the_first_window(period: int) -> None:
    era = mortal_era(period, period - 1)
    assert era.birth(0) == era.phase


@given(st.binary(min_size=1, max_size=3))
def test_decoding_accepts_only_what_encoding_gives(data: bytes) -> None:
    try:
        era, end = decode_era(data, 0)
    except EraError:
        return
    assert encode_era(era) == data[:end]


@pytest.mark.parametrize(("period", "number"), [(-1, 0), (64, -1)])
def test_negative_period_or_number_is_misuse(period: int, number: int) -> None:
    with pytest.raises(AssertionError):
        mortal_era(period, number)


def test_decoding_counts_all_accepted_two_byte_eras() -> None:
    accepted = 0
    for bits in range(2**16):
        data = bits.to_bytes(2, "little")
        try:
            era, end = decode_era(data, 0)
        except EraError:
            continue
        accepted += end == 2
        assert encode_era(era) == data[:end]
    # Periods 4 … 4,096 have as many phases as blocks, the four larger ones 4,096 each.
    assert accepted == sum(2**n for n in range(2, 13)) + 4 * 4_096


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no bytes"),
        (b"\x01", "two bytes"),
        (b"\x10\x00", "below 4"),
        (b"\x41\x00", "not below"),
        (b"\xf5\xff", "not below"),
    ],
)
def test_malformed_bytes_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(EraError, match=reason):
        decode_era(data, 0)


@pytest.mark.parametrize(
    "era",
    [
        Era(2, 0),
        Era(3, 0),
        Era(6, 1),
        Era(0, 1),
        Era(-4, 0),
        Era(131_072, 0),
        Era(4, 4),
        Era(4, -1),
        Era(8_192, 1),
        Era(65_536, 8),
        Era(65_536, 65_536),
    ],
)
def test_era_without_an_encoding_is_refused(era: Era) -> None:
    with pytest.raises(EraError):
        encode_era(era)
