"""Dry runs: what an extrinsic, or a call as if somebody had signed it, would do to the storage.

Responsible for the form of the answer. It runs on a runtime that is lent to it, in a block that is never
made: a signed extrinsic pays its fee and counts its nonce, a bare call does neither. Events are not storage
yet when a call ends, so the difference shows none. Source: chopsticks, `dev_dryRun`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from node.chain.execution import CONTENT_FAULTS
from node.rpc.groups.context import CLIENT_ERROR, hex_of
from node.rpc.jsonrpc import INVALID_PARAMS, RpcError
from node.rpc.params import MAX_U32, Decoded, Hash32, Integer
from runtime.frame.dispatch import DispatchErrorValue, Signed
from runtime.frame.extension import Extrinsic
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import Change, make_change
from runtime.frame.validity import (
    DispatchOutcome,
    InvalidReason,
    InvalidTransaction,
    TransactionError,
    UnknownReason,
    UnknownTransaction,
)
from runtime.primitives.json_values import write_json
from runtime.primitives.scale import DecodeError
from runtime.primitives.shape import shape_of
from runtime.primitives.ss58 import decode_address
from runtime.primitives.types import AccountId, Hash

INVALID_FORMAT = 1001
_OUTCOME: Final = shape_of(DispatchOutcome)


def _account(text: str) -> AccountId:
    if not text.startswith("0x"):
        return decode_address(text).account_id
    account = bytes.fromhex(text[2:])
    if len(account) != 32:
        raise ValueError(f"an account has 32 bytes, not {len(account)}")
    return AccountId(account)


@dataclass(frozen=True, slots=True)
class BareCall:
    """A call and the account that makes it."""

    call: bytes
    address: Annotated[AccountId, Decoded(_account, "an SS58 address or 32 bytes of hex")]


At: TypeAlias = Hash32 | Annotated[int, Integer(0, MAX_U32)]


@dataclass(frozen=True, slots=True)
class DryRun:
    """What to run and where; the answer is the raw difference."""

    extrinsic: bytes | BareCall | None = None
    at: At | None = None
    raw: bool | None = None
    html: bool | None = None
    hrmp: object = None
    dmp: object = None
    ump: object = None

    def ensure_supported(self) -> bytes | BareCall:
        """Return what to run; RpcError for what chopsticks knows and this node does not."""
        for name in ("hrmp", "dmp", "ump"):
            if getattr(self, name) is not None:
                raise _refused(f"`{name}` is not supported: this chain has no messages from other chains")
        if self.html:
            raise _refused("`html` is not supported: the difference is given raw")
        if self.raw is False:
            raise _refused("`raw` must be true or absent: the difference is given raw")
        if self.extrinsic is None:
            raise _refused("`extrinsic` is missing: hex, or an object of `call` and `address`")
        return self.extrinsic


def dry_run(
    api: RuntimeApi,
    parent: tuple[int, Hash],
    wanted: bytes | BareCall,
    is_signed: Callable[[Extrinsic], bool],
) -> dict[str, object]:
    """Return the outcome as JSON and what storage it changes, [key, old, new], sorted by key.

    `parent` is number and hash of the block that the runtime stands on. RpcError when there is nothing that
    can be run, or when the call crashes.
    """
    number, parent_hash = parent
    try:
        extrinsic = api.decode_extrinsic(wanted) if isinstance(wanted, bytes) else None
        call = api.runtime.calls.codec.decode(wanted.call) if isinstance(wanted, BareCall) else None
    except DecodeError as error:
        what = "Extrinsic" if isinstance(wanted, bytes) else "Call"
        raise RpcError(INVALID_FORMAT, f"{what} has invalid format: {error}") from error
    except TransactionError as error:
        return {"outcome": {"err": _validity_json(error)}, "storageDiff": []}
    try:
        api.initialize_block(number + 1, parent_hash, ())
        opened = {change.key: change for change in api.state.pending()}
        if extrinsic is not None:
            if extrinsic.signer is not None and not is_signed(extrinsic):
                raise InvalidTransaction(InvalidReason.BadProof)  # the same verdict as apply's
            error_value = api.apply(extrinsic).error
        else:
            assert isinstance(wanted, BareCall)
            assert call is not None
            dispatcher = api.runtime.executive.dispatcher
            error_value = dispatcher.dispatch(call, Signed(wanted.address)).error
        changes = api.state.pending()
    except TransactionError as error:
        return {"outcome": {"err": _validity_json(error)}, "storageDiff": []}
    except CONTENT_FAULTS as error:
        text = f"Client error: Execution failed: {type(error).__name__}: {error!s:.200}"
        raise RpcError(CLIENT_ERROR, text) from error
    return _answer(error_value, _difference(opened, changes))


def _answer(error: DispatchErrorValue | None, changes: list[Change]) -> dict[str, object]:
    return {
        "outcome": {"ok": write_json(_OUTCOME, error)},
        "storageDiff": [[hex_of(c.key), _shown(c.old), _shown(c.new)] for c in changes],
    }


def _difference(opened: dict[bytes, Change], changes: list[Change]) -> list[Change]:
    """Return what has changed since a block was opened, whose opening had changed something too."""
    found: list[Change] = []
    for change in changes:
        before = opened.get(change.key)
        old = change.old if before is None else before.new
        if change.new != old:
            found.append(make_change(change.key, old, change.new))
    gone = {change.key for change in changes}
    found += [make_change(key, one.new, one.old) for key, one in opened.items() if key not in gone]
    return sorted(found, key=lambda change: change.key)


def _validity_json(error: TransactionError) -> dict[str, object]:
    match error:
        case InvalidTransaction(reason=reason, custom=custom):
            return {"invalid": _reason_json(reason, custom)}
        case UnknownTransaction(reason=reason, custom=custom):
            return {"unknown": _reason_json(reason, custom)}
        case _:
            raise AssertionError(f"{error!r} has a reason")


def _reason_json(reason: InvalidReason | UnknownReason, custom: int) -> dict[str, object]:
    name = reason.name[:1].lower() + reason.name[1:]
    return {name: custom if reason.name == "Custom" else None}


def _shown(value: bytes | None) -> str | None:
    return None if value is None else hex_of(value)


def _refused(reason: str) -> RpcError:
    return RpcError(INVALID_PARAMS, f"Invalid params: {reason}")
