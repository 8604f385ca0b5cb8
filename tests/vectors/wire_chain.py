"""Sections of `wire.json` about single records: header, digest, addresses, errors, weights, accounts.

Each is decoded, compared with what the client read in the same bytes, and encoded again.
"""

from collections.abc import Mapping
from typing import Any

from pallets.core.transaction_payment import RuntimeDispatchInfo
from runtime.frame.account import AccountData, AccountInfo
from runtime.frame.dispatch import (
    ArithmeticValue,
    DispatchClass,
    DispatchErrorValue,
    DispatchInfo,
    ModuleValue,
    Pays,
    TokenValue,
    TransactionalValue,
    Weight,
)
from runtime.frame.runtime_api import TransactionValidity, Validity
from runtime.frame.validity import (
    DispatchOutcome,
    InvalidReason,
    InvalidTransaction,
    TransactionError,
    UnknownReason,
    UnknownTransaction,
    ValidTransaction,
)
from runtime.primitives.block import (
    Consensus,
    Digest,
    DigestItem,
    Header,
    Other,
    PreRuntime,
    RuntimeEnvironmentUpdated,
    Seal,
    decode_digest_item,
    decode_header,
    encode_digest_item,
    encode_header,
    hash_header,
)
from runtime.primitives.extrinsic import MultiAddress, MultiSignature
from runtime.primitives.scale import codec
from runtime.primitives.types import Hash
from tests.vectors.case import Entry, Mismatch, ensure_equal, from_hex


def check_codec(annotation: Any, value: Any, encoded: bytes) -> None:
    """Compare both directions of a type's codec."""
    of_type = codec(annotation)
    ensure_equal(of_type.decode(encoded), value, "decoded value")
    ensure_equal(of_type.encode(value), encoded, "encoding")


# --- block


def check_header(entry: Entry) -> None:
    fields = entry["json"]
    hashes = (Hash(from_hex(fields[key])) for key in ("parentHash", "stateRoot", "extrinsicsRoot"))
    parent_hash, state_root, extrinsics_root = hashes
    logs = tuple(decode_digest_item(from_hex(log)) for log in fields["digest"]["logs"])
    header = Header(parent_hash, int(fields["number"], 16), state_root, extrinsics_root, Digest(logs))
    ensure_equal(encode_header(header), from_hex(entry["scale"]), "encoding")
    ensure_equal(decode_header(from_hex(entry["scale"])), header, "decoded header")
    ensure_equal(hash_header(header), from_hex(entry["hash"]), "hash")


def check_digest_item(entry: Entry) -> None:
    encoded = from_hex(entry["hex"])
    item = decode_digest_item(encoded)
    ensure_equal(encode_digest_item(item), encoded, "encoding")
    ensure_equal(type(item).__name__, entry["type"], "type")
    ensure_equal(_show_digest_item(item), entry["value"], "value")


def _show_digest_item(item: DigestItem) -> dict[str, Any]:
    match item:
        case Other(data):
            return {"other": _to_hex(data)}
        case RuntimeEnvironmentUpdated():
            return {"runtimeEnvironmentUpdated": None}
        case PreRuntime(engine, data) | Consensus(engine, data) | Seal(engine, data):
            return {_lower_first(type(item).__name__): [_to_hex(engine), _to_hex(data)]}


# --- parts of an extrinsic


def check_multi_address(entry: Entry) -> None:
    _check_variant(MultiAddress, entry)


def check_multi_signature(entry: Entry) -> None:
    _check_variant(MultiSignature, entry)


def _check_variant(annotation: Any, entry: Entry) -> None:
    encoded = from_hex(entry["hex"])
    value = codec(annotation).decode(encoded)
    ensure_equal(value.__scale_variant__, entry["variant"].partition("(")[0], "variant")
    ensure_equal(codec(annotation).encode(value), encoded, "encoding")


# --- outcomes


def check_dispatch_error(entry: Entry) -> None:
    encoded = from_hex(entry["hex"])
    error = codec(DispatchErrorValue).decode(encoded)
    ensure_equal(show_dispatch_error(error), entry["json"], "error")
    ensure_equal(codec(DispatchErrorValue).encode(error), encoded, "encoding")


def show_dispatch_error(error: DispatchErrorValue) -> dict[str, Any]:
    """Return the JSON form in which @polkadot/api shows a dispatch error."""
    name = _lower_first(error.__scale_variant__)
    match error:
        case ModuleValue(module):
            return {name: {"index": module.index, "error": _to_hex(module.error)}}
        case TokenValue(reason) | ArithmeticValue(reason) | TransactionalValue(reason):
            return {name: reason.name}
        case _:
            return {name: None}


