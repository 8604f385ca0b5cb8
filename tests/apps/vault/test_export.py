"""An exported document proves what it says by itself, and any change to it is found."""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.vault.errors import BadExport
from apps.vault.export import Block, check_export, make_export
from apps.vault.keyring import KeyFile
from apps.vault.outbox import Anchor
from apps.vault.policy import Kind
from apps.vault.sealing import draw_bytes
from apps.vault.vault import Vault
from runtime.primitives.block import Digest, Header, decode_header, encode_header, hash_header
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.tree import Tree
from runtime.primitives.types import Hash
from tests.apps.chain.ledger import RUNTIME
from tests.apps.vault.making import ALICE, BOB, DPO, KNOWS, REASON, SOMCHAI, make_vault

GENESIS = Hash(bytes(range(32)))
STRANGER = Keypair.from_seed(bytes(32), Scheme.ED25519)


def anchor_of(commitment: bytes, number: int = 9) -> Anchor:
    """Return a commitment's place in the state of a block that is made up."""
    key = RUNTIME.storage_key("Compliance", "Kyc", ALICE)
    state = {key: b"\1\2" + commitment + b"TH\0", **{b"other%d" % n: b"x" for n in range(40)}}
    tree = Tree.from_items(state.items())
    header = Header(Hash(bytes(32)), number, Hash(tree.root), Hash(bytes(32)), Digest(()))
    return Anchor(commitment, "Compliance", "Kyc", key, encode_header(header), tree.prove(key, state[key]))


def export(vault: Vault, anchors: Callable[[bytes], list[Anchor]], **changes: Any) -> dict[str, Any]:
    """Return a document of Alice as a reader parses it, with changes that the vault itself signs."""
    kept = vault.export(DPO, REASON, ALICE)
    made = make_export(ALICE, kept, anchors, (GENESIS, 5), vault.sign_erasure, vault.public)
    document: dict[str, Any] = json.loads(json.dumps(made))
    return document | changes


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A document of two records, one of which is on the chain, and of an erasure."""
    with make_vault(tmp_path_factory.mktemp("made") / "vault") as vault:
        vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, {"old": 1})
        vault.erase(DPO, REASON, ALICE, 3)
        kept = vault.put(KNOWS, REASON, ALICE, Kind.IDENTITY, SOMCHAI)
        vault.put(KNOWS, REASON, ALICE, Kind.LICENCE, {"a": [1, None, {"ก": True}]})
        return export(vault, lambda one: [anchor_of(one)] if one == kept.commitment else [])


def dumped(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def signed(document: dict[str, Any], pair: Keypair = STRANGER) -> bytes:
    """Return a document that somebody with another key has signed anew: all but the signature is checked."""
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    unsigned["vaultKey"] = f"0x{pair.public.hex()}"
    text = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    signature = pair.sign(b"loam-vault-export" + text.encode())
    return json.dumps({**unsigned, "signature": f"0x{signature.hex()}"}).encode()


def test_a_document_proves_records_erasures_and_blocks(document: dict[str, Any]) -> None:
    checked = check_export(dumped(document))
    block = Block(9, hash_header(_header(document)))
    assert (checked.subject, checked.genesis) == (ALICE, GENESIS)
    assert (checked.records, checked.erasures, checked.loose) == (2, 1, 2)
    assert checked.blocks == (block,)
    assert document["records"][0]["record"] == SOMCHAI
    assert document["erasures"][0]["record"]["request"] == 3


def _header(document: dict[str, Any]) -> Header:
    return decode_header(bytes.fromhex(document["records"][0]["onChain"][0]["header"][2:]))


def test_the_spelling_of_the_json_does_not_matter(document: dict[str, Any]) -> None:
    for text in (
        json.dumps(document, indent=4, ensure_ascii=False),
        json.dumps(dict(reversed(document.items()))),
    ):
        assert check_export(text.encode()).records == 2


def test_every_value_matters_to_the_signature(document: dict[str, Any]) -> None:
    for change in changes_of(document):
        with pytest.raises(BadExport):
            check_export(dumped(change))


def changes_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return documents with one value changed, for each of its values."""
    made = []
    for path in paths_of(document):
        changed = copy.deepcopy(document)
        inner: Any = changed
        for step in path[:-1]:
            inner = inner[step]
        value = inner[path[-1]]
        if isinstance(value, str) and value.startswith("0x"):
            inner[path[-1]] = value[:-1] + ("0" if value[-1] != "0" else "1")
        else:
            inner[path[-1]] = "other" if isinstance(value, str) else 77
        made.append(changed)
    return made


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    parts = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if parts is None:
        return [path]
    return [one for name, inner in parts for one in paths_of(inner, (*path, name))]


