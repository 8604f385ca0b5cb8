"""What the treasury stores, and what it asks of a chain's composition.

Source: pallet_treasury of polkadot-stable2503, whose layouts these are; a payment's id has 8 bytes as on
Polkadot.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Protocol, TypeAlias

from runtime.frame.block_numbers import BlockNumbers
from runtime.frame.dispatch import Origin
from runtime.frame.fungible import Fungible, Preservation
from runtime.primitives.scale import Enum, MaxLen, Struct, enum_path, u32, u64, u128
from runtime.primitives.types import AccountId

APPROVALS_MAX = 100
"""Most approvals that wait for a spend period; bounds the work of its first block."""
PERMILL = 1_000_000
"""The whole, in parts of a million."""

ProposalIndex: TypeAlias = u32
SpendIndex: TypeAlias = u32
Approvals: TypeAlias = Annotated[tuple[ProposalIndex, ...], MaxLen(APPROVALS_MAX)]


@enum_path("pallet_treasury::AssetKind")
class AssetKind(IntEnum):
    """What a spend is paid in."""

    GRID = 0
    WATT = 1


class Proposal(Struct, path="pallet_treasury::Proposal"):
    """An approved spend of the native currency; nobody bonds anything for it."""

    proposer: AccountId
    value: u128
    beneficiary: AccountId
    bond: u128


class Pending(Struct, index=0, variant="Pending"):
    """Nobody asked for the payment yet."""


class Attempted(Struct, index=1, variant="Attempted"):
    """The payment was made."""

    id: u64


class Failed(Struct, index=2, variant="Failed"):
    """The payment failed after it was attempted; a payment that is made at once never does."""


PaymentState: TypeAlias = Annotated[Pending | Attempted | Failed, Enum("pallet_treasury::PaymentState")]


class SpendStatus(Struct, path="pallet_treasury::SpendStatus"):
    """An approved spend, payable in the blocks from `valid_from` to before or at `expire_at`."""

    asset_kind: AssetKind
    amount: u128
    beneficiary: AccountId
    valid_from: u32
    expire_at: u32
    status: PaymentState


class SpentInBlock(Struct, path="pallet_treasury::SpentInBlock"):
    """How much the origins of one limit approved in a block."""

    number: u32
    amount: u128


class SpendLimits(Protocol):
    """Who may spend how much at once."""

    def ensure_spender(self, origin: Origin) -> int:
        """Return the most that the origin may spend, in the native currency; BadOrigin where it may not."""
        ...


class Rejecters(Protocol):
    """Who may take back what was approved."""

    def ensure_rejecter(self, origin: Origin) -> None:
        """BadOrigin unless the origin may."""
        ...


class NativeValue(Protocol):
    """What an amount of an asset is worth, for comparison with limits alone."""

    def native_value(self, asset: AssetKind, amount: int) -> int | None:
        """Return the worth in the native currency, None where no rate is known."""
        ...


class Payable(Protocol):
    """An asset that the treasury pays with."""

    def transfer(self, source: AccountId, dest: AccountId, amount: int, preservation: Preservation) -> None:
        """Move an amount; raises the ledger's errors and then changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class TreasuryConfig:
    """Periods in blocks, at least 1; `burn` is the part of a rest that is destroyed, in millionths."""

    currency: Fungible
    watt: Payable
    blocks: BlockNumbers
    limits: SpendLimits
    rejecters: Rejecters
    values: NativeValue
    spend_period: int
    payout_period: int
    pot_id: bytes = b"py/trsry"
    burn: int = 0
    max_approvals: int = APPROVALS_MAX
