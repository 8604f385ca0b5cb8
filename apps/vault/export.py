"""What a data subject is given: records with salts, commitments, and proofs that those stand on the chain.

Pure. Responsible for the document and for checking one without a vault, a node or a network. A document is
signed by the vault's ed25519 key over its canonical text without the signature, after `loam-vault-export`.

What a check shows: the record and the salt give the commitment; the commitment is in the value that the
state of a block has at a key; the header with that state's root hashes to the block's hash. That the block
is the chain's and that the key is the vault's must be asked of a node that the reader trusts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from apps.vault.errors import BadExport
from apps.vault.keyring import Erasure
from apps.vault.outbox import Anchor
from apps.vault.records import Opened
from pallets.compliance.commitment import encode_canonical, verify_commitment
from runtime.primitives.block import decode_header, hash_header
from runtime.primitives.crypto import Scheme, verify
from runtime.primitives.hashing import twox128
from runtime.primitives.scale import DecodeError
from runtime.primitives.strict_json import load_exactly
from runtime.primitives.tree_proof import InvalidProof, Present
from runtime.primitives.tree_proof import verify as verify_proof
from runtime.primitives.types import AccountId, Hash

FORMAT: Final = "loam-vault-export/1"
DOMAIN: Final = b"loam-vault-export"
DOCUMENT_BYTES_MAX: Final = 64 * 1024 * 1024
Anchors: TypeAlias = Callable[[bytes], list[Anchor]]
Json: TypeAlias = Any


class Block(NamedTuple):
    """A block in which a commitment stands: ask a node for its hash."""

    number: int
    hash: Hash


class Checked(NamedTuple):
    """What a document proves; `loose` counts the records whose commitment it does not show on the chain."""

    subject: AccountId
    vault_key: bytes
    genesis: Hash | None
    records: int
    erasures: int
    loose: int
    blocks: tuple[Block, ...]


def make_export(
    subject: AccountId,
    kept: tuple[Sequence[Opened], Sequence[Erasure]],
    anchors_of: Anchors,
    about: tuple[Hash | None, int],
    sign: Callable[[bytes], bytes],
    vault_key: bytes,
) -> dict[str, Json]:
    """Return the document of a subject's records and erasures; `about` is the chain's genesis, if any, and
    the time in milliseconds."""
    records, erasures = kept
    genesis, now_ms = about
    document: dict[str, Json] = {
        "format": FORMAT,
        "subject": _hex(subject),
        "exportedMs": now_ms,
        "genesis": None if genesis is None else _hex(genesis),
        "vaultKey": _hex(vault_key),
        "records": [
            {
                "kind": str(one.place.kind),
                "version": one.place.version,
                "createdMs": one.created_ms,
                **_committed(one.record, one.salt, one.commitment, anchors_of),
            }
            for one in records
        ],
        "erasures": [_committed(one.record, one.salt, one.tombstone, anchors_of) for one in erasures],
    }
    return {**document, "signature": _hex(sign(_signed_text(document)))}


def check_export(data: bytes) -> Checked:
    """Return what a document proves, by itself alone; BadExport at the first part that is wrong."""
    document = _parse(data)
    try:
        return _check(document)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadExport("the document is not in its form") from error


def _check(document: dict[str, Json]) -> Checked:
    if document["format"] != FORMAT:
        raise BadExport(f"the format is not {FORMAT}")
    key, signature = _bytes(document["vaultKey"]), _bytes(document["signature"])
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    if not verify(Scheme.ED25519, key, signature, _signed_text(unsigned)):
        raise BadExport("the signature is not the vault's")
    subject, genesis = _hash(document["subject"]), document["genesis"]
    blocks: dict[Block, None] = {}
    loose = 0
    for name in ("records", "erasures"):
        for number, one in enumerate(_list(document[name])):
            found = _check_committed(one, f"{name}[{number}]")
            loose += not found
            blocks.update(dict.fromkeys(found))
    return Checked(
        AccountId(subject),
        key,
        None if genesis is None else _hash(genesis),
        len(document["records"]),
        len(document["erasures"]),
        loose,
        tuple(sorted(blocks)),
    )


def _check_committed(one: Json, where: str) -> list[Block]:
    commitment = _hash(one["commitment"])
    if not verify_commitment(commitment, _bytes(one["salt"]), encode_canonical(one["record"])):
        raise BadExport(f"{where}: record and salt do not give the commitment")
    return [_check_anchor(anchor, commitment, where) for anchor in _list(one["onChain"])]


def _check_anchor(anchor: Json, commitment: bytes, where: str) -> Block:
    key = _bytes(anchor["storageKey"])
    if not key.startswith(twox128(anchor["pallet"].encode()) + twox128(anchor["item"].encode())):
        raise BadExport(f"{where}: the storage key is of another item")
    try:
        header = decode_header(_bytes(anchor["header"]))
        found = verify_proof(header.state_root, key, _bytes(anchor["proof"]))
    except (DecodeError, InvalidProof) as error:
        raise BadExport(f"{where}: the proof does not hold") from error
    block = Block(header.number, hash_header(header))
    if block != Block(anchor["blockNumber"], _hash(anchor["blockHash"])):
        raise BadExport(f"{where}: the header is of another block")
    if not isinstance(found, Present) or commitment not in found.value:
        raise BadExport(f"{where}: the chain stores another commitment")
    return block


def _committed(record: bytes, salt: bytes, commitment: bytes, anchors_of: Anchors) -> dict[str, Json]:
    return {
        "record": json.loads(record),
        "salt": _hex(salt),
        "commitment": _hex(commitment),
        "onChain": [_describe(anchor) for anchor in anchors_of(commitment)],
    }


def _describe(anchor: Anchor) -> dict[str, Json]:
    header = decode_header(anchor.header)
    return {
        "pallet": anchor.pallet,
        "item": anchor.item,
        "storageKey": _hex(anchor.storage_key),
        "blockNumber": header.number,
        "blockHash": _hex(hash_header(header)),
        "header": _hex(anchor.header),
        "proof": _hex(anchor.proof),
    }


def _signed_text(document: dict[str, Json]) -> bytes:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return DOMAIN + text.encode()


def _parse(data: bytes) -> dict[str, Json]:
    if len(data) > DOCUMENT_BYTES_MAX:
        raise BadExport(f"a document has at most {DOCUMENT_BYTES_MAX} bytes")
    try:
        found = load_exactly(data.decode())
    except (ValueError, RecursionError) as error:
        raise BadExport("the document is no JSON of objects, texts and integers") from error
    if not isinstance(found, dict):
        raise BadExport("the document is no object")
    return found


def _hex(data: bytes) -> str:
    return f"0x{data.hex()}"


def _hash(text: str) -> Hash:
    data = _bytes(text)
    if len(data) != 32:
        raise ValueError("a hash has 32 bytes")
    return Hash(data)


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError("is no list")
    return value


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError("bytes are hex digits after 0x")
    return bytes.fromhex(text[2:])
