"""Records and limits of the Balances pallet: locks, reserves, holds, freezes; no behaviour."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, TypeAlias

from runtime.frame.fungible import RuntimeFreezeReason, RuntimeHoldReason
from runtime.primitives.scale import Length, MaxLen, Struct, enum_path, u128

U128_MAX = (1 << 128) - 1
LOCKS_MAX = 50
"""Most locks on one account, as Polkadot's MaxLocks."""
RESERVES_MAX = 50
HOLDS_MAX = 50
FREEZES_MAX = 50
UPGRADE_ACCOUNTS_MAX = 1024


@enum_path("pallet_balances::types::Reasons")
class LockReasons(IntEnum):
    """What a lock covers."""

    Fee = 0
    Misc = 1
    All = 2


@enum_path("pallet_balances::types::AdjustmentDirection")
class AdjustmentDirection(IntEnum):
    """Which way the total issuance is forced."""

    Increase = 0
    Decrease = 1


class BalanceLock(Struct, path="pallet_balances::types::BalanceLock"):
    id: Annotated[bytes, Length(8)]
    amount: u128
    reasons: LockReasons


class ReserveData(Struct, path="pallet_balances::types::ReserveData"):
    id: Annotated[bytes, Length(8)]
    amount: u128


class HeldAmount(Struct, path="frame_support::traits::tokens::misc::IdAmount"):
    id: RuntimeHoldReason
    amount: u128


class FrozenAmount(Struct, path="frame_support::traits::tokens::misc::IdAmount"):
    id: RuntimeFreezeReason
    amount: u128


Locks: TypeAlias = Annotated[tuple[BalanceLock, ...], MaxLen(LOCKS_MAX)]
Reserves: TypeAlias = Annotated[tuple[ReserveData, ...], MaxLen(RESERVES_MAX)]
Holds: TypeAlias = Annotated[tuple[HeldAmount, ...], MaxLen(HOLDS_MAX)]
Freezes: TypeAlias = Annotated[tuple[FrozenAmount, ...], MaxLen(FREEZES_MAX)]
