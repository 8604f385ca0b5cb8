"""Sections of `wire.json` about hashes, keys, addresses, signatures, eras and storage keys."""

from collections.abc import Callable, Mapping
from typing import Any

from runtime.primitives import hashing
from runtime.primitives.crypto import Keypair, Scheme, verify
from runtime.primitives.era import EraError, decode_era, encode_era, mortal_era
from runtime.primitives.keys import DEV_PHRASE, seed_from_phrase
from runtime.primitives.scale import codec, u32
from runtime.primitives.ss58 import Ss58Error, decode_address, encode_address
from tests.vectors.case import Entry, ensure_equal, from_hex

HASHERS: Mapping[str, hashing.Hasher] = {
    "Blake2_128": hashing.blake2_128,
    "Blake2_256": hashing.blake2_256,
    "Blake2_128Concat": hashing.blake2_128_concat,
    "Twox128": hashing.twox128,
    "Twox256": hashing.twox256,
    "Twox64Concat": hashing.twox64_concat,
    "Identity": hashing.identity,
}


def check_hash(entry: Entry) -> None:
    data = from_hex(entry["input"])
    for bits in (64, 128, 256, 512):
        digest = getattr(hashing, f"blake2_{bits}")(data)
        ensure_equal(digest, from_hex(entry[f"blake2b_{bits}"]), f"blake2_{bits}")
    for bits in (64, 128, 256):
        ensure_equal(getattr(hashing, f"twox{bits}")(data), from_hex(entry[f"twox_{bits}"]), f"twox{bits}")


def check_runtime_api_id(entry: Entry) -> None:
    ensure_equal(hashing.blake2_64(entry["name"].encode()), from_hex(entry["id"]))


def check_dev_mnemonic(phrase: str) -> None:
    ensure_equal(DEV_PHRASE, phrase)


def check_dev_root_seed(seed: str) -> None:
    ensure_equal(seed_from_phrase(DEV_PHRASE, ""), from_hex(seed))


def check_dev_account(entry: Entry) -> None:
    uri = DEV_PHRASE if entry["uri"] == "<mnemonic>" else entry["uri"]
    pair = Keypair.from_uri(uri, Scheme[entry["type"].upper()])
    ensure_equal(pair.public, from_hex(entry["public"]), "public key")
    ensure_equal(pair.account_id, from_hex(entry["account_id"]), "account id")
    ensure_equal(encode_address(pair.account_id, 42), entry["ss58_42"], "address")
    message = b"a message"
    ensure_equal(verify(pair.scheme, pair.account_id, pair.sign(message), message), expected=True)


def check_ss58(entry: Entry) -> None:
    account_id = from_hex(entry["public"])
    ensure_equal(encode_address(account_id, entry["prefix"]), entry["address"], "address")
    ensure_equal(tuple(decode_address(entry["address"])), (entry["prefix"], account_id), "decoded address")


def check_ss58_invalid(entry: Entry) -> None:
    ensure_equal(_is_accepted(decode_address, Ss58Error, entry["address"]), entry["accepted"], "accepted")


def check_signature(entry: Entry) -> None:
    scheme = Scheme[entry["type"].upper()]
    public, signature, message = (from_hex(entry[key]) for key in ("public", "signature", "message"))
    ensure_equal(verify(scheme, public, signature, message), entry["valid"], "verdict")


def check_era(entry: Entry) -> None:
    era = mortal_era(entry["period_requested"], entry["current"])
    encoded = from_hex(entry["hex"])
    ensure_equal(encode_era(era), encoded, "encoding")
    ensure_equal(tuple(era), (entry["period"], entry["phase"]), "period and phase")
    ensure_equal(decode_era(encoded, 0), (era, len(encoded)), "decoded era")
    ensure_equal(era.birth(entry["current"]), entry["birth"], "birth")
    ensure_equal(era.death(entry["current"]), entry["death"], "death")


def check_era_immortal(encoded: str) -> None:
    era, end = decode_era(from_hex(encoded), 0)
    ensure_equal((era.is_immortal, end), (True, 1))
    ensure_equal(encode_era(era), from_hex(encoded), "encoding")


def check_era_decode(entry: Entry) -> None:
    data = from_hex(entry["hex"])
    accepted = _is_accepted(lambda era: decode_era(era, 0), EraError, data)
    ensure_equal(accepted, entry["ok"], "accepted")
    if accepted:
        era, end = decode_era(data, 0)
        ensure_equal(end, len(data), "length")
        ensure_equal(era.is_immortal, entry["immortal"], "immortal")
        if not era.is_immortal:
            ensure_equal(tuple(era), (entry["period"], entry["phase"]), "period and phase")


def check_storage_key(entry: Entry) -> None:
    key = _get_storage_prefix(entry)
    for hasher, parameter in zip(entry["hashers"], entry["params"], strict=True):
        key += HASHERS[hasher](_encode_parameter(parameter))
    ensure_equal(key, from_hex(entry["key"]), "key")


def check_storage_prefix(entry: Entry) -> None:
    ensure_equal(_get_storage_prefix(entry), from_hex(entry["prefix"]), "prefix")


def check_well_known_keys(keys: dict[str, str]) -> None:
    for text, key in keys.items():
        ensure_equal(text.encode(), from_hex(key), text)


def _get_storage_prefix(entry: Entry) -> bytes:
    return hashing.twox128(entry["pallet"].encode()) + hashing.twox128(entry["item"].encode())


def _encode_parameter(parameter: int | str) -> bytes:
    """The file's map keys are u32 numbers, accounts as addresses, 32-byte hashes and byte strings."""
    if isinstance(parameter, int):
        return codec(u32).encode(parameter)
    if not parameter.startswith("0x"):
        return decode_address(parameter).account_id
    data = from_hex(parameter)
    return data if len(data) == 32 else codec(bytes).encode(data)


def _is_accepted(decode: Callable[[Any], object], refusal: type[Exception], data: Any) -> bool:
    try:
        decode(data)
    except refusal:
        return False
    return True
