"""What pallets may ask of a native currency, as Protocols, with hold and freeze reasons.

A composition gives one pallet's instance to another under these Protocols; pallets never import one another.
Source: frame_support::traits::fungible.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, NamedTuple, Protocol, TypeAlias

from runtime.primitives.scale import Codec, DecodeError, EncodeError, enum_path
from runtime.primitives.shape import Foreign
from runtime.primitives.types import AccountId


class Preservation(IntEnum):
    """How far a withdrawal may go: the account may die, must keep its provider, or must stay alive."""

    EXPENDABLE = 0
    PROTECT = 1
    PRESERVE = 2


@enum_path("frame_support::traits::tokens::misc::BalanceStatus")
class BalanceStatus(IntEnum):
    """Where repatriated reserves go."""

    Free = 0
    Reserved = 1


class Reason(NamedTuple):
    """Why a balance is held or frozen: the pallet instance's index and its own reason."""

    pallet: int
    reason: int


RuntimeHoldReason: TypeAlias = Annotated[Reason, Foreign("RuntimeHoldReason")]
RuntimeFreezeReason: TypeAlias = Annotated[Reason, Foreign("RuntimeFreezeReason")]


def reason_codec(name: str, known: dict[int, type[IntEnum]]) -> Codec[Reason]:
    """Return the codec of an outer reason enum: pallet index byte, then the pallet's reason byte."""

    encoded: dict[Reason, bytes] = {}
    decoded: dict[bytes, Reason] = {}

    def learn() -> None:
        for pallet, reasons in known.items():
            for reason in reasons:
                one = Reason(pallet, int(reason))
                encoded[one] = bytes(one)
                decoded[bytes(one)] = one

    def encode(value: Reason) -> bytes:
        raw = encoded.get(value)
        if raw is None:
            learn()  # a pallet may have come since
            raw = encoded.get(value)
        if raw is None:
            raise EncodeError(f"{value} is no {name}")
        return raw

    def decode(data: bytes, pos: int, end: int) -> tuple[Reason, int]:
        raw = data[pos : pos + 2]
        reason = decoded.get(raw)
        if reason is None:
            learn()
            reason = decoded.get(raw)
        if reason is None or pos + 2 > end:
            raise DecodeError(f"no {name}")
        return reason, pos + 2

    return Codec(Foreign(name), encode, decode)


class Fungible(Protocol):
    """A native currency: balances, transfers, issuance."""

    def minimum_balance(self) -> int:
        """Return the existential deposit."""
        ...

    def total_balance(self, who: AccountId) -> int:
        """Return free plus reserved."""
        ...

    def reducible_balance(self, who: AccountId, preservation: Preservation) -> int:
        """Return what could be withdrawn now."""
        ...

    def transfer(self, source: AccountId, dest: AccountId, amount: int, preservation: Preservation) -> None:
        """Move free balance and deposit a Transfer event."""
        ...

    def withdraw(self, who: AccountId, amount: int, preservation: Preservation) -> None:
        """Take free balance out of an account and of the issuance."""
        ...

    def deposit_creating(self, who: AccountId, amount: int) -> None:
        """Put new balance into an account and into the issuance; too little for a new account is lost."""
        ...


class Reservable(Fungible, Protocol):
    """A currency whose balances can be held with a reason, or reserved without."""

    def hold(self, reason: Reason, who: AccountId, amount: int) -> None:
        """Move free balance into the hold of a reason."""
        ...

    def release(self, reason: Reason, who: AccountId, amount: int) -> int:
        """Move up to an amount from the hold back to free; return how much."""
        ...

    def balance_on_hold(self, reason: Reason, who: AccountId) -> int:
        """Return what is held for a reason."""
        ...

    def reserved_balance(self, who: AccountId) -> int:
        """Return what is held and reserved together."""
        ...

    def reserve(self, who: AccountId, amount: int) -> None:
        """Move free balance to reserved without a reason."""
        ...

    def unreserve(self, who: AccountId, amount: int) -> int:
        """Move up to an amount from reserved back to free; return how much."""
        ...

    def repatriate_reserved(
        self, source: AccountId, dest: AccountId, amount: int, status: BalanceStatus
    ) -> int:
        """Move up to an amount of one account's reserve to another's free or reserved balance; return how
        much."""
        ...


def adjust_reserve(currency: Reservable, who: AccountId, old: int, new: int) -> None:
    """Reserve or unreserve the difference, so that a deposit of `old` becomes one of `new`."""
    if new > old:
        currency.reserve(who, new - old)
    elif new < old:
        currency.unreserve(who, old - new)
