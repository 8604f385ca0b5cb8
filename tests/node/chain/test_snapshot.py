"""A prepared state is handed out whole and provable, whatever the chain does meanwhile."""

from pathlib import Path

import pytest

from genesis.chain_spec import load_spec
from node.chain import snapshot as module
from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.errors import UnknownBlock
from node.chain.execution import exhaust
from node.chain.opening import Genesis, holds_chain, open_store
from node.chain.snapshot import Chunk, KeyIndex, StateSnapshot, Unpreparable
from node.storage.columns import META_MARKED, ChainFacts, Column
from node.storage.filling import Filling, FirstBlock
from node.storage.kv import CorruptionError
from node.storage.leveldb import LevelDbKeyValue
from node.storage.states import StateDiscarded
from runtime.primitives.block import encode_header, hash_header
from runtime.primitives.hashing import blake3_256
from runtime.primitives.tree import LOWEST_PATH, verify_range
from runtime.primitives.types import Hash
from tests.support.chain import account
from tests.support.node_chain import make_block, open_chain, transfer
from tests.support.warping import changing_chain, copy_at, finalize, list_set_changes

ANY_SIZE = 1 << 30


def info_at(chain: Chain, number: int) -> BlockInfo:
    block_hash = chain.hash_at(number)
    assert block_hash is not None
    header = chain.header(block_hash)
    assert header is not None
    return BlockInfo(number, block_hash, header)


def prepare(chain: Chain, number: int, root: Hash | None = None) -> StateSnapshot:
    tree = exhaust(chain.tree_steps(chain.finalized.hash))
    root = info_at(chain, number).header.state_root if root is None else root
    made = StateSnapshot(chain.store.recent_state(number), tree, root)
    exhaust(made.prepare_steps())
    return made


def read_all(made: StateSnapshot, root: bytes, count: int, bytes_max: int = ANY_SIZE) -> list[Chunk]:
    """Fetch and verify a state chunk by chunk."""
    chunks: list[Chunk] = []
    start: bytes | None = LOWEST_PATH
    while start is not None:
        chunks.append(exhaust(made.chunk_steps(start, count, bytes_max)))
        start = verify_range(root, start, *chunks[-1])
    return chunks


def state_at(chain: Chain, number: int) -> dict[bytes, bytes]:
    with chain.store.state_at(number) as state:
        return dict(state.iterate())


async def busy_chain() -> Chain:
    """Return a chain of nine blocks, seven of them final, with transfers in the later ones."""
    chain = await changing_chain(3)
    for nonce in range(6):
        block = make_block(chain, transfer(chain.api, "//Bob", account(f"//{nonce}"), nonce=nonce))
        if nonce < 4:
            await finalize(chain, block.info)
    return chain


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 4, 6, 7])
@pytest.mark.parametrize("count", [1, 7, 4096])
async def test_chunks_are_the_whole_state_of_the_block(number: int, count: int) -> None:
    chain = await busy_chain()
    made = prepare(chain, number)
    root, state = info_at(chain, number).header.state_root, state_at(chain, number)
    await finalize(chain, info_at(chain, 8))
    await finalize(chain, make_block(chain).info)
    chunks = read_all(made, root, count)
    assert max(len(one.entries) for one in chunks) <= count
    assert dict(entry for one in chunks for entry in one.entries) == state
    made.close()
    made.close()
    chain.store.close()


async def test_chunk_is_cut_before_the_entry_that_is_too_much_but_never_empty() -> None:
    chain = await busy_chain()
    made, root = prepare(chain, 7), info_at(chain, 7).header.state_root
    (whole,) = read_all(made, root, 4096)
    sizes = [len(key) + len(value) for key, value in whole.entries]
    limit = 300
    assert max(sizes) > limit, "one entry is larger than a chunk may be"
    chunks = read_all(made, root, 4096, limit)
    assert [entry for one in chunks for entry in one.entries] == list(whole.entries)
    cut = [sum(len(key) + len(value) for key, value in one.entries) for one in chunks]
    assert all(size <= limit or len(one.entries) == 1 for size, one in zip(cut, chunks, strict=True))
    for size, one in zip(cut, chunks[1:], strict=False):
        key, value = one.entries[0]
        assert size + len(key) + len(value) > limit, "as many as fit"
    first_two = sum(sizes[:2])
    assert len(exhaust(made.chunk_steps(LOWEST_PATH, 4096, first_two)).entries) == 2
    assert len(exhaust(made.chunk_steps(LOWEST_PATH, 4096, first_two - 1)).entries) == 1
    made.close()
    chain.store.close()


