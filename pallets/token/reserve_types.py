"""Records, limits and configuration of the WattReserve pallet; no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Protocol, TypeAlias

from runtime.frame.account import pot_account
from runtime.frame.fungibles import IssuedAsset
from runtime.primitives.scale import MaxLen, Struct, enum_path, u32, u64, u128
from runtime.primitives.types import AccountId, Hash

RESERVE_POT: Final = pot_account(b"wattrsrv")
"""The account that owns WATT; no key can sign for it, so nobody mints or burns by a call of Assets."""
SATANG: Final = 10**10
"""Units of WATT in a satang: WATT has 12 decimals, a baht has 100 satang."""
ATTESTORS: Final = 3
SIGNATURES: Final = 2
"""How many of the attestors must agree."""
CUSTODIAN_MAX: Final = 64
"""Most bytes of a custodian's name."""
MINT_REQUESTS_MAX: Final = 100
"""Most requests for new WATT that wait at once."""
REDEMPTIONS_MAX: Final = 16
"""Most redemptions of one account that wait at once; bounds what a fee alone pays for."""
REPORTS_KEPT: Final = 1_000
"""More than two years of daily reports."""
AGE_CHECK_BLOCKS: Final = 100
DAY_MS: Final = 86_400_000
BANGKOK_MS: Final = 7 * 3_600_000
"""How far Thai time, by whose days mints are capped, is ahead of UTC."""
REPORT_AGE_MAX_MS: Final = DAY_MS
MINT_CAP_DEFAULT: Final = 100_000_000 * 100 * SATANG
"""100,000,000 baht a day."""

Custodian: TypeAlias = Annotated[bytes, MaxLen(CUSTODIAN_MAX)]
Attestors: TypeAlias = Annotated[tuple[AccountId, ...], MaxLen(ATTESTORS)]


@enum_path("pallet_watt_reserve::HoldReason")
class HoldReason(IntEnum):
    """Why the pallet holds WATT."""

    Redemption = 0


class ReserveReport(Struct, path="pallet_watt_reserve::ReserveReport"):
    """What a custodian holds for WATT: at which time (milliseconds since 1970), who, how many satang.

    `paid_satang`: how much of this chain's redemptions the account had paid out by then, since genesis. The
    hash is that of the custodian's statement.
    """

    as_of: u64
    custodian: Custodian
    satang: u64
    paid_satang: u64
    document_hash: Hash


class AcceptedReport(Struct, path="pallet_watt_reserve::AcceptedReport"):
    """A report that counts, who signed it, and the WATT issued when it was accepted."""

    report: ReserveReport
    signers: Attestors
    supply: u128


class MintRequest(Struct, path="pallet_watt_reserve::MintRequest"):
    """New WATT that waits for approvals; `payment` is the hash of the payment into the reserve."""

    beneficiary: AccountId
    amount: u128
    payment: Hash
    approvals: Attestors


class Redemption(Struct, path="pallet_watt_reserve::Redemption"):
    """WATT that is held until its baht are paid out.

    `payout` is a commitment to the bank account, `reference` the hash of the payment that `approvals`
    confirm.
    """

    who: AccountId
    amount: u128
    payout: Hash
    reference: Hash | None
    approvals: Attestors


class Minted(Struct, path="pallet_watt_reserve::Minted"):
    """How much was minted on a day, counted since 1970 in Thai time."""

    day: u32
    amount: u128


class Clock(Protocol):
    """Where the time of the block is read."""

    def now_ms(self) -> int:
        """Return the milliseconds since 1970; before the block's transactions those of its parent."""
        ...


@dataclass(frozen=True, slots=True)
class WattReserveConfig:
    """The asset that the reserve stands behind; minting needs a report that is no older."""

    watt: IssuedAsset
    clock: Clock
    report_age_max_ms: int = REPORT_AGE_MAX_MS


@dataclass(frozen=True, slots=True)
class GenesisReserve:
    """What a chain starts with: no attestors or three, and a first report, which needs no signature."""

    attestors: tuple[AccountId, ...] = ()
    report: ReserveReport | None = None
    mint_cap: int = MINT_CAP_DEFAULT


NO_RESERVE: Final = GenesisReserve()
