"""What a node may ask of a runtime: the standard runtime APIs, and the `RuntimeApi` Protocol that a node
programs to.

Responsible for the APIs that wallets call on every chain; a composition adds those of its pallets. A node
knows a chain through `RuntimeApi` alone. Source: sp_api::Core, sp_api::Metadata, sp_transaction_pool,
frame_system and pallet_transaction_payment runtime APIs.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Annotated, Any, NamedTuple, Protocol, TypeAlias

from msgspec import structs

from runtime.frame.api import Api, ApiMethod, ApiTable
from runtime.frame.extension import Extrinsic
from runtime.frame.metadata import METADATA_VERSIONS, encode_metadata
from runtime.frame.runtime import ExtrinsicBytes, Runtime, RuntimeVersion, api_id
from runtime.frame.state import State
from runtime.frame.validity import (
    InvalidReason,
    InvalidTransaction,
    TransactionError,
    TransactionSource,
    UnknownReason,
    UnknownTransaction,
    ValidTransaction,
)
from runtime.primitives.authority_set import AuthoritySet
from runtime.primitives.committee import LeaderRule
from runtime.primitives.crypto import verify
from runtime.primitives.scale import DecodeError, codec, u32
from runtime.primitives.shape import Custom, Int, Path, shape_of
from runtime.primitives.types import AccountId, Hash


class Validity(NamedTuple):
    """Outcome of validating a transaction for the pool."""

    valid: ValidTransaction | None
    error: TransactionError | None


def _encode_validity(value: Validity) -> bytes:
    if value.error is not None:
        return b"\1" + value.error.encode()
    return b"\0" + codec(ValidTransaction).encode(value.valid)


def _never(data: bytes, pos: int) -> tuple[Any, int]:
    raise DecodeError(f"this type is only ever an answer ({len(data) - pos} bytes)")


def _reasons(path: str, reasons: type[IntEnum]) -> Custom:
    listed = tuple((r.name, int(r), (Int(1),) if r.name == "Custom" else ()) for r in reasons)
    return Custom(f"sp_runtime::transaction_validity::{path}", _encode_error, _never, listed)


def _encode_error(value: TransactionError) -> bytes:
    return value.encode()


OpaqueMetadata: TypeAlias = Annotated[bytes, Path("sp_core::OpaqueMetadata")]
"""Without a type of its own, @polkadot/api takes an optional answer of plain bytes for its content."""

_ERROR = Custom(
    "sp_runtime::transaction_validity::TransactionValidityError",
    _encode_error,
    _never,
    (
        ("Invalid", 0, (_reasons("InvalidTransaction", InvalidReason),)),
        ("Unknown", 1, (_reasons("UnknownTransaction", UnknownReason),)),
    ),
)
_VALID = shape_of(ValidTransaction)
TransactionValidity: TypeAlias = Annotated[
    Validity,
    Custom(
        "Result",
        _encode_validity,
        _never,
        (("Ok", 0, (_VALID,)), ("Err", 1, (_ERROR,))),
        (("T", _VALID), ("E", _ERROR)),
    ),
]


class NonceSource(Protocol):
    """Where account nonces are read."""

    def get_account(self, who: AccountId) -> Any:
        """Return the account record."""
        ...


class FeeSource(Protocol):
    """Where fees are computed."""

    def query_info(self, extrinsic: Extrinsic, length: int) -> Any:
        """Return weight, class and fee."""
        ...

    def query_fee_details(self, extrinsic: Extrinsic, length: int) -> Any:
        """Return the parts of the fee."""
        ...


def core_api(runtime: Runtime) -> Api:
    """Return `Core`: the version."""
    version = ApiMethod("version", (), RuntimeVersion, lambda: runtime.version, "The runtime's version.")
    return Api("Core", 5, (version,), "The core functions of every runtime.")


def metadata_api(runtime: Runtime, apis: Callable[[], tuple[Api, ...]]) -> Api:
    """Return `Metadata`; each version is made once and kept."""
    made: dict[int, bytes] = {}

    def at(version: int) -> bytes | None:
        if version not in METADATA_VERSIONS:
            return None
        if version not in made:
            made[version] = encode_metadata(runtime, apis(), version)
        return made[version]

    return Api(
        "Metadata",
        2,
        (
            ApiMethod(
                "metadata", (), OpaqueMetadata, lambda: at(METADATA_VERSIONS[0]), "The metadata, version 14."
            ),
            ApiMethod(
                "metadata_at_version",
                (("version", u32),),
                OpaqueMetadata | None,
                at,
                "The metadata of a version, None when it is not supported.",
            ),
            ApiMethod(
                "metadata_versions",
                (),
                tuple[u32, ...],
                lambda: METADATA_VERSIONS,
                "The supported metadata versions.",
            ),
        ),
        "Metadata of the runtime.",
    )


def validate_with_signature(runtime: Runtime, extrinsic: Extrinsic) -> ValidTransaction:
    """Return the pool tags of an extrinsic, signature included; TransactionError when it cannot enter."""
    if extrinsic.is_signed and extrinsic.signer is None:
        raise UnknownTransaction(UnknownReason.CannotLookup)
    if extrinsic.signer is not None and not verify(*runtime.signature_job(extrinsic)):
        raise InvalidTransaction(InvalidReason.BadProof)
    return runtime.executive.validate(extrinsic)


def tagged_transaction_queue_api(runtime: Runtime) -> Api:
    """Return `TaggedTransactionQueue`: validation in the block after the one that the runtime stands on."""

    def validate(source: TransactionSource, extrinsic: Extrinsic, block_hash: Hash) -> Validity:
        del source
        executive = runtime.executive
        executive.initialize_block(executive.system.current_number() + 1, block_hash, ())
        try:
            return Validity(validate_with_signature(runtime, extrinsic), None)
        except TransactionError as error:
            return Validity(None, error)

    method = ApiMethod(
        "validate_transaction",
        (("source", TransactionSource), ("tx", ExtrinsicBytes), ("block_hash", Hash)),
        TransactionValidity,
        validate,
        "Validate a transaction for the pool.",
    )
    return Api("TaggedTransactionQueue", 3, (method,), "The transaction queue's view of the runtime.")


def account_nonce_api(accounts: NonceSource) -> Api:
    """Return `AccountNonceApi`: the nonce on chain, the pool not counted."""
    method = ApiMethod(
        "account_nonce",
        (("account", AccountId),),
        u32,
        lambda who: accounts.get_account(who).nonce,
        "The current nonce of an account.",
    )
    return Api("AccountNonceApi", 1, (method,), "Nonces of accounts.")


def transaction_payment_api(payment: FeeSource, info: Any, details: Any) -> Api:
    """Return `TransactionPaymentApi`; `info` and `details` are the result annotations."""
    parameters = (("uxt", ExtrinsicBytes), ("len", u32))
    return Api(
        "TransactionPaymentApi",
        4,
        (
            ApiMethod(
                "query_info", parameters, info, payment.query_info, "Weight, class and fee of an extrinsic."
            ),
            ApiMethod(
                "query_fee_details", parameters, details, payment.query_fee_details, "The parts of the fee."
            ),
        ),
        "Fees of extrinsics.",
    )


class AuthoritySource(Protocol):
    """Where the authority set is read, and the rule of who leads it."""

    @property
    def leader(self) -> LeaderRule:
        """The chain's rule of who proposes."""
        ...

    def authority_set(self) -> AuthoritySet:
        """Return the set that certifies the next block."""
        ...


