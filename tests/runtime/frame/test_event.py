"""A block's events: their bytes against those of the codecs they are made of, and reading them back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.frame.dispatch import DispatchClass, DispatchInfo, Pays, Weight
from runtime.frame.event import (
    FINALIZATION,
    INITIALIZATION,
    ApplyExtrinsic,
    Event,
    EventRecord,
    EventTable,
    Phase,
    event_union,
)
from runtime.primitives.scale import DecodeError, EncodeError, codec, encode_compact, u128
from runtime.primitives.types import AccountId, Hash


class Moved(Event, index=2):
    source: AccountId
    target: AccountId
    amount: u128


class Done(Event, index=0):
    info: DispatchInfo


class Named(Event, index=7):
    name: str


class Foreign(Event, index=1):
    pass


MONEY, SYSTEM, OTHER_MONEY = 10, 0, 200
INFOS = [
    DispatchInfo(Weight(time, size), class_, pays)
    for time, size, class_, pays in [
        (0, 0, DispatchClass.Normal, Pays.Yes),
        (1 << 40, 1 << 12, DispatchClass.Operational, Pays.No),
        ((1 << 64) - 1, 63, DispatchClass.Mandatory, Pays.Yes),
    ]
]
accounts = st.binary(min_size=32, max_size=32).map(AccountId)
events = st.one_of(
    st.tuples(st.sampled_from((MONEY, OTHER_MONEY)), st.builds(Moved, accounts, accounts, st.integers(0, 9))),
    st.tuples(st.just(SYSTEM), st.sampled_from(INFOS).map(Done)),
    st.tuples(st.just(SYSTEM), st.builds(Named, st.text(max_size=5))),
)
phases: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from((FINALIZATION, INITIALIZATION)), st.integers(0, 3).map(ApplyExtrinsic)
)
records = st.builds(
    lambda phase, event, topics: EventRecord(phase, event[0], event[1], tuple(topics)),
    phases,
    events,
    st.lists(st.binary(min_size=32, max_size=32).map(Hash), max_size=2),
)


def make_table() -> EventTable:
    table = EventTable()
    table.add(MONEY, event_union("money", [Moved]))
    table.add(OTHER_MONEY, event_union("money", [Moved]))
    table.add(SYSTEM, event_union("system", [Done, Named]))
    return table


def define(table: EventTable, record: EventRecord) -> bytes:
    """Return the bytes of frame_system::EventRecord, part by part."""
    event = table.codec_of(record.pallet).encode(record.event)
    topics = (encode_compact(len(record.topics)), *record.topics)
    return b"".join((codec(Phase).encode(record.phase), bytes([record.pallet]), event, *topics))


@given(st.lists(records, max_size=20), st.integers(1, 7))
def test_events_have_the_bytes_of_their_parts_in_whatever_pieces_they_are_encoded(
    block: list[EventRecord], at_once: int
) -> None:
    table = make_table()
    parts = [define(table, record) for record in block]
    pieces = [table.encode_each(block[start : start + at_once]) for start in range(0, len(block), at_once)]
    assert b"".join(pieces) == b"".join(parts)
    sealed = table.seal(block, pieces)
    assert table.codec.encode(sealed) == encode_compact(len(block)) + b"".join(parts)
    assert table.codec.encode(tuple(block)) == sealed.encoded


@given(st.lists(records, max_size=8))
def test_sealed_events_read_as_the_records_they_were_made_of(block: list[EventRecord]) -> None:
    table = make_table()
    sealed = table.seal(block, [table.encode_each(block)])
    assert list(sealed) == block
    assert len(sealed) == len(block)
    assert tuple(sealed[1:3]) == tuple(block[1:3])
    if block:
        assert sealed[-1] == block[-1]
        assert block[0] in sealed
    assert table.codec.decode(sealed.encoded) == tuple(block)


SOMEBODY = AccountId(bytes(32))


@pytest.mark.parametrize(
    ("pallet", "event"),
    [
        (SYSTEM, Moved(SOMEBODY, SOMEBODY, 1)),
        (MONEY, Foreign()),
        (77, Foreign()),
        (MONEY, Moved(SOMEBODY, SOMEBODY, 1 << 128)),
        (MONEY, Moved(SOMEBODY, SOMEBODY, -1)),
        (MONEY, Moved(AccountId(bytes(31)), SOMEBODY, 1)),
        (SYSTEM, Done(DispatchInfo(Weight(1 << 64, 0), DispatchClass.Normal, Pays.Yes))),
    ],
    ids=str,
)
def test_an_event_that_does_not_fit_is_refused(pallet: int, event: Event) -> None:
    table = make_table()
    record = EventRecord(ApplyExtrinsic(0), pallet, event, ())
    with pytest.raises(EncodeError):
        table.encode_each([record])
    with pytest.raises(EncodeError):
        table.codec.encode((record,))


def test_events_of_unknown_pallets_are_not_decoded() -> None:
    with pytest.raises(DecodeError, match="no pallet"):
        make_table().codec.decode(b"\4\1\5\1\0")
