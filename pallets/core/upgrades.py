"""Upgrades: from which block on another version of the runtime takes over.

Responsible for the one scheduled upgrade. There is no Wasm: the nodes carry every version, `:code` names the
one that runs the next block, and a node that lacks it stops and says which release it needs. So an upgrade is
announced blocks ahead. It changes the code through System, which it knows as a Protocol.

Invariant (checked by `try_state`): what is scheduled lies ahead and is a later version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pallets.core import weights
from runtime.frame.block_numbers import BlockNumbers
from runtime.frame.call import call
from runtime.frame.dispatch import DispatchClass, Origin, PalletError, Weight, ensure_root
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import Value, storage
from runtime.primitives.scale import Struct, u32


class ScheduledUpgrade(Struct, path="pallet_upgrades::ScheduledUpgrade"):
    """Block `number` is the last of the current version; the one after it is the first of `spec_version`."""

    spec_version: u32
    number: u32


class CodeKeeper(BlockNumbers, Protocol):
    """What the pallet needs of System."""

    def spec_version(self) -> int:
        """Return the version that runs the open block."""
        ...

    def set_code(self, spec_version: int) -> None:
        """Let another version take over from the next block."""
        ...


@dataclass(frozen=True, slots=True)
class UpgradesConfig:
    """`notice_min`: at least so many blocks lie between the call and the last block of the old version."""

    system: CodeKeeper
    notice_min: int = 1


class Upgrades(Pallet[UpgradesConfig]):
    """Announced changes of the runtime's version."""

    scheduled: Value[ScheduledUpgrade | None] = storage(docs="The upgrade that lies ahead, if any.")

    class UpgradeScheduled(Event, index=0):
        """From the block after `number` on, `spec_version` runs this chain."""

        spec_version: u32
        number: u32

    class UpgradeCancelled(Event, index=1):
        """A scheduled upgrade will not take place."""

        spec_version: u32
        number: u32

    class SpecVersionNeedsToIncrease(PalletError, index=0):
        """The new version must be above the current one."""

    class TooSoon(PalletError, index=1):
        """The upgrade needs more notice: see `NoticeMin`."""

    class AlreadyScheduled(PalletError, index=2):
        """Another upgrade is scheduled; cancel it first."""

    class NothingScheduled(PalletError, index=3):
        """No upgrade is scheduled."""

    @constant
    def notice_min(self) -> u32:
        """The fewest blocks between scheduling an upgrade and the last block of the old version."""
        return self.config.notice_min

    def on_initialize(self, number: int) -> Weight:
        """Account for the work of on_finalize in a block that ends a version."""
        scheduled = self.scheduled.get()
        if scheduled is not None and scheduled.number == number:
            return weights.UPGRADES_APPLY
        return weights.UPGRADES_WAIT

    def on_finalize(self, number: int) -> None:
        """Change the code in the last block of the old version."""
        scheduled = self.scheduled.get()
        if scheduled is not None and scheduled.number == number:
            self.scheduled.kill()
            self.config.system.set_code(scheduled.spec_version)

    @call(0, weight=weights.UPGRADES_SCHEDULE_UPGRADE, dispatch_class=DispatchClass.Operational)
    def schedule_upgrade(self, origin: Origin, spec_version: u32, number: u32) -> None:
        """Let another version of the runtime take over after block `number`. Only for Root.

        Every node must carry that version by then: one that does not stops at that block.
        """
        ensure_root(origin)
        if spec_version <= self.config.system.spec_version():
            raise self.SpecVersionNeedsToIncrease
        if number < self.config.system.current_number() + self.config.notice_min:
            raise self.TooSoon
        if self.scheduled.exists():
            raise self.AlreadyScheduled
        self.scheduled.put(ScheduledUpgrade(spec_version, number))
        self.deposit(self.UpgradeScheduled(spec_version, number))

    @call(1, weight=weights.UPGRADES_CANCEL_UPGRADE, dispatch_class=DispatchClass.Operational)
    def cancel_upgrade(self, origin: Origin) -> None:
        """Cancel the scheduled upgrade. Only for Root."""
        ensure_root(origin)
        scheduled = self.scheduled.get()
        if scheduled is None:
            raise self.NothingScheduled
        self.scheduled.kill()
        self.deposit(self.UpgradeCancelled(scheduled.spec_version, scheduled.number))

    def try_state(self) -> None:
        """AssertionError unless what is scheduled lies ahead and is a later version."""
        scheduled = self.scheduled.get()
        if scheduled is not None:
            system = self.config.system
            assert scheduled.number > system.current_number(), "the scheduled block has passed"
            assert scheduled.spec_version > system.spec_version(), "the scheduled version is not a later one"
