"""The events of the Meters pallet; no behaviour. Energy is in Wh."""

from pallets.settlement.meters_types import DeviceKey, MeterId, Quality, SlotId, ZoneId
from runtime.frame.event import Event
from runtime.primitives.scale import u8, u32, u64
from runtime.primitives.types import AccountId


class MeterRegistered(Event, index=0):
    """A meter was registered; it is read from its first slot on."""

    meter: MeterId
    owner: AccountId
    zone: ZoneId
    first_slot: SlotId


class MeterKeyRotated(Event, index=1):
    """A meter signs with another key from now on."""

    meter: MeterId
    key: DeviceKey


class ReadingAccepted(Event, index=2):
    """A meter was read: what it counted in the slot."""

    meter: MeterId
    slot: SlotId
    seq: u32
    import_wh: u64
    export_wh: u64
    quality: Quality


class ReadingRejected(Event, index=3):
    """A reading of a batch was refused; `why` is the index of this pallet's error."""

    meter: MeterId
    slot: SlotId
    why: u8


class ReadingSubstituted(Event, index=4):
    """A meter was not read in time; this stands in for what it counted, until a true reading comes."""

    meter: MeterId
    slot: SlotId
    import_wh: u64
    export_wh: u64


class ReadingCorrected(Event, index=5):
    """A true reading took the place of what stood in for it."""

    meter: MeterId
    slot: SlotId
    import_wh: u64
    export_wh: u64


class MeterRetired(Event, index=7):
    """A meter is not read any more from a slot on."""

    meter: MeterId
    from_slot: SlotId


class MeterRemoved(Event, index=8):
    """A retired meter was removed; its owner has room for another."""

    meter: MeterId


class ReadingFlagged(Event, index=6):
    """A solar meter gave energy at night; the reading counts, and somebody should look at the meter."""

    meter: MeterId
    slot: SlotId
    export_wh: u64
