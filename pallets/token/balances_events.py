"""The events of the Balances pallet, in pallet_balances' order; no behaviour."""

from runtime.frame.event import Event
from runtime.frame.fungible import BalanceStatus
from runtime.primitives.scale import u128
from runtime.primitives.types import AccountId


class Endowed(Event, index=0):
    """An account was created with some free balance."""

    account: AccountId
    free_balance: u128


class DustLost(Event, index=1):
    """An account was removed whose balance was below the existential deposit; the rest is lost."""

    account: AccountId
    amount: u128


class Transfer(Event, index=2):
    """Transfer succeeded."""

    from_: AccountId
    to: AccountId
    amount: u128


class BalanceSet(Event, index=3):
    """A balance was set by root."""

    who: AccountId
    free: u128


class Reserved(Event, index=4):
    """Some balance was reserved (moved from free to reserved)."""

    who: AccountId
    amount: u128


class Unreserved(Event, index=5):
    """Some balance was unreserved (moved from reserved to free)."""

    who: AccountId
    amount: u128


class ReserveRepatriated(Event, index=6):
    """Some balance was moved from the reserve of the first account to the second account."""

    from_: AccountId
    to: AccountId
    amount: u128
    destination_status: BalanceStatus


class Deposit(Event, index=7):
    """Some amount was deposited."""

    who: AccountId
    amount: u128


class Withdraw(Event, index=8):
    """Some amount was withdrawn from the account."""

    who: AccountId
    amount: u128


class Slashed(Event, index=9):
    """Some amount was removed from the account."""

    who: AccountId
    amount: u128


class Minted(Event, index=10):
    """Some amount was minted into an account."""

    who: AccountId
    amount: u128


class Burned(Event, index=11):
    """Some amount was burned from an account."""

    who: AccountId
    amount: u128


class Suspended(Event, index=12):
    """Some amount was suspended from an account."""

    who: AccountId
    amount: u128


class Restored(Event, index=13):
    """Some amount was restored into an account."""

    who: AccountId
    amount: u128


class Upgraded(Event, index=14):
    """An account was upgraded."""

    who: AccountId


class Issued(Event, index=15):
    """Total issuance was increased by `amount`."""

    amount: u128


class Rescinded(Event, index=16):
    """Total issuance was decreased by `amount`."""

    amount: u128


class Locked(Event, index=17):
    """Some balance was locked."""

    who: AccountId
    amount: u128


class Unlocked(Event, index=18):
    """Some balance was unlocked."""

    who: AccountId
    amount: u128


class Frozen(Event, index=19):
    """Some balance was frozen."""

    who: AccountId
    amount: u128


class Thawed(Event, index=20):
    """Some balance was thawed."""

    who: AccountId
    amount: u128


class TotalIssuanceForced(Event, index=21):
    """The total issuance was forcefully changed."""

    old: u128
    new: u128
