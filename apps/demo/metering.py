"""The meters: they count what the homes use and give, and sign their registers at the end of each slot.

Responsible for registers, numbers and signatures; the head-end of the grid's operator carries all readings
of a slot in one transaction. Before the first hour and after the last the meters count nothing. It knows no
price.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from apps.chain.values import Value
from apps.demo.cast import Device, Home
from apps.demo.follower import Follower
from apps.demo.stage import Stage
from apps.demo.week import Use, Week
from runtime.primitives.crypto import Keypair
from runtime.primitives.scale import Struct, codec, u8, u32, u64
from runtime.primitives.types import Hash

READING_DOMAIN: Final = b"loam:meter-reading:1"
"""Sets a reading apart from everything else that a key may sign; see the pallet Meters."""
READINGS_MAX: Final = 64
GOOD: Final = 0
HEAD_END: Final = "the head-end"


class Reading(Struct):
    """What a meter signs: its registers in Wh at the end of a slot, and the reading's number."""

    domain: bytes
    genesis: Hash
    meter: Hash
    slot: u32
    seq: u32
    import_wh: u64
    export_wh: u64
    quality: u8


_READING: Final = codec(Reading)


class Counter:
    """A device while it counts: the registers and the number of its last reading."""

    def __init__(self, device: Device, genesis: Hash) -> None:
        self._device = device
        self._genesis = genesis
        self._seq = 0
        self._import_wh = 0
        self._export_wh = 0

    def count(self, slot: int, use: Use) -> Value:
        """Count an hour and return the signed reading of its slot."""
        self._seq += 1
        if self._device.is_roof:
            self._export_wh += use.generated_wh
        else:
            self._import_wh += use.load_wh
        reading = Reading(
            READING_DOMAIN,
            self._genesis,
            Hash(self._device.id),
            slot,
            self._seq,
            self._import_wh,
            self._export_wh,
            GOOD,
        )
        return {
            "meter": self._device.id,
            "slot": slot,
            "seq": self._seq,
            "registers": {"import_wh": self._import_wh, "export_wh": self._export_wh},
            "quality": "Good",
            "signature": self._device.key.sign(_READING.encode(reading)),
        }


class Metering:
    """All meters of a run, from the slot of their registration on."""

    def __init__(
        self,
        stage: Stage,
        week: Week,
        homes: Sequence[Home],
        head_end: Keypair,
        first_slot: int,
        hours: int,
    ) -> None:
        self._stage = stage
        self._week = week
        self._head_end = head_end
        self._first_slot = first_slot
        self._hours = hours
        genesis = stage.chain.genesis
        self._counters = [
            (place, Counter(device, genesis))
            for place, home in enumerate(homes)
            for device in (home.load, home.roof)
        ]
        assert len(self._counters) <= READINGS_MAX, "the readings of a slot fit into a transaction"

    async def run(self, follower: Follower, slot: int) -> None:
        """Read slot after slot from one on, until cancelled."""
        while True:
            await follower.wait_slot(slot + 1)
            batch = [counter.count(slot, self._use(slot, place)) for place, counter in self._counters]
            call = self._stage.call("Meters", "submit_readings", batch=batch)
            await self._stage.send(self._head_end, HEAD_END, f"hand in the readings of slot {slot}", call)
            slot += 1

    def _use(self, slot: int, place: int) -> Use:
        number = slot - self._first_slot
        return self._week.hour(number).uses[place] if 0 <= number < self._hours else Use(0, 0)
