"""How a call ends and what it costs: weights, dispatch classes, origins and dispatch errors.

Each error exists twice on purpose: as an exception that a pallet raises and as the SCALE value that events
and RPC carry; `DispatchError.value()` leads from the first to the second. It knows no pallet.
Source: sp_runtime::DispatchError, sp_weights.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, Any, ClassVar, TypeAlias

from runtime.primitives.arithmetic import U64_MAX, ArithmeticFailure, DivisionByZero, Underflow
from runtime.primitives.scale import Compact, Enum, Length, Struct, enum_path, u8, u64
from runtime.primitives.types import AccountId


class Weight(Struct, path="sp_weights::weight_v2::Weight"):
    """Cost of a call: `ref_time` in picoseconds on the reference machine, `proof_size` in bytes.

    Sums and products stop at the width of a u64, which no block can take.
    """

    ref_time: Compact[u64]
    proof_size: Compact[u64]

    def plus(self, other: Weight) -> Weight:
        return Weight(
            min(U64_MAX, self.ref_time + other.ref_time), min(U64_MAX, self.proof_size + other.proof_size)
        )

    def times(self, factor: int) -> Weight:
        return Weight(min(U64_MAX, self.ref_time * factor), min(U64_MAX, self.proof_size * factor))

    def most(self, other: Weight) -> Weight:
        """Return the larger of each dimension."""
        return Weight(max(self.ref_time, other.ref_time), max(self.proof_size, other.proof_size))

    def least(self, other: Weight) -> Weight:
        """Return the smaller of each dimension."""
        return Weight(min(self.ref_time, other.ref_time), min(self.proof_size, other.proof_size))

    def minus(self, other: Weight) -> Weight:
        """Return the difference, at least zero in each dimension."""
        return Weight(max(0, self.ref_time - other.ref_time), max(0, self.proof_size - other.proof_size))

    def fits(self, limit: Weight) -> bool:
        """Tell whether neither dimension exceeds the limit."""
        return self.ref_time <= limit.ref_time and self.proof_size <= limit.proof_size


NO_WEIGHT = Weight(0, 0)


@enum_path("frame_support::dispatch::DispatchClass")
class DispatchClass(IntEnum):
    """Which part of a block's weight an extrinsic draws on."""

    Normal = 0
    Operational = 1
    Mandatory = 2


@enum_path("frame_support::dispatch::Pays")
class Pays(IntEnum):
    """Whether the signer pays a fee for a call."""

    Yes = 0
    No = 1


class DispatchInfo(Struct, path="frame_system::DispatchEventInfo"):
    """Weight, class and fee duty of a call, as events report them."""

    weight: Weight
    class_: DispatchClass
    pays_fee: Pays


class PostDispatchInfo(Struct):
    """What a call may return: the weight really used (None: as estimated) and whether it pays."""

    actual_weight: Weight | None = None
    pays_fee: Pays = Pays.Yes


# --- errors as values


@enum_path("sp_runtime::TokenError")
class TokenReason(IntEnum):
    """Reasons of a token operation to fail; variants of sp_runtime::TokenError."""

    FundsUnavailable = 0
    OnlyProvider = 1
    BelowMinimum = 2
    CannotCreate = 3
    UnknownAsset = 4
    Frozen = 5
    Unsupported = 6
    CannotCreateHold = 7
    NotExpendable = 8
    Blocked = 9


@enum_path("sp_arithmetic::ArithmeticError")
class ArithmeticReason(IntEnum):
    """Reasons of arithmetic to fail; variants of sp_arithmetic::ArithmeticError."""

    Underflow = 0
    Overflow = 1
    DivisionByZero = 2


@enum_path("sp_runtime::TransactionalError")
class TransactionalReason(IntEnum):
    """Reasons of a storage layer to fail; variants of sp_runtime::TransactionalError."""

    LimitReached = 0
    NoLayer = 1


class OtherValue(Struct, index=0, variant="Other"):
    pass


class CannotLookupValue(Struct, index=1, variant="CannotLookup"):
    pass


class BadOriginValue(Struct, index=2, variant="BadOrigin"):
    pass


class ModuleErrorValue(Struct, path="sp_runtime::ModuleError"):
    index: u8
    error: Annotated[bytes, Length(4)]


class ModuleValue(Struct, index=3, variant="Module"):
    field_0: ModuleErrorValue


class ConsumerRemainingValue(Struct, index=4, variant="ConsumerRemaining"):
    pass


class NoProvidersValue(Struct, index=5, variant="NoProviders"):
    pass


class TooManyConsumersValue(Struct, index=6, variant="TooManyConsumers"):
    pass


class TokenValue(Struct, index=7, variant="Token"):
    field_0: TokenReason


class ArithmeticValue(Struct, index=8, variant="Arithmetic"):
    field_0: ArithmeticReason


class TransactionalValue(Struct, index=9, variant="Transactional"):
    field_0: TransactionalReason


class ExhaustedValue(Struct, index=10, variant="Exhausted"):
    pass


class CorruptionValue(Struct, index=11, variant="Corruption"):
    pass


class UnavailableValue(Struct, index=12, variant="Unavailable"):
    pass


class RootNotAllowedValue(Struct, index=13, variant="RootNotAllowed"):
    pass


