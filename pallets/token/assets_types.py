"""Records and configuration of the Assets pallet: assets, accounts, approvals, metadata; no behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Protocol, TypeAlias

from runtime.frame.account import Accounts
from runtime.frame.fungible import Reservable
from runtime.primitives.scale import Enum, MaxLen, Struct, enum_path, u8, u32, u128
from runtime.primitives.types import AccountId

REMOVE_ITEMS_MAX = 1_000
"""Most accounts or approvals that one call destroys, as on Polkadot's asset hub."""
STRING_MAX = 50
"""Most bytes of a name or symbol, as on Polkadot's asset hub."""

AssetId: TypeAlias = u32
AssetString: TypeAlias = Annotated[bytes, MaxLen(STRING_MAX)]


@enum_path("pallet_assets::types::AssetStatus")
class AssetStatus(IntEnum):
    """Whether an asset can be moved."""

    Live = 0
    Frozen = 1
    Destroying = 2


@enum_path("pallet_assets::types::AccountStatus")
class AccountStatus(IntEnum):
    """What the holder of an asset can do: anything, only receive, or nothing."""

    Liquid = 0
    Frozen = 1
    Blocked = 2


class ConsumerReason(Struct, index=0, variant="Consumer"):
    """The account holds a consumer reference in System."""


class SufficientReason(Struct, index=1, variant="Sufficient"):
    """The asset is reason enough for the account to exist."""


class DepositHeld(Struct, index=2):
    """The account itself reserved a deposit."""

    field_0: u128


class DepositRefunded(Struct, index=3):
    """There was a deposit; it was given back."""


class DepositFrom(Struct, index=4):
    """Another account reserved a deposit."""

    field_0: AccountId
    field_1: u128


ExistenceReason: TypeAlias = Annotated[
    ConsumerReason | SufficientReason | DepositHeld | DepositRefunded | DepositFrom,
    Enum("pallet_assets::types::ExistenceReason"),
]
"""Why an account of an asset exists."""

CONSUMER = ConsumerReason()
SUFFICIENT = SufficientReason()


class AssetDetails(Struct, path="pallet_assets::types::AssetDetails"):
    """An asset: who may do what, how much there is, free and held, and how many accounts and approvals refer
    to it."""

    owner: AccountId
    issuer: AccountId
    admin: AccountId
    freezer: AccountId
    supply: u128
    deposit: u128
    min_balance: u128
    is_sufficient: bool
    accounts: u32 = 0
    sufficients: u32 = 0
    approvals: u32 = 0
    status: AssetStatus = AssetStatus.Live


class AssetAccount(Struct, path="pallet_assets::types::AssetAccount"):
    """What an account has of an asset, without what is held."""

    balance: u128
    status: AccountStatus
    reason: ExistenceReason
    extra: None = None


class Approval(Struct, path="pallet_assets::types::Approval"):
    """How much a delegate may still transfer, and the deposit that the owner reserved for it."""

    amount: u128
    deposit: u128


class AssetMetadata(Struct, path="pallet_assets::types::AssetMetadata"):
    """Name, symbol and decimals; `is_frozen`: only Root may change them."""

    deposit: u128 = 0
    name: AssetString = b""
    symbol: AssetString = b""
    decimals: u8 = 0
    is_frozen: bool = False


class HeldBalances(Protocol):
    """What Assets must know of balances that others hold. Source: pallet_assets::BalanceOnHold."""

    def total_on_hold(self, asset_id: int, who: AccountId) -> int:
        """Return what is held of an account, for all reasons together."""
        ...

    def has_holds(self, asset_id: int) -> bool:
        """Tell whether anything of an asset is held."""
        ...


@dataclass(frozen=True, slots=True)
class AssetsConfig:
    """Deposits in the native currency's smallest unit.

    For an asset, for an account opened by `touch`, for metadata and each of its bytes, and for an approval.
    `holds` is asked when a call is made, so it may be composed later.
    """

    currency: Reservable
    accounts: Accounts
    holds: Callable[[], HeldBalances]
    asset_deposit: int
    asset_account_deposit: int
    metadata_deposit_base: int
    metadata_deposit_per_byte: int
    approval_deposit: int


@dataclass(frozen=True, slots=True)
class GenesisAsset:
    """An asset that a chain starts with, without deposits; `holders` are (account, amount) pairs."""

    asset_id: int
    owner: AccountId
    is_sufficient: bool
    min_balance: int
    name: bytes
    symbol: bytes
    decimals: int
    holders: tuple[tuple[AccountId, int], ...] = ()
