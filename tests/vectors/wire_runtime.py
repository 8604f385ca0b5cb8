"""Sections of `wire.json` that need a whole runtime: calls, extrinsics, events, storage items of pallets."""

from typing import Any

from runtime.frame.event import ApplyExtrinsic, EventRecord
from runtime.frame.extension import Extrinsic
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.era import decode_era, encode_era
from runtime.primitives.extrinsic import (
    Address20,
    Address32,
    AddressId,
    AddressRaw,
    make_unsigned,
    seal_envelope,
    signed_message,
)
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import DecodeError
from runtime.primitives.ss58 import decode_address
from runtime.primitives.types import AccountId, Hash
from tests.vectors.case import Entry, Mismatch, ensure_equal, from_hex
from tests.vectors.mock_runtime import METADATA_HASH, MockRuntime, Offer, compose
from tests.vectors.wire_chain import check_dispatch_error, read_dispatch_info
from tests.vectors.wire_keys import check_storage_key


def check_pallet_indices(indices: dict[str, int]) -> None:
    ensure_equal({pallet.name: pallet.index for pallet in compose().runtime.pallets}, indices, "pallets")


# --- calls and extrinsics


def check_call(entry: Entry) -> None:
    pallet, name = entry["call"].split(".")
    calls, encoded = compose().runtime.calls, from_hex(entry["hex"])
    call = calls.make(pallet, name, *(_read_argument(argument) for argument in entry["args"]))
    ensure_equal(calls.codec.encode(call), encoded, "encoding")
    ensure_equal(calls.codec.decode(encoded), call, "decoded call")


def check_unsigned(entry: Entry) -> None:
    runtime, data = compose().runtime, from_hex(entry["extrinsic"])
    name, _, argument = entry["call"].rstrip(")").partition("(")
    call = runtime.calls.make(*name.split("."), int(argument))
    ensure_equal(make_unsigned(runtime.calls.codec.encode(call)), data, "extrinsic")
    decoded = runtime.decode_extrinsic(data)
    ensure_equal((decoded.call, decoded.signer), (call, None), "decoded extrinsic")
    ensure_equal(decoded.hash, from_hex(entry["extrinsic_hash"]), "hash")


def check_signing(entry: Entry) -> None:
    mock, data = _compose_chain(entry), from_hex(entry["extrinsic"])
    extrinsic = mock.runtime.decode_extrinsic(data)
    ensure_equal(extrinsic.hash, from_hex(entry["extrinsic_hash"]), "hash")
    ensure_equal(data[extrinsic.call_start :], from_hex(entry["call"]), "call")
    _check_signer(entry, extrinsic)
    _check_extra(entry, extrinsic)
    payload = mock.runtime.signing_payload(extrinsic)
    ensure_equal(payload, from_hex(entry["payload"]), "payload")
    ensure_equal(len(payload), entry["payload_len"], "payload length")
    job = mock.runtime.signature_job(extrinsic)
    ensure_equal(job.message, from_hex(entry["message_signed"]), "signed message")
    ensure_equal(verify(*job), expected=True, what="verdict")
    _check_signing_again(entry, extrinsic, payload)


def _compose_chain(entry: Entry) -> MockRuntime:
    """Return the runtime on a chain that has the entry's genesis and, at the era's birth, its block hash."""
    expected = [extension.identifier for extension in (*compose().runtime.extensions, METADATA_HASH)]
    listed = entry["extensions"]
    ensure_equal(listed, expected[: len(listed)], "extensions")
    mock = compose(
        spec_version=entry["spec_version"],
        transaction_version=entry["tx_version"],
        extra=(METADATA_HASH,) if METADATA_HASH.identifier in listed else (),
    )
    mock.system.block_hash.put(0, Hash(from_hex(entry["genesis_hash"])))
    era, _ = decode_era(from_hex(entry["era"]), 0)
    if era.is_immortal:
        ensure_equal(entry["block_hash"], entry["genesis_hash"], "block hash")
    else:
        birth = era.birth(1_000)
        mock.system.number.put(1_000)
        mock.system.block_hash.put(birth, Hash(from_hex(entry["block_hash"])))
    return mock


def _check_signer(entry: Entry, extrinsic: Extrinsic) -> None:
    scheme = Scheme[entry["key_type"].upper()]
    ensure_equal(extrinsic.signer, from_hex(entry["signer"]), "signer")
    ensure_equal(
        bytes([extrinsic.scheme]) + extrinsic.signature, from_hex(entry["signature_with_type"]), "signature"
    )
    ensure_equal(int(extrinsic.scheme), int(scheme), "scheme")


def _check_extra(entry: Entry, extrinsic: Extrinsic) -> None:
    era, nonce, tip = extrinsic.extra[4], extrinsic.extra[5], extrinsic.extra[7]
    ensure_equal(encode_era(era), from_hex(entry["era"]), "era")
    ensure_equal((nonce, tip), (entry["nonce"], int(entry["tip"])), "nonce and tip")


