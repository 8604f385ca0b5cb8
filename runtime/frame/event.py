"""Events: what a block tells its observers, as System.Events holds it.

Responsible for the event record, its phase and the codec of the runtime's outer event enum. It knows no
particular pallet. Source: frame_system::EventRecord.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, TypeAlias, overload

import msgspec

from runtime.primitives.scale import (
    ENCODE_FAULTS,
    Codec,
    DecodeError,
    EncodeError,
    Encoder,
    Enum,
    Struct,
    codec,
    compile_codec,
    compile_encoder,
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


class EncodedEvents(Sequence[EventRecord]):
    """The events of a block as their SCALE bytes, decoded when somebody looks into them.

    A block has tens of thousands, and the runtime never reads them again; kept decoded until the next block
    replaces them, they would take ten times the memory and push accounts out of the processor's cache.
    """

    __slots__ = ("_codec", "_count", "encoded")

    def __init__(self, codec: Codec[Sequence[EventRecord]], count: int, encoded: bytes) -> None:
        self._codec = codec
        self._count = count
        self.encoded = encoded

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> EventRecord: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[EventRecord]: ...

    def __getitem__(self, index: int | slice) -> EventRecord | Sequence[EventRecord]:
        return self._codec.decode(self.encoded)[index]

    def __iter__(self) -> Iterator[EventRecord]:
        return iter(self._codec.decode(self.encoded))


EventRecords: TypeAlias = Annotated[Sequence[EventRecord], Foreign("EventRecords")]
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
        self.codec: Codec[Sequence[EventRecord]] = Codec(Foreign("EventRecords"), self._encode, self._decode)
        self._codecs: dict[int, Codec[Any]] = {}
        self._encoders: dict[int, dict[type, Encoder]] = {}

    def add(self, pallet_index: int, union: TaggedUnion) -> None:
        """Register a pallet instance's events."""
        self.unions[pallet_index] = union
        self._encoders[pallet_index] = {}

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

    def _encoder_of(self, pallet: int, event: Event) -> Encoder:
        """Return what encodes an event of a pallet between its indices and an empty list of topics, compiled
        on first use."""
        for variant in self.unions[pallet].variants:
            if variant.record.cls is type(event):
                indices = bytes((pallet, variant.index))
                found = compile_encoder(variant.record, self.foreign, indices, _NO_TOPICS)
                self._encoders[pallet][type(event)] = found
                return found
        raise EncodeError(f"{event!r} is no event of pallet {pallet}")

    def encode_each(self, records: Sequence[EventRecord]) -> bytes:
        """Return the SCALE bytes of records one after another, without a count."""
        try:
            return b"".join(self._encode_parts(records))
        except ENCODE_FAULTS as error:
            raise EncodeError(f"an event does not fit: {error}") from error

    def _encode_parts(self, records: Sequence[EventRecord]) -> list[bytes]:
        parts: list[bytes] = []
        append = parts.append
        encoders = self._encoders
        last, phase = None, b""
        for record in records:
            if record.phase is not last:
                last = record.phase
                phase = _PHASE.encode(last)
            event = record.event
            encode = encoders[record.pallet].get(type(event)) or self._encoder_of(record.pallet, event)
            append(phase)
            append(encode(event))
            if record.topics:
                parts[-1] = parts[-1].removesuffix(_NO_TOPICS) + _TOPICS.encode(record.topics)
        return parts

    def seal(self, records: Sequence[EventRecord], encoded: list[bytes]) -> EncodedEvents:
        """Return the events of a block whose bytes were gathered piece by piece."""
        count = len(records)
        return EncodedEvents(self.codec, count, encode_compact(count) + b"".join(encoded))

    def _encode(self, records: Sequence[EventRecord]) -> bytes:
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