async def test_state_with_another_root_is_not_handed_out() -> None:
    chain = await busy_chain()
    with pytest.raises(Unpreparable, match="root"):
        prepare(chain, 5, info_at(chain, 4).header.state_root)
    chain.store.close()


async def test_block_that_too_much_has_changed_since_is_not_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = await busy_chain()
    view = chain.store.recent_state(4)
    exhaust(view.load_steps(1))
    monkeypatch.setattr(module, "REPLACED_MAX", len(view.replaced))
    prepare(chain, 4).close()
    monkeypatch.setattr(module, "REPLACED_MAX", len(view.replaced) - 1)
    with pytest.raises(Unpreparable, match="changed"):
        prepare(chain, 4)
    view.close()
    chain.store.close()


def test_index_finds_every_key_by_its_path_in_any_order() -> None:
    index = KeyIndex()
    keys = [b"", b"\0", bytes(65_535), *(b"key %d" % n for n in range(9_000))]
    for key in keys:
        index.add(key)
    assert all(index.get(blake3_256(key)) == key for key in keys)
    assert all(index.get(path) for path in sorted(map(blake3_256, keys[1:])))
    with pytest.raises(KeyError):
        index.get(blake3_256(b"another"))


# --- what else opening a database has to do with it


async def test_set_changes_are_listed_once_in_a_database_of_an_older_release(tmp_path: Path) -> None:
    spec = load_spec("local")
    state = spec.genesis_state()
    genesis = Genesis(spec.genesis_header(state), lambda: state, spec.id)
    kv = LevelDbKeyValue(tmp_path, hash_header(genesis.header), create=True)
    chain = await changing_chain(20, (4, 9, 10), kv)
    changes = list_set_changes(chain)
    assert len(changes) == 3
    chain.store.close()
    kv = LevelDbKeyValue(tmp_path, None, create=False)
    kv.write([(key, None) for key in kv.keys(Column.MILESTONE, b"m")], sync=True)
    kv.write([(META_MARKED, None)], sync=True)
    kv.close()
    with open_store(tmp_path, genesis, 256) as store:
        assert (store.marked(), len(list(store.milestones(1, 21)))) == (20, 3)
    with open_store(tmp_path, genesis, 256) as store:
        assert [one.header for one in store.milestones(1, 21)] == [
            store.header(store.hash_by_number(number) or b"") for number in changes
        ]


async def test_database_holds_a_chain_once_it_is_filled_or_where_that_cannot_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "db"
    assert not holds_chain(path)
    chain = await changing_chain(2)
    facts = ChainFacts(chain.genesis_hash, "local", 256)
    with LevelDbKeyValue(path, chain.genesis_hash, create=True) as kv:
        filling = Filling(kv)
        filling.add([(b"k", b"v")])
    assert not holds_chain(path)
    with LevelDbKeyValue(path, None, create=False) as kv:
        first = FirstBlock(encode_header(info_at(chain, 0).header), ())
        Filling(kv).finish(facts, first, None, ())
    assert holds_chain(path)
    (path / "head").write_bytes(b"damaged")
    with pytest.raises(CorruptionError):
        LevelDbKeyValue(path, None, create=False)
    assert holds_chain(path)
    chain.store.close()


async def test_tree_of_a_block_before_the_first_is_refused_without_a_walk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain = await changing_chain(12, (4,))
    begun = open_chain(copy_at(chain, 9), spec=load_spec("local"))
    assert begun.tree_at(info_at(chain, 9).hash).root == info_at(chain, 9).header.state_root
    monkeypatch.setattr(begun, "tree_steps", None)
    with pytest.raises(StateDiscarded):
        begun.tree_at(chain.genesis_hash)
    for number in (4, 8):  # one of them is a milestone
        with pytest.raises(UnknownBlock):
            begun.tree_at(info_at(chain, number).hash)
    for opened in (chain, begun):
        opened.store.close()