def _check_signing_again(entry: Entry, extrinsic: Extrinsic, payload: bytes) -> None:
    """Every signer is //Alice; where signing is deterministic, she makes the same extrinsic again."""
    pair = Keypair.from_uri("//Alice", Scheme(extrinsic.scheme))
    ensure_equal(pair.account_id, extrinsic.signer, "Alice")
    signature = (
        pair.sign(signed_message(payload)) if entry["signature_deterministic"] else extrinsic.signature
    )
    extra = extrinsic.data[extrinsic.extra_start : extrinsic.call_start]
    call = extrinsic.data[extrinsic.call_start :]
    sealed = seal_envelope(pair.account_id, pair.scheme, signature, extra, call)
    ensure_equal(sealed, extrinsic.data, "extrinsic signed again")


def check_same_across_metadata_versions(hashes: list[str]) -> None:
    """Sign, from nothing, the transfer that the client signed under metadata V14, V15 and V16."""
    mock = compose()
    alice, bob = (Keypair.from_uri("//Alice", Scheme.ED25519), Keypair.from_uri("//Bob", Scheme.SR25519))
    call = mock.runtime.calls.make("Balances", "transfer_keep_alive", AddressId(bob.account_id), 10**12)
    encoded, extra = mock.runtime.calls.codec.encode(call), bytes.fromhex("45020101" + "00")
    additional = (100).to_bytes(4, "little") + (1).to_bytes(4, "little") + b"\xaa" * 32 + b"\xbb" * 32
    signature = alice.sign(signed_message(encoded + extra + additional))
    data = seal_envelope(alice.account_id, alice.scheme, signature, extra, encoded)
    for text in hashes:
        ensure_equal(blake2_256(data), from_hex(text), "hash")


def check_malformed_extrinsic(entry: Entry) -> None:
    if not entry["expected_node_behaviour"].startswith("reject"):
        raise Mismatch(f"no way to check {entry['expected_node_behaviour']!r}")
    try:
        extrinsic = compose().runtime.decode_extrinsic(from_hex(entry["hex"]))
    except DecodeError:
        return
    raise Mismatch(f"decoded as {extrinsic.call}")


def _read_argument(value: Any) -> Any:
    match value:
        case {"Id": address}:
            return AddressId(_read_account(address))
        case {"Raw": data}:
            return AddressRaw(from_hex(data))
        case {"Address32": data}:
            return Address32(from_hex(data))
        case {"Address20": data}:
            return Address20(from_hex(data))
        case {"owner": owner, "amount": amount, "active": active, "note": note, "expires": expires}:
            return Offer(_read_account(owner), int(amount), active, from_hex(note), expires)
        case str() if value.startswith("0x"):
            return from_hex(value)
        case str():
            return int(value)
        case _:
            return value


def _read_account(address: str) -> AccountId:
    return decode_address(address).account_id


# --- events, errors, storage items


def check_event_records(entry: Entry) -> None:
    mock, encoded = compose(), from_hex(entry["hex"])
    records = tuple(_read_record(mock, record) for record in entry["json"])
    ensure_equal(mock.runtime.events.codec.decode(encoded), records, "decoded events")
    ensure_equal(mock.runtime.events.codec.encode(records), encoded, "encoding")


def _read_record(mock: MockRuntime, record: dict[str, Any]) -> EventRecord:
    ensure_equal(record["event"]["index"], "0x0000", "System.ExtrinsicSuccess")
    info = read_dispatch_info(record["event"]["data"][0])
    phase = ApplyExtrinsic(record["phase"]["applyExtrinsic"])
    topics = tuple(Hash(from_hex(topic)) for topic in record["topics"])
    return EventRecord(phase, mock.system.index, mock.system.ExtrinsicSuccess(info), topics)


def check_dispatch_error_of_pallets(entry: Entry) -> None:
    check_dispatch_error(entry)
    if "module" in entry:
        pallet, name = entry["module"].split(".")
        mock = compose()
        ensure_equal(pallet, mock.playground.name.lower(), "pallet")
        error = getattr(mock.playground, name)().value().field_0
        fields = entry["json"]["module"]
        ensure_equal((error.index, error.error), (fields["index"], from_hex(fields["error"])), name)


def check_storage_item(entry: Entry) -> None:
    """Compare the key with both the plain hashers and the storage item that a pallet declares."""
    check_storage_key(entry)
    items = compose().runtime.pallet(entry["pallet"]).items.values()
    (bound,) = (bound for bound in items if bound.item.name == entry["item"])
    ensure_equal([hasher.name for hasher in bound.hashers], entry["hashers"], "hashers")
    keys = tuple(_read_key(parameter) for parameter in entry["params"])
    node = keys[0] if len(keys) == 1 else keys or None
    ensure_equal(bound.item.raw_key(node), from_hex(entry["key"]), "key of the item")


def _read_key(parameter: int | str) -> int | bytes:
    if isinstance(parameter, int):
        return parameter
    return from_hex(parameter) if parameter.startswith("0x") else _read_account(parameter)