OLD_NAMES = {"NoFunds": "FundsUnavailable"}
"""What @polkadot/api calls a token error where it has no metadata to look in."""


def check_apply_extrinsic_result(entry: Entry) -> None:
    encoded = from_hex(entry["hex"])
    match entry["json"]:
        case {"ok": outcome}:
            value = codec(DispatchOutcome).decode(encoded[1:])
            shown: dict[str, Any] = {"ok": []} if value is None else {"err": show_dispatch_error(value)}
            if "token" in outcome.get("err", {}):
                token = outcome["err"]["token"]
                outcome = {"err": {"token": OLD_NAMES.get(token, token)}}
            ensure_equal(shown, outcome, "outcome")
            ensure_equal(b"\0" + codec(DispatchOutcome).encode(value), encoded, "encoding")
        case {"err": {"invalid": reason}}:
            ensure_equal(b"\1" + _make_invalid(_only_key(reason)).encode(), encoded, "encoding")
        case {"err": {"unknown": reason}}:
            ensure_equal(b"\1" + _make_unknown(_only_key(reason)).encode(), encoded, "encoding")
        case other:
            raise Mismatch(f"no such outcome: {other}")


def check_transaction_validity(entry: Entry) -> None:
    kind, _, text = entry["name"].partition(" ")
    match kind:
        case "valid":
            validity = Validity(_parse_valid(text), None)
        case "Invalid":
            validity = Validity(None, _make_invalid(text))
        case "Unknown":
            validity = Validity(None, _make_unknown(text))
        case other:
            raise Mismatch(f"no such validity: {other}")
    ensure_equal(codec(TransactionValidity).encode(validity), from_hex(entry["hex"]), "encoding")


VALID = {
    "priority=0 provides one tag longevity=64 propagate": ValidTransaction(
        provides=(b"\1\2\3",), longevity=64, propagate=True
    ),
}
"""The file names its one valid answer in words."""


def _parse_valid(text: str) -> ValidTransaction:
    return VALID[text]


def _make_invalid(text: str) -> TransactionError:
    name, _, custom = text.partition("(")
    return InvalidTransaction(InvalidReason[_upper_first(name)], int(custom.rstrip(")") or 0))


def _make_unknown(text: str) -> TransactionError:
    name, _, custom = text.partition("(")
    return UnknownTransaction(UnknownReason[_upper_first(name)], int(custom.rstrip(")") or 0))


# --- weights, fees, accounts


def check_weight(entry: Entry) -> None:
    weight = Weight(int(entry["ref_time"]), int(entry["proof_size"]))
    check_codec(Weight, weight, from_hex(entry["hex"]))


def check_runtime_dispatch_info(entry: Entry) -> None:
    fields = entry["json"]
    weight = _read_weight(fields["weight"])
    info = RuntimeDispatchInfo(weight, DispatchClass[fields["class"]], fields["partialFee"])
    check_codec(RuntimeDispatchInfo, info, from_hex(entry["hex"]))


def check_account_info(entry: Entry) -> None:
    fields = entry["json"]
    data = AccountData(*(_read_int(fields["data"][key]) for key in ("free", "reserved", "frozen", "flags")))
    counts = (fields["nonce"], fields["consumers"], fields["providers"], fields["sufficients"])
    info = AccountInfo(*counts, data)
    check_codec(AccountInfo, info, from_hex(entry["hex"]))


def read_dispatch_info(fields: Mapping[str, Any]) -> DispatchInfo:
    """Return the dispatch info that JSON of @polkadot/api describes."""
    weight = _read_weight(fields["weight"])
    return DispatchInfo(weight, DispatchClass[fields["class"]], Pays[fields["paysFee"]])


def _read_weight(fields: Mapping[str, int]) -> Weight:
    return Weight(fields["refTime"], fields["proofSize"])


def _read_int(value: int | str) -> int:
    return int(value, 16) if isinstance(value, str) else value


def _only_key(reason: Mapping[str, Any]) -> str:
    (key,) = reason
    return key


def _to_hex(data: bytes) -> str:
    return "0x" + data.hex()


def _lower_first(name: str) -> str:
    return name[:1].lower() + name[1:]


def _upper_first(name: str) -> str:
    return name[:1].upper() + name[1:]
