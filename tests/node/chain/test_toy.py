"""The chain runs a runtime of foreign pallets: it knows none by name."""

import pytest

from node.chain.chain import Chain
from node.storage.blocks import BlockStore
from node.storage.columns import ChainFacts
from node.storage.memory import MemoryKeyValue
from runtime.frame.executive import InvalidBlock
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.block import (
    Digest,
    Header,
    compute_extrinsics_root,
    encode_header,
    hash_header,
)
from runtime.primitives.extrinsic import make_unsigned
from runtime.primitives.tree import Tree
from runtime.primitives.types import ZERO_HASH
from tests.support.node_chain import copy_block, snapshot
from tests.support.toy import compose


def open_toy() -> Chain:
    backend = MemoryBackend()
    state = State(backend)
    api = compose(state)
    api.runtime.pallet("Ledger").code.put(1)  # type: ignore[attr-defined]  # Ledger
    backend.apply(state.drain())
    root = Tree.from_items(backend.entries.items()).root
    header = Header(ZERO_HASH, 0, root, compute_extrinsics_root(()), Digest(()))
    facts = ChainFacts(hash_header(header), "toy", 16)
    entries = sorted(backend.entries.items())
    store = BlockStore.create(MemoryKeyValue(), encode_header(header), (), entries, facts)
    return Chain(store, {1: compose}, lambda code: int.from_bytes(code, "little"))


def count(chain: Chain, step: int) -> bytes:
    return make_unsigned(chain.api.runtime.calls.make("Counter", "count", step).encoded())


def total(chain: Chain) -> int:
    found: int = chain.api.runtime.pallet("Counter").total.get()  # type: ignore[attr-defined]  # Counter
    return found


def test_foreign_runtime_is_authored_imported_and_refused_by_its_own_rules() -> None:
    author, importer = open_toy(), open_toy()
    for steps in ((1, 2), (), (101, 5)):
        block = author.open_block(())
        for step in steps:
            block.push(author.api.decode_extrinsic(count(author, step)))
        made = author.seal()
        assert copy_block(author, made.info, importer) is not None
    assert total(importer) == 8  # the step beyond its limit was rolled back
    before = snapshot(importer)
    body = (count(importer, 4),)
    root = compute_extrinsics_root(body)
    unlucky = Header(importer.head.hash, 4, importer.head.header.state_root, root, Digest(()))
    with pytest.raises(InvalidBlock, match="unlucky"):
        importer.import_block(unlucky, body, lambda *_: True)
    assert snapshot(importer) == before
