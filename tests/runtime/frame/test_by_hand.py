"""Storage set by hand: the digest item in its one form and within its limits, and values in their places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.frame.by_hand import (
    KEY_BYTES_MAX,
    OVERRIDE_BYTES_MAX,
    OVERRIDE_ENGINE,
    OVERRIDES_MAX,
    Override,
    OverrideError,
    apply_overrides,
    find_overrides,
    locate,
    make_override_item,
)
from runtime.frame.state import MemoryBackend, State
from runtime.frame.storage import (
    BLAKE2_128_CONCAT,
    BLAKE2_256,
    TWOX_64_CONCAT,
    CountedMap,
    DoubleMap,
    Map,
    Value,
)
from runtime.primitives.block import DIGEST_BYTES_MAX, PreRuntime
from runtime.primitives.scale import codec, u8, u32


class Items:
    """One item of each kind on a state that holds an entry of each."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        self.state = State(self.backend)
        one = ((BLAKE2_128_CONCAT, codec(u8)),)
        two = ((BLAKE2_128_CONCAT, codec(u8)), (TWOX_64_CONCAT, codec(u32)))
        number = codec(u32)
        self.map: Map[int, int] = Map(self.state, ("P", "M"), b"M", number, 0, one)
        self.double: DoubleMap[int, int, int] = DoubleMap(self.state, ("P", "D"), b"D", number, 0, two)
        self.value: Value[int] = Value(self.state, ("P", "V"), b"V", number, 0)
        self.code: Value[int] = Value(self.state, ("P", "Code"), b":code", number, 0)
        self.hidden: Map[int, int] = Map(self.state, ("P", "H"), b"H", number, 0, ((BLAKE2_256, codec(u8)),))
        self.counted: CountedMap[int, int] = CountedMap(self.state, ("P", "N"), b"N", number, 0, one)
        self.counted.counter = Value(self.state, ("P", "C"), b"C", number, 0)
        self.map.put(1, 10)
        self.double.put(1, 2, 30)
        self.value.put(40)
        self.counted.put(1, 50)
        self.backend.apply(self.state.drain())


def put(value: int) -> bytes:
    return codec(u32).encode(value)


def pairs(*found: tuple[bytes, bytes | None]) -> bytes:
    return codec(tuple[tuple[bytes, bytes | None], ...]).encode(found)


def test_values_are_written_and_removed_wherever_they_belong() -> None:
    items = Items()
    apply_overrides(
        items.state,
        find_overrides(
            (
                make_override_item(
                    {
                        items.map.raw_key(1): None,
                        items.map.raw_key(2): put(12),
                        items.double.raw_key((1, 2)): put(31),
                        items.double.raw_key((3, 4)): put(32),
                        b"V": put(41),
                        items.counted.raw_key(7): put(51),
                    }
                ),
            )
        ),
    )
    assert list(items.map.items()) == [(2, 12)]
    assert dict(items.double.items()) == {(1, 2): 31, (3, 4): 32}
    assert items.value.get() == 41
    assert items.counted.count() == len(list(items.counted.items())) == 2
    items.backend.apply(items.state.drain())
    assert items.backend.get(b"V") == put(41)
    assert items.backend.get(items.map.raw_key(1)) is None


def test_live_values_are_those_set_even_if_they_were_read_before() -> None:
    items = Items()
    assert (items.map.get(1), items.value.get()) == (10, 40)
    apply_overrides(items.state, (Override(items.map.raw_key(1), put(11)), Override(b"V", None)))
    assert (items.map.get(1), items.value.exists()) == (11, False)
    items.state.abandon()
    assert (items.map.get(1), items.value.get()) == (10, 40)