def change_first(document: dict[str, Any], **values: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    changed["records"][0] |= values
    return changed


def change_anchor(document: dict[str, Any], **values: Any) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    changed["records"][0]["onChain"][0] |= values
    return changed


def test_a_lying_vault_is_found_out_by_the_proofs(document: dict[str, Any]) -> None:
    """Documents that are signed properly, by whoever made them up."""
    assert check_export(signed(document)).vault_key == STRANGER.public
    other = anchor_of(draw_bytes())
    lies = [
        change_first(document, record={**SOMCHAI, "name": "somebody else"}),
        change_first(document, salt="0x" + "00" * 32),
        change_first(document, commitment="0x" + "00" * 32),
        change_anchor(document, header=f"0x{other.header.hex()}"),
        change_anchor(document, header=f"0x{other.header.hex()}", proof=f"0x{other.proof.hex()}"),
        change_anchor(document, proof="0x"),
        change_anchor(document, blockNumber=10),
        change_anchor(document, blockHash="0x" + "00" * 32),
        change_anchor(document, item="Licence"),
        change_anchor(document, storageKey=f"0x{RUNTIME.storage_key('Compliance', 'Kyc', BOB).hex()}"),
    ]
    for lie in lies:
        with pytest.raises(BadExport, match=r"records\[0\]"):
            check_export(signed(lie))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b'{"format": "loam-vault-export/1"}',
        b'{"format": "loam-vault-export/1", "format": "loam-vault-export/1"}',
        b'{"format": 1.5}',
        b'{"format": NaN}',
        b"[" * 10**5,
    ],
)
def test_other_documents_are_refused(data: bytes) -> None:
    with pytest.raises(BadExport):
        check_export(data)


@pytest.mark.parametrize("name", ["subject", "genesis", "vaultKey", "signature", "records", "erasures"])
@pytest.mark.parametrize("value", [None, 1, "", "0x", "0xzz", [], {}, [1], [{}]])
def test_parts_in_another_form_are_refused(document: dict[str, Any], name: str, value: Any) -> None:
    changed = {**document, name: value}
    is_sound = (name, json.dumps(value)) in {
        ("genesis", "null"),
        ("records", "[]"),
        ("erasures", "[]"),
    }
    data = dumped(changed) if name in {"vaultKey", "signature"} else signed(changed)
    if is_sound:
        check_export(data)
    else:
        with pytest.raises(BadExport):
            check_export(data)


def test_no_depth_of_nesting_is_too_much_for_a_sentence() -> None:
    start = b'{"format":"loam-vault-export/1","vaultKey":"0x","signature":"0x","x":'
    for depth in range(900, sys.getrecursionlimit() + 20):
        with pytest.raises(BadExport):
            check_export(start + b"[" * depth + b"]" * depth + b"}")


def test_a_vault_opened_again_signs_with_the_same_key(tmp_path: Path) -> None:
    with make_vault(tmp_path / "a", KeyFile(bytes(32))) as vault:
        public = vault.public
    with Vault(tmp_path / "a", KeyFile(bytes(32)), vault._clock) as vault:
        assert vault.public == public
