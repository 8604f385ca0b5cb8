"""Records and configuration of the Collateral pallet; no behaviour. Money is in units of 10⁻¹² THB."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol, TypeAlias

from runtime.frame.fungibles import HoldableAsset
from runtime.primitives.scale import Struct, enum_path, u16, u32, u128
from runtime.primitives.types import AccountId

DEPOSIT_SLOTS: Final = 4
"""How many slots at full capacity a deposit pays for."""

ZoneId: TypeAlias = u16
SlotId: TypeAlias = u32
EpochId: TypeAlias = u32
SlotKey: TypeAlias = tuple[ZoneId, SlotId]


@enum_path("pallet_collateral::HoldReason")
class Guarantee(IntEnum):
    """What is held of an account: a deposit for what its meters may take, collateral for what it sells."""

    Deposit = 0
    Collateral = 1


class Debt(Struct, path="pallet_collateral::Debt"):
    """What an account still owes of an epoch: to the receivers that went without, and to the default fund."""

    receivers: u128 = 0
    fund: u128 = 0

    @property
    def total(self) -> int:
        """What it owes in all."""
        return self.receivers + self.fund


class Recovery(Struct, path="pallet_collateral::Recovery"):
    """What an epoch's receivers went without in all, what of it debtors have paid since, and what of that
    was claimed."""

    missing: u128 = 0
    recovered: u128 = 0
    claimed: u128 = 0


class Cut(Struct, path="pallet_collateral::Cut"):
    """What one receiver went without in an epoch, and what it has claimed since."""

    amount: u128 = 0
    claimed: u128 = 0


class Guarantees(Struct, path="pallet_collateral::Guarantees"):
    """What stands for an account: held and required of each kind, what it owes of epochs that are not netted
    beyond its deposit, arrears, and the slot at whose end a margin call is late. `is_suspended`: it may not
    sell."""

    deposit_held: u128
    deposit_required: u128
    collateral_held: u128
    collateral_required: u128
    pending: u128
    arrears: u128
    margin_due: SlotId | None
    is_suspended: bool


class Clock(Protocol):
    """Where the time of the block is read."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970: the open block's time, before it is set its parent's."""
        ...


class Capacities(Protocol):
    """What the meters of an account may count."""

    def capacity_wh(self, who: AccountId) -> int:
        """Return what an account's meters can take in one slot at their capacity."""
        ...


class Accounting(Protocol):
    """Settlement: what the grid pays and asks, which slots are settled, and what is still to be paid."""

    def spread_ticks(self, zone: int, slot: int) -> tuple[int, int]:
        """Return the grid's feed-in and retail prices of a slot, as known now, in ticks."""
        ...

    def is_settled(self, zone: int, slot: int) -> bool:
        """Tell whether a slot is settled."""
        ...

    def owed_by(self, who: AccountId) -> int:
        """Return what an account owes of epochs that are not netted."""
        ...


@dataclass(frozen=True, slots=True)
class CollateralConfig:
    """The pot is endowed at genesis. `deposit_ticks` is the retail price that deposits are reckoned with; a
    margin call is due after `margin_slots`. `settlement` is asked when a call is made."""

    asset: HoldableAsset
    clock: Clock
    meters: Capacities
    settlement: Callable[[], Accounting]
    pot: AccountId
    slot_ms: int
    margin_slots: int
    deposit_ticks: int