DispatchErrorValue: TypeAlias = Annotated[
    OtherValue
    | CannotLookupValue
    | BadOriginValue
    | ModuleValue
    | ConsumerRemainingValue
    | NoProvidersValue
    | TooManyConsumersValue
    | TokenValue
    | ArithmeticValue
    | TransactionalValue
    | ExhaustedValue
    | CorruptionValue
    | UnavailableValue
    | RootNotAllowedValue,
    Enum("sp_runtime::DispatchError"),
]


# --- errors as exceptions


class DispatchError(Exception):
    """A call failed by the rules of the chain; its changes are rolled back, fee and nonce stay charged."""

    def __init__(self, value: DispatchErrorValue) -> None:
        super().__init__(value)
        self._value = value
        self.post_info = PostDispatchInfo()

    def value(self) -> DispatchErrorValue:
        """Return the SCALE value of the error."""
        return self._value

    def with_post_info(self, info: PostDispatchInfo) -> DispatchError:
        """Attach the weight really used before the failure, so that the rest is refunded."""
        self.post_info = info
        return self


class BadOrigin(DispatchError):
    """The origin may not make this call."""

    def __init__(self) -> None:
        super().__init__(BadOriginValue())


class CannotLookup(DispatchError):
    """An address names no account."""

    def __init__(self) -> None:
        super().__init__(CannotLookupValue())


class TokenFailure(DispatchError):
    """A token operation failed."""

    def __init__(self, reason: TokenReason) -> None:
        super().__init__(TokenValue(reason))


class ArithmeticDispatchError(DispatchError):
    """A result does not fit its type; the executive makes it of the arithmetic module's failures."""

    def __init__(self, reason: ArithmeticReason) -> None:
        super().__init__(ArithmeticValue(reason))


class PalletError(DispatchError):
    """Base of a pallet's own errors: nested classes with `index=`, whose docstring wallets show.

    Raise it through the instance (`raise self.TooManyMeters`), which binds the pallet's index.
    """

    index: ClassVar[int]
    module_index: ClassVar[int | None] = None

    def __init_subclass__(cls, *, index: int | None = None) -> None:
        """Record the variant index; a bound subclass inherits it."""
        super().__init_subclass__()
        if index is not None:
            assert 0 <= index <= 255, f"{cls.__qualname__}: an index is one byte, 0 to 255, got {index}"
            cls.index = index

    def __init__(self) -> None:
        assert self.module_index is not None, "raise pallet errors through the pallet instance"
        error = bytes([self.index, 0, 0, 0])
        super().__init__(ModuleValue(ModuleErrorValue(self.module_index, error)))


# --- origins


class RootOrigin(Struct, index=0, variant="Root"):
    """The chain itself: Sudo, governance, upgrades."""


CallFilter: TypeAlias = Callable[[Any], bool]
"""Tells of a `Call` whether an origin may make it."""


class Signed(Struct, index=1):
    """An account that signed the extrinsic, or acts through a proxy, multisig or derivative.

    `filters` narrow what it may call beyond the chain's own filter; a call that dispatches further calls
    hands them on.
    """

    who: AccountId
    filters: tuple[CallFilter, ...] = ()


class NoOrigin(Struct, index=2, variant="None"):
    """Nobody: inherents and unsigned extrinsics."""


class PalletOrigin(Struct, index=3):
    """An origin that a pallet defines, such as a majority; `value` is the pallet's own encoding."""

    pallet: u8
    value: bytes
    filters: tuple[CallFilter, ...] = ()


Origin: TypeAlias = RootOrigin | Signed | NoOrigin | PalletOrigin
ROOT = RootOrigin()
NOBODY = NoOrigin()


def with_filter(origin: Origin, allows: CallFilter) -> Origin:
    """Return the origin narrowed by a further filter; Root is never filtered."""
    match origin:
        case Signed(who=who, filters=filters):
            return Signed(who, (*filters, allows))
        case PalletOrigin(pallet=pallet, value=value, filters=filters):
            return PalletOrigin(pallet, value, (*filters, allows))
        case RootOrigin() | NoOrigin():
            return origin


def ensure_signed(origin: Origin) -> AccountId:
    """Return the signer; BadOrigin when nobody signed."""
    if type(origin) is Signed:
        return origin.who
    raise BadOrigin


def ensure_root(origin: Origin) -> None:
    """BadOrigin unless the chain itself makes the call."""
    if type(origin) is not RootOrigin:
        raise BadOrigin


def ensure_none(origin: Origin) -> None:
    """BadOrigin unless the call is an inherent or unsigned."""
    if type(origin) is not NoOrigin:
        raise BadOrigin


def ensure_signed_or_root(origin: Origin) -> AccountId | None:
    """Return the signer, or None for Root; BadOrigin otherwise."""
    match origin:
        case Signed(who=who):
            return who
        case RootOrigin():
            return None
        case _:
            raise BadOrigin


def as_dispatch_error(failure: DispatchError | ArithmeticFailure) -> DispatchError:
    """Return the dispatch error that stands for an arithmetic failure; others unchanged."""
    match failure:
        case DispatchError():
            return failure
        case Underflow():
            return ArithmeticDispatchError(ArithmeticReason.Underflow)
        case DivisionByZero():
            return ArithmeticDispatchError(ArithmeticReason.DivisionByZero)
        case _:
            return ArithmeticDispatchError(ArithmeticReason.Overflow)
