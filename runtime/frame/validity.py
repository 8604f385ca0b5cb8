"""Whether a transaction may enter the pool or a block, and the tags by which the pool orders it.

Source: sp_runtime::transaction_validity; the error codes and texts are what wallets know.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, ClassVar, TypeAlias

from runtime.frame.dispatch import DispatchErrorValue
from runtime.primitives.scale import Struct, UnitResultMark, enum_path, u64

LONGEVITY_MAX = (1 << 64) - 1
PRIORITY_MAX = (1 << 64) - 1


@enum_path("sp_runtime::transaction_validity::TransactionSource")
class TransactionSource(IntEnum):
    """Where a transaction to validate comes from."""

    InBlock = 0
    Local = 1
    External = 2


class ValidTransaction(Struct, path="sp_runtime::transaction_validity::ValidTransaction"):
    """Priority, the tags required and provided, how many blocks it stays valid, and whether to gossip it."""

    priority: u64 = 0
    requires: tuple[bytes, ...] = ()
    provides: tuple[bytes, ...] = ()
    longevity: u64 = LONGEVITY_MAX
    propagate: bool = True


class InvalidReason(IntEnum):
    """Why a transaction can never be included as it is; the value is the variant index."""

    Call = 0
    Payment = 1
    Future = 2
    Stale = 3
    BadProof = 4
    AncientBirthBlock = 5
    ExhaustsResources = 6
    Custom = 7
    BadMandatory = 8
    MandatoryValidation = 9
    BadSigner = 10


class UnknownReason(IntEnum):
    """Why a transaction cannot be judged; the value is the variant index."""

    CannotLookup = 0
    NoUnsignedValidator = 1
    Custom = 2


class TransactionError(Exception):
    """Base: the transaction may not be included."""

    text: ClassVar[str] = ""

    def encode(self) -> bytes:
        """Return the SCALE bytes of the TransactionValidityError."""
        raise NotImplementedError

    def message(self) -> str:
        """Return the sentence that Substrate sends for this error."""
        raise NotImplementedError


INVALID_TEXTS = {
    InvalidReason.Call: "Transaction call is not expected",
    InvalidReason.Payment: "Inability to pay some fees (e.g. account balance too low)",
    InvalidReason.Future: "Transaction will be valid in the future",
    InvalidReason.Stale: "Transaction is outdated",
    InvalidReason.BadProof: "Transaction has a bad signature",
    InvalidReason.AncientBirthBlock: "Transaction has an ancient birth block",
    InvalidReason.ExhaustsResources: "Transaction would exhaust the block limits",
    InvalidReason.BadMandatory: "A call was labelled as mandatory, but resulted in an Error.",
    InvalidReason.MandatoryValidation: (
        "Transaction dispatch is mandatory; transactions must not be validated."
    ),
    InvalidReason.BadSigner: "Invalid signing address",
}


class InvalidTransaction(TransactionError):
    """The transaction is invalid: JSON-RPC error 1010."""

    def __init__(self, reason: InvalidReason, custom: int = 0) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.custom = custom

    def encode(self) -> bytes:
        """Return the SCALE bytes of the TransactionValidityError."""
        tail = bytes([self.custom]) if self.reason is InvalidReason.Custom else b""
        return bytes([0, self.reason]) + tail

    def message(self) -> str:
        """Return the sentence that Substrate sends for this error."""
        return INVALID_TEXTS.get(self.reason, f"Custom error: {self.custom}")


class UnknownTransaction(TransactionError):
    """The validity cannot be told: JSON-RPC error 1011."""

    def __init__(self, reason: UnknownReason, custom: int = 0) -> None:
        super().__init__(reason.name)
        self.reason = reason
        self.custom = custom

    def encode(self) -> bytes:
        """Return the SCALE bytes of the TransactionValidityError."""
        tail = bytes([self.custom]) if self.reason is UnknownReason.Custom else b""
        return bytes([1, self.reason]) + tail

    def message(self) -> str:
        """Return what Substrate sends for this error, which is the reason's name."""
        return f"Custom({self.custom})" if self.reason is UnknownReason.Custom else self.reason.name


DispatchOutcome: TypeAlias = Annotated[DispatchErrorValue | None, UnitResultMark()]
"""`Result<(), DispatchError>`: None when the call succeeded."""


def combine(parts: list[ValidTransaction]) -> ValidTransaction:
    """Return the validity that holds when all parts do: priorities add up, the shortest longevity counts."""
    if len(parts) == 1:
        return parts[0]
    priority = 0
    requires: tuple[bytes, ...] = ()
    provides: tuple[bytes, ...] = ()
    longevity = LONGEVITY_MAX
    for part in parts:
        priority = min(priority + part.priority, PRIORITY_MAX)
        requires += part.requires
        provides += part.provides
        longevity = min(longevity, part.longevity)
    return ValidTransaction(priority, requires, provides, longevity)