def test_value_that_has_no_place_lets_none_be_written() -> None:
    items = Items()
    with pytest.raises(OverrideError):
        apply_overrides(items.state, (Override(items.map.raw_key(1), put(11)), Override(b"X", put(1))))
    assert items.state.pending() == []


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (b"", put(1), "no storage item"),
        (b"X", put(1), "no storage item"),
        (b":cod", put(1), "no storage item"),
        (b":code", put(1), ":code is not set by hand"),
        (b":code", None, ":code is not set by hand"),
        (b"V\0", put(1), "is no key of P.V"),
        (b"M", put(1), "is no key of P.M"),
        (b"M" + bytes(17), put(1), "is no key of P.M"),
        (Items().map.raw_key(1) + b"\0", put(1), "is no key of P.M"),
        (Items().map.raw_key(1)[:-1], put(1), "is no key of P.M"),
        (Items().double.raw_key((1, 2))[:-1], put(1), "is no key of P.D"),
        (Items().double.raw_prefix(1), put(1), "is no key of P.D"),
        (Items().hidden.raw_key(1), put(1), "do not tell its keys"),
        (b"V", b"", "is none of P.V"),
        (b"V", bytes(3), "is none of P.V"),
        (b"V", bytes(5), "is none of P.V"),
    ],
)
def test_key_of_no_item_and_value_of_another_type_are_refused(
    key: bytes, value: bytes | None, told: str
) -> None:
    with pytest.raises(OverrideError) as refused:
        locate(Items().state, Override(key, value))
    assert told in str(refused.value)


# --- the digest item


@given(st.dictionaries(st.binary(max_size=40), st.none() | st.binary(max_size=40), min_size=1, max_size=50))
def test_item_gives_back_what_it_was_made_of_in_order(values: dict[bytes, bytes | None]) -> None:
    found = find_overrides((PreRuntime(b"TIME", bytes(8)), make_override_item(values)))
    assert [(one.key, one.value) for one in found] == sorted(values.items())


def test_digest_without_the_item_sets_nothing() -> None:
    assert find_overrides(()) == ()
    assert find_overrides((PreRuntime(b"TIME", pairs((b"V", None))),)) == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        pairs((b"V", None)) + b"\0",
        pairs((b"V", None))[:-1],
        pairs((b"V", None), (b"V", None)),
        pairs((b"W", None), (b"V", None)),
        pairs((bytes(KEY_BYTES_MAX + 1), None)),
        pairs(*((number.to_bytes(2, "big"), None) for number in range(OVERRIDES_MAX + 1))),
        pairs((b"V", bytes(OVERRIDE_BYTES_MAX))),
        b"\xfe\xff\xff\xff",
    ],
)
def test_item_in_any_other_form_is_refused(data: bytes) -> None:
    with pytest.raises(OverrideError):
        find_overrides((PreRuntime(OVERRIDE_ENGINE, data),))


def test_two_items_are_refused() -> None:
    item = make_override_item({b"V": None})
    with pytest.raises(OverrideError, match="two digest items"):
        find_overrides((item, item))


def test_item_is_made_up_to_its_limits_and_not_beyond() -> None:
    many: dict[bytes, bytes | None] = {number.to_bytes(2, "big"): None for number in range(OVERRIDES_MAX)}
    assert len(find_overrides((make_override_item(many),))) == OVERRIDES_MAX
    with pytest.raises(OverrideError, match=f"1 to {OVERRIDES_MAX}"):
        make_override_item(many | {b"more": None})
    with pytest.raises(OverrideError, match="not 0"):
        make_override_item({})
    longest = bytes(KEY_BYTES_MAX)
    assert find_overrides((make_override_item({longest: None}),))[0].key == longest
    with pytest.raises(OverrideError, match="a storage key has at most"):
        make_override_item({longest + b"\0": None})
    room = OVERRIDE_BYTES_MAX - len(pairs((b"V", b""))) - 3
    largest = make_override_item({b"V": bytes(room)})
    assert len(largest.field_1) == OVERRIDE_BYTES_MAX < DIGEST_BYTES_MAX
    assert find_overrides((largest,))[0].value == bytes(room)
    with pytest.raises(OverrideError, match="has at most"):
        make_override_item({b"V": bytes(room + 1)})
