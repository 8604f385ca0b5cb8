"""Timestamp: the time of a block, set once in each block by an inherent of its author.

Responsible for `Timestamp.Now` and for the rule that time moves forward and agrees with the digest item
`TIME`. It reads no clock: the author's time comes in as inherent data. Source: pallet_timestamp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pallets.core import weights
from runtime.frame.call import Call, call
from runtime.frame.dispatch import DispatchClass, Origin, PalletError, Weight, ensure_none
from runtime.frame.executive import InvalidBlock
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import Value, storage
from runtime.primitives.block import Digest, PreRuntime
from runtime.primitives.scale import Compact, u64

INHERENT_ID = b"timstap0"
"""Key of the author's time, u64 little-endian milliseconds, in the inherent data."""

TIME_ENGINE = b"TIME"


class DigestSource(Protocol):
    """Where the block's digest is read from."""

    @property
    def digest(self) -> Value[Digest]:
        """The digest of the open block."""
        ...


@dataclass(frozen=True, slots=True)
class TimestampConfig:
    """`minimum_period` in milliseconds: half the block time, as wallets read it; `step_min` between
    blocks."""

    minimum_period: int
    system: DigestSource
    step_min: int = 1


class Timestamp(Pallet[TimestampConfig]):
    """The time of the current block."""

    now: Value[u64] = storage(default=0, docs="The time of the current block, in milliseconds since 1970.")
    did_update: Value[bool] = storage(default=False, docs="Whether the time was set in this block.")

    class TimestampAlreadySet(PalletError, index=0):
        """The time was already set in this block."""

    class TimestampTooEarly(PalletError, index=1):
        """The time must be after that of the parent block."""

    class TimestampMismatch(PalletError, index=2):
        """The block's digest does not hold this time, once."""

    @constant
    def minimum_period(self) -> u64:
        """Half the expected time between blocks, in milliseconds."""
        return self.config.minimum_period

    def now_ms(self) -> int:
        """Return the time of the open block, before its timestamp that of its parent, in milliseconds since
        1970."""
        return self.now.get()

    def on_initialize(self, number: int) -> Weight:  # noqa: ARG002  # the same in every block
        """Account for the work of on_finalize."""
        return weights.TIMESTAMP_SET

    def on_finalize(self, number: int) -> None:
        """Require that the time was set, once."""
        if not self.did_update.take():
            raise InvalidBlock(f"block {number} has no timestamp")

    def create_inherent(self, data: dict[bytes, bytes]) -> Call | None:
        """Return `set` with the author's time."""
        raw = data.get(INHERENT_ID)
        if raw is None:
            return None
        return self.bound_call("set", int.from_bytes(raw, "little"))

    def is_inherent(self, call: Call) -> bool:
        """Tell whether a call is `Timestamp.set`."""
        return call.spec.pallet_index == self.index

    @call(0, weight=weights.TIMESTAMP_SET, dispatch_class=DispatchClass.Mandatory)
    def set(self, origin: Origin, now: Compact[u64]) -> None:
        """Set the current time. Only the block's author can, once in each block, as an inherent."""
        ensure_none(origin)
        if self.did_update.get():
            raise self.TimestampAlreadySet
        previous = self.now.get()
        if previous and now < previous + self.config.step_min:
            raise self.TimestampTooEarly
        logs = self.config.system.digest.get().logs
        own = [item for item in logs if isinstance(item, PreRuntime) and item.field_0 == TIME_ENGINE]
        if [item.field_1 for item in own] != [now.to_bytes(8, "little")]:
            raise self.TimestampMismatch
        self.now.put(now)
        self.did_update.put(True)  # noqa: FBT003  # the stored flag itself
