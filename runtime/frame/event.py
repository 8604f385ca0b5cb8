"""Events: what a block tells its observers, as System.Events holds it.

Responsible for the event record, its phase and the codec of the runtime's outer event enum. It knows no
particular pallet. Source: frame_system::EventRecord.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeAlias

import msgspec

from runtime.primitives.scale import (
    Codec,
    DecodeError,
    EncodeError,
    Enum,
    Struct,
    codec,
    compile_codec,
    decode_compact,
    encode_compact,
    u32,
)
from runtime.primitives.shape import EnumVariant, Foreign, TaggedUnion, shape_of
from runtime.primitives.types import Hash


class Event(Struct):
    """Base of a pallet's events: nested classes with `index=`, whose docstring wallets show."""


class ApplyExtrinsic(Struct, index=0):
    field_0: u32


class Finalization(Struct, index=1):
    pass


class Initialization(Struct, index=2):
    pass


Phase: TypeAlias = Annotated[ApplyExtrinsic | Finalization | Initialization, Enum("frame_system::Phase")]
FINALIZATION = Finalization()
INITIALIZATION = Initialization()


class EventRecord(msgspec.Struct, frozen=True, gc=False):
    """An event with its place in the block; `pallet` is the index of the instance that deposited it."""

    phase: Phase
    pallet: int
    event: Event
    topics: tuple[Hash, ...]


class EncodedEvents(tuple[EventRecord, ...]):
    """The events of a block with their SCALE bytes, gathered while the block was executed."""

    encoded: bytes


EventRecords: TypeAlias = Annotated[tuple[EventRecord, ...], Foreign("EventRecords")]
"""The type of System.Events in whatever runtime it is composed into."""

_PHASE = codec(Phase)
_TOPICS = codec(tuple[Hash, ...])
_NO_TOPICS = b"\0"


def event_union(pallet_name: str, classes: list[type[Event]]) -> TaggedUnion:
    """Return the SCALE enum of a pallet's events."""
    variants: list[EnumVariant] = []
    for cls in sorted(classes, key=lambda c: c.__scale_index__ or 0):
        shape = shape_of(cls)
        assert not isinstance(shape, Foreign)
        assert cls.__scale_index__ is not None, f"{cls.__qualname__} needs index="
        variants.append(EnumVariant(cls.__scale_variant__, cls.__scale_index__, shape))  # type: ignore[arg-type]  # a Struct's shape is a Record
    return TaggedUnion(f"pallet_{pallet_name}::pallet::Event", tuple(variants))


class EventTable:
    """The events of a runtime by pallet index, and the codec of System.Events."""

    def __init__(self) -> None:
        self.unions: dict[int, TaggedUnion] = {}
        self.foreign: dict[str, Codec[Any]] = {}
        self.codec: Codec[tuple[EventRecord, ...]] = Codec(
            Foreign("EventRecords"), self._encode, self._decode
        )
        self._codecs: dict[int, Codec[Any]] = {}
        self._encoders: dict[tuple[int, type], tuple[bytes, Callable[[Any], bytes]]] = {}

    def add(self, pallet_index: int, union: TaggedUnion) -> None:
        """Register a pallet instance's events."""
        self.unions[pallet_index] = union

    def codec_of(self, pallet_index: int) -> Codec[Any]:
        """Return the codec of a pallet's event enum, compiled on first use; DecodeError for an unknown
        index."""
        found = self._codecs.get(pallet_index)
        if found is None:
            if pallet_index not in self.unions:
                raise DecodeError(f"no pallet with index {pallet_index} has events")
            found = compile_codec(self.unions[pallet_index], self.foreign)
            self._codecs[pallet_index] = found
        return found

    def _encoder_of(self, pallet: int, event: Event) -> tuple[bytes, Callable[[Any], bytes]]:
        """Return the index bytes of an event and the encoder of its fields."""
        for variant in self.unions[pallet].variants:
            if variant.record.cls is type(event):
                fields = compile_codec(variant.record, self.foreign)
                found = (bytes((pallet, variant.index)), fields.encode)
                self._encoders[pallet, type(event)] = found
                return found
        raise EncodeError(f"{event!r} is no event of pallet {pallet}")

    def encode_each(self, records: Sequence[EventRecord]) -> bytes:
        """Return the SCALE bytes of records one after another, without a count."""
        parts: list[bytes] = []
        append = parts.append
        encoders = self._encoders
        phases: dict[Any, bytes] = {}
        for record in records:
            phase, pallet, event, topics = record.phase, record.pallet, record.event, record.topics
            head = phases.get(phase)
            if head is None:
                head = phases[phase] = _PHASE.encode(phase)
            found = encoders.get((pallet, type(event)))
            if found is None:
                found = self._encoder_of(pallet, event)
            append(head)
            append(found[0])
            append(found[1](event))
            append(_TOPICS.encode(topics) if topics else _NO_TOPICS)
        return b"".join(parts)

    def seal(self, records: tuple[EventRecord, ...], encoded: list[bytes]) -> EncodedEvents:
        """Return the events of a block whose bytes were gathered piece by piece."""
        sealed = EncodedEvents(records)
        sealed.encoded = encode_compact(len(records)) + b"".join(encoded)
        return sealed

    def _encode(self, records: tuple[EventRecord, ...]) -> bytes:
        if isinstance(records, EncodedEvents):
            return records.encoded
        return encode_compact(len(records)) + self.encode_each(records)

    def _decode(self, data: bytes, pos: int, end: int) -> tuple[tuple[EventRecord, ...], int]:
        records: list[EventRecord] = []
        count, pos = decode_compact(data, pos, end)
        if count * 4 > end - pos:
            raise DecodeError("more events than bytes")
        for _ in range(count):
            phase, pos = _PHASE.decode_prefix(data, pos)
            if pos >= end:
                raise DecodeError("input ends early")
            pallet = data[pos]
            event, pos = self.codec_of(pallet).decode_prefix(data, pos + 1)
            topics, pos = _TOPICS.decode_prefix(data, pos)
            records.append(EventRecord(phase, pallet, event, topics))
        return tuple(records), pos
