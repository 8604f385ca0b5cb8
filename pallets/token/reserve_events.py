"""The events of the WattReserve pallet; no behaviour. Amounts are in units of WATT unless named satang."""

from pallets.token.reserve_types import Attestors
from runtime.frame.event import Event
from runtime.primitives.scale import u32, u64, u128
from runtime.primitives.types import AccountId, Hash


class ReserveAttested(Event, index=0):
    """An attestor signed a report; it counts once another signs the same."""

    attestor: AccountId
    as_of: u64
    satang: u64


class ReserveReported(Event, index=1):
    """A report of the reserve counts: so many satang cover so much WATT."""

    as_of: u64
    satang: u64
    supply: u128
    document_hash: Hash
    signers: Attestors


class ReserveShort(Event, index=2):
    """A report covers less WATT than there is; nothing is minted until it is covered again."""

    supply: u128
    covered: u128


class ReportStale(Event, index=3):
    """The latest report has become too old; nothing is minted until there is a new one."""

    as_of: u64


class MintRequested(Event, index=4):
    """An attestor requested new WATT for an account; it needs another one's approval."""

    request: u32
    attestor: AccountId
    beneficiary: AccountId
    amount: u128
    payment: Hash


class MintApproved(Event, index=5):
    """An attestor approved a request; `is_minted` once enough have."""

    request: u32
    attestor: AccountId
    is_minted: bool


class MintRejected(Event, index=6):
    """An attestor rejected a request for new WATT."""

    request: u32
    attestor: AccountId


class RedemptionRequested(Event, index=7):
    """An account gave WATT for baht; it is held until they are paid out."""

    redemption: u32
    who: AccountId
    amount: u128
    payout: Hash


class PayoutConfirmed(Event, index=8):
    """An attestor confirmed that a redemption was paid out; it needs another one's confirmation."""

    redemption: u32
    attestor: AccountId
    reference: Hash


class RedemptionPaid(Event, index=9):
    """A redemption was paid out, and its WATT destroyed."""

    redemption: u32
    who: AccountId
    amount: u128
    reference: Hash


class RedemptionRejected(Event, index=10):
    """A redemption was rejected; its WATT is free again."""

    redemption: u32
    who: AccountId
    amount: u128


class MintPaused(Event, index=11):
    """Minting is paused."""


class MintResumed(Event, index=12):
    """Minting goes on."""


class AttestorsSet(Event, index=13):
    """The reserve has these attestors."""

    attestors: Attestors


class MintCapSet(Event, index=14):
    """So much can be minted in a day."""

    amount: u128