class RuntimeApi:
    """One version of a chain's logic as a node uses it: blocks, transactions, queries; no pallet by name.

    It stands on one state at a time (`state`); a node keeps one for the head and others for queries.
    """

    def __init__(self, runtime: Runtime, authorities: AuthoritySource, extra: tuple[Api, ...]) -> None:
        listed: list[Api] = []
        listed += [core_api(runtime), metadata_api(runtime, lambda: tuple(listed))]
        listed += [tagged_transaction_queue_api(runtime), *extra]
        self.runtime = runtime
        self.state = runtime.state
        self.version = runtime.version
        self.apis = ApiTable(tuple(listed), runtime.foreign)
        self.authority_set = authorities.authority_set
        self.leader = authorities.leader
        self.decode_extrinsic = runtime.decode_extrinsic
        self.signature_job = runtime.signature_job
        self.validate = runtime.executive.validate
        self.initialize_block = runtime.executive.initialize_block
        self.apply = runtime.executive.apply
        self.finalize_block = runtime.executive.finalize_block
        self.inherents = runtime.inherents
        self.try_state = runtime.executive.try_state

    def has_decoded(self, extrinsic: Extrinsic) -> bool:
        """Tell whether an extrinsic was decoded by this very runtime; what another one decoded runs on that
        one's state."""
        spec = extrinsic.call.spec
        return self.runtime.calls.specs.get(spec.prefix) is spec

    def call(self, name: str, data: bytes) -> bytes:
        """Return the SCALE result of an exported function; UnknownApi, DecodeError or RefusedQuestion when it
        is asked wrongly."""
        return self.apis.call(name, data)

    def ask(self, name: str, arguments: tuple[Any, ...]) -> Any:
        """Return the result of an exported function as a value; UnknownApi or RefusedQuestion."""
        return self.apis.ask(name, arguments)


RuntimeFactory: TypeAlias = Callable[[State], RuntimeApi]
"""Composes one version of a chain's runtime over a state."""


def versioned(version: RuntimeVersion, names: tuple[tuple[str, int], ...]) -> RuntimeVersion:
    """Return a version that announces runtime APIs by name and version."""
    return structs.replace(version, apis=tuple((api_id(name), number) for name, number in names))
