"""Records, limits and configuration of the Meters pallet, and what a meter's key signs; no behaviour.

Energy is in Wh, capacity in W, time in milliseconds since 1970 or in slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, NamedTuple, Protocol, TypeAlias

from runtime.frame.storage import Map
from runtime.primitives.scale import Length, MaxLen, Struct, codec, enum_path, u16, u32, u64
from runtime.primitives.types import AccountId, Hash

READINGS_MAX: Final = 64
"""Most readings of one batch."""
OWNER_METERS_MAX: Final = 8
"""Most meters of one account; bounds what settling one account costs."""
HEADROOM_PERMILLE: Final = 1_200
"""How much of its capacity a meter may count: connections are loaded above their rating for a while."""
NIGHT_EXPORT_MAX_WH: Final = 50
"""What an inverter may seem to give at night; more of it from a solar meter is flagged."""
DAWN_HOUR: Final = 5
DUSK_HOUR: Final = 20
"""Between them, in local time, the sun may shine anywhere in Thailand on any day of the year."""
READING_DOMAIN: Final = b"loam:meter-reading:1"

ZoneId: TypeAlias = u16
SlotId: TypeAlias = u32
MeterId: TypeAlias = Hash
MeterIds: TypeAlias = Annotated[tuple[MeterId, ...], MaxLen(OWNER_METERS_MAX)]
DeviceKey: TypeAlias = Annotated[bytes, Length(32)]
Signature: TypeAlias = Annotated[bytes, Length(64)]


@enum_path("pallet_meters::MeterKind")
class MeterKind(IntEnum):
    """What stands behind a meter."""

    Load = 0
    Generation = 1
    Prosumer = 2


@enum_path("pallet_meters::Fuel")
class Fuel(IntEnum):
    """What a meter's generator runs on."""

    Unspecified = 0
    Solar = 1
    Wind = 2
    Hydro = 3
    Biomass = 4


@enum_path("pallet_meters::Quality")
class Quality(IntEnum):
    """How a reading came about."""

    Good = 0
    Estimated = 1
    Substituted = 2


class Registers(Struct, path="pallet_meters::Registers"):
    """What a meter has counted since it was made: OBIS 1.8.0 and 2.8.0, in Wh."""

    import_wh: u64
    export_wh: u64


class NewMeter(Struct, path="pallet_meters::NewMeter"):
    """A meter to be registered. `id` is a salted hash of the utility's number, `registers` what it shows when
    `first_slot` begins."""

    id: MeterId
    owner: AccountId
    zone: ZoneId
    kind: MeterKind
    fuel: Fuel
    capacity_w: u32
    key: DeviceKey
    registers: Registers
    first_slot: SlotId


class Meter(Struct, path="pallet_meters::Meter"):
    """A registered meter; `key` is the ed25519 key of the device or of its head-end. From `retired_from` on
    it is not read any more."""

    owner: AccountId
    zone: ZoneId
    kind: MeterKind
    fuel: Fuel
    capacity_w: u32
    key: DeviceKey
    retired_from: SlotId | None = None


class LastRegister(Struct, path="pallet_meters::LastRegister"):
    """What a meter showed at the end of the last slot it was read for, and that reading's number."""

    slot: SlotId
    seq: u32
    registers: Registers


class SignedReading(Struct, path="pallet_meters::SignedReading"):
    """What a meter shows at the end of a slot, signed with its key: see `reading_message`."""

    meter: MeterId
    slot: SlotId
    seq: u32
    registers: Registers
    quality: Quality
    signature: Signature


Readings: TypeAlias = Annotated[tuple[SignedReading, ...], MaxLen(READINGS_MAX)]


class Reading(Struct, path="pallet_meters::Reading"):
    """What a meter counted in one slot; `is_flagged` where that is not plausible.

    `exported_wh` is what its register of exports showed at the slot's end, None while the reading is
    substituted.
    """

    import_wh: u64
    export_wh: u64
    quality: Quality
    is_flagged: bool = False
    exported_wh: u64 | None = None


class MeteredEnergy(NamedTuple):
    """What the meters of an account in a zone counted in a slot.

    `is_complete`: every one was read or substituted; `is_substituted`: at least one was substituted.
    """

    import_wh: int
    export_wh: int
    is_complete: bool
    is_substituted: bool


class Change(NamedTuple):
    """By how much a true reading differs from what stood in for it, in Wh; both may be below zero."""

    import_wh: int
    export_wh: int


class _Payload(Struct):
    domain: bytes
    genesis: Hash
    meter: MeterId
    slot: SlotId
    seq: u32
    registers: Registers
    quality: Quality


def reading_message(genesis: Hash, reading: SignedReading) -> bytes:
    """Return what the meter's key signs: a tag, the chain's genesis hash and the reading, in SCALE."""
    payload = _Payload(
        READING_DOMAIN,
        genesis,
        reading.meter,
        reading.slot,
        reading.seq,
        reading.registers,
        reading.quality,
    )
    return codec(_Payload).encode(payload)


class Clock(Protocol):
    """Where the time of the block is read."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970: the open block's time, before it is set its parent's."""
        ...


class Blocks(Protocol):
    """Where the genesis hash is read."""

    @property
    def block_hash(self) -> Map[int, Hash]:
        """The hashes of blocks, that of genesis among them."""
        ...


class Operators(Protocol):
    """Who runs a zone."""

    def operator_of(self, zone: int) -> AccountId | None:
        """Return the account of a zone's operator, None when there is no such zone in service."""
        ...


class SlotSettlement(Protocol):
    """What becomes of readings."""

    def open_zone(self, zone: int) -> None:
        """Hear that a zone has a meter; its slots are settled from now on. May come twice."""
        ...

    def is_settling(self, zone: int, slot: int) -> bool:
        """Tell whether a slot is being settled now, so that its readings must not change."""
        ...

    def is_settled(self, zone: int, slot: int) -> bool:
        """Tell whether a slot is settled, so that another reading is a correction."""
        ...

    def correct(self, zone: int, slot: int, who: AccountId, change: Change) -> None:
        """Settle by how much an account's energy in a settled slot differs from what was assumed."""
        ...


@dataclass(frozen=True, slots=True)
class MetersConfig:
    """A reading can come until `correction_slots` after its slot; a missing one is substituted by that of
    `pattern_slots` before. `settlement` is asked when a call is made."""

    clock: Clock
    blocks: Blocks
    zones: Operators
    settlement: Callable[[], SlotSettlement]
    slot_ms: int
    correction_slots: int
    pattern_slots: int
