"""The audit log computed again: leaves of a day, their root, and the hash chain that runs through all of
them.

Pure. It takes the events of a day's blocks in order and knows no node. A leaf is the SCALE of block number
(u32), pallet index (u8) and event, of every event of `PALLETS` but `AuditSealed`; a day's leaves are those
between two `AuditSealed`: the first block of a day begins with the end of the one before, and the first block
after it has its last leaves (pallets/compliance/reports.py has the chain's side).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from apps.audit.errors import Differs
from apps.chain.metadata import Metadata
from apps.chain.runtime import EventRecord, Runtime
from apps.chain.values import Variant
from runtime.primitives.hashing import blake2_256
from runtime.primitives.row_tree import append_leaf, fold_peaks, hash_row
from runtime.primitives.type_info import Composite, SequenceDef
from runtime.primitives.types import ZERO_HASH, Hash

PALLETS: Final = frozenset({"Compliance", "Monitoring", "Privacy", "Reports"})
"""Whose events the log notes; a set that is only asked."""
LOG_PALLET: Final = "Reports"
SEAL: Final = "AuditSealed"
NUMBER_BYTES: Final = 4


class Seal(NamedTuple):
    """What the chain says of a day that is over."""

    root: Hash
    leaves: int
    head: Hash


def is_noted(event: EventRecord) -> bool:
    """Tell whether the log has a leaf for an event."""
    return event.pallet in PALLETS and not is_seal(event)


def is_seal(event: EventRecord) -> bool:
    """Tell whether an event ends a day of the log."""
    return (event.pallet, event.name) == (LOG_PALLET, SEAL)


def encode_leaf(runtime: Runtime, number: int, event: EventRecord) -> bytes:
    """Return the leaf of an event."""
    outer = Variant(event.pallet, Variant(event.name, event.value))
    encoded = runtime.codecs.encode(_event_type(runtime.metadata), outer)
    return number.to_bytes(NUMBER_BYTES, "little") + encoded


def leaves_of(
    runtime: Runtime, number: int, events: Iterable[EventRecord], *, part: slice | None = None
) -> Iterator[bytes]:
    """Give the leaves of a block's events, or of a part of them."""
    listed = list(events)
    return (encode_leaf(runtime, number, one) for one in listed[part or slice(None)] if is_noted(one))


def find_seal(events: Iterable[EventRecord]) -> int | None:
    """Return the place of the event that ends a day, None where a block has none."""
    return next((place for place, one in enumerate(events) if is_seal(one)), None)


class DayLog:
    """One day of the log, as far as its leaves came."""

    def __init__(self, head: Hash = ZERO_HASH) -> None:
        """Begin a day; `head` is that of the hash chain before it."""
        self.head = head
        self.leaves = 0
        self._peaks: tuple[Hash, ...] = ()
        self._marks: list[tuple[int, Hash]] = [(-1, head)]

    @property
    def seal(self) -> Seal:
        """What the chain should say of the day."""
        return Seal(fold_peaks(self._peaks), self.leaves, self.head)

    def add(self, number: int, leaf: bytes) -> None:
        """Add the next leaf, of a block."""
        hashed = hash_row(leaf)
        self._peaks = append_leaf(self._peaks, self.leaves, hashed)
        self.leaves += 1
        self.head = Hash(blake2_256(self.head + hashed))
        if self._marks[-1][0] == number:
            self._marks.pop()
        self._marks.append((number, self.head))

    def head_at(self, number: int) -> Hash:
        """Return the hash chain's head behind a block; linear in the blocks with leaves."""
        return next(head for block, head in reversed(self._marks) if block <= number)


def ensure_equal(day: int, computed: Seal, sealed: Seal) -> None:
    """Raise Differs unless a day that was computed is the one that the chain sealed."""
    if computed.leaves != sealed.leaves:
        raise Differs(
            f"day {day}: the chain's log has {sealed.leaves} leaves, its blocks have {computed.leaves}"
        )
    if computed.root != sealed.root:
        raise Differs(
            f"day {day}: the chain's log has the root 0x{sealed.root.hex()}, its blocks give"
            f" 0x{computed.root.hex()}"
        )
    if computed.head != sealed.head:
        raise Differs(f"day {day}: the hash chain does not go on from the day before")


def _event_type(metadata: Metadata) -> int:
    """Return the type of events, as the records of `System.Events` have it."""
    listed = metadata.types[metadata.pallets["System"].storage["Events"].value].definition
    assert isinstance(listed, SequenceDef), "events are a list"
    record = metadata.types[listed.type].definition
    assert isinstance(record, Composite), "an event comes with its phase"
    return next(one.type for one in record.fields if one.name == "event")
