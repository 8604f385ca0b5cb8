"""Trees of blocks of the past are right in whatever order they are asked for, and near ones cost little."""

from collections.abc import Callable
from random import Random  # noqa: TID251  # a seeded generator of the test

import pytest

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.old_trees import KEPT_BLOCKS, OldTrees
from node.storage.blocks import BlockStore
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE
from tests.support.node_chain import certify, make_block, open_chain, time_of, transfer

BLOCKS = 12


async def make_chain(window: int = 0) -> tuple[Chain, list[BlockInfo]]:
    """Return a chain of final blocks that all change something, those of genesis included."""
    chain = open_chain(window=window)
    made = [chain.head]
    for number in range(1, BLOCKS + 1):
        await grow(chain, made, BOB if number % 3 else CHARLIE)
    return chain, made


async def grow(chain: Chain, made: list[BlockInfo], to: AccountId) -> None:
    chain.open_block(())
    nonce = chain.api.runtime.pallet("System").get_account(ALICE).nonce  # type: ignore[attr-defined]  # System
    raw = transfer(chain.api, "//Alice", to, nonce=nonce)
    imported = make_block(chain, raw, time_ms=time_of(chain.head.number + 1))
    made.append(imported.info)
    await chain.finalize(certify(chain, imported.info))


class CountingStore:
    """A store that counts the blocks whose changes were read."""

    def __init__(self, store: BlockStore) -> None:
        self.inner = store
        self.walked = 0
        self.hash_by_number: Callable[[int], bytes | None] = store.hash_by_number
        self.oldest_state = store.oldest_state
        self.state_at = store.state_at

    def undo(self, number: int) -> list[tuple[bytes, bytes | None]]:
        self.walked += 1
        return [(change[0], change[1]) for change in self.inner.undo(number)]


async def test_any_order_of_questions_gives_the_roots_of_the_headers() -> None:
    chain, made = await make_chain()
    rng = Random(7)
    for number in [
        *range(BLOCKS + 1),
        *reversed(range(BLOCKS + 1)),
        *(rng.randrange(BLOCKS) for _ in range(40)),
    ]:
        assert chain.tree_at(made[number].hash).root == made[number].header.state_root, number
    await grow(chain, made, BOB)
    assert chain.tree_at(made[3].hash).root == made[3].header.state_root
    assert chain.tree_at(made[4].hash).root == made[4].header.state_root
    assert chain.tree.root == chain.head.header.state_root


async def test_proofs_of_one_block_after_the_other_walk_over_each_block_once() -> None:
    chain, made = await make_chain()
    counting = CountingStore(chain.store)
    trees = OldTrees(counting)  # type: ignore[arg-type]  # it reads no more than that
    for number in range(1, BLOCKS):
        tree = trees.tree_at(number, BLOCKS, chain.tree.fork())
        assert tree.root == made[number].header.state_root
    assert counting.walked == (BLOCKS - 1) + (BLOCKS - 2)


async def test_a_tree_that_is_lent_may_be_changed() -> None:
    chain, made = await make_chain()
    chain.tree_at(made[5].hash).update([(b"other", b"value")])
    assert chain.tree_at(made[5].hash).root == made[5].header.state_root
    assert chain.tree_at(made[6].hash).root == made[6].header.state_root


async def test_a_chain_that_was_taken_back_has_trees_of_its_own() -> None:
    chain, made = await make_chain()
    chain.tree_at(made[8].hash)
    await chain.revert(made[6].hash)
    other = made[:7]
    for _ in range(5):
        await grow(chain, other, CHARLIE)
    assert other[8].hash != made[8].hash
    for number in (8, 9, 3):
        assert chain.tree_at(other[number].hash).root == other[number].header.state_root


async def test_nothing_is_walked_from_a_state_that_is_not_kept_any_more() -> None:
    chain, made = await make_chain(window=6)
    assert chain.tree_at(made[7].hash).root == made[7].header.state_root
    for _ in range(4):
        await grow(chain, made, BOB)
    assert chain.store.oldest_state() > 7
    assert chain.tree_at(made[11].hash).root == made[11].header.state_root


async def test_a_tree_of_a_block_that_is_no_more_is_not_walked_from() -> None:
    chain, made = await make_chain()
    counting = CountingStore(chain.store)
    trees = OldTrees(counting)  # type: ignore[arg-type]  # as above
    trees.tree_at(3, BLOCKS, chain.tree.fork())
    counting.walked = 0
    counting.hash_by_number = lambda _: bytes(32)
    assert trees.tree_at(4, BLOCKS, chain.tree.fork()).root == made[4].header.state_root
    assert counting.walked == BLOCKS - 4


@pytest.mark.parametrize(("passed", "walked"), [(KEPT_BLOCKS, 1), (KEPT_BLOCKS + 1, BLOCKS - 4)])
async def test_a_tree_is_dropped_when_nobody_asked_for_long(passed: int, walked: int) -> None:
    chain, _ = await make_chain()
    counting = CountingStore(chain.store)
    trees = OldTrees(counting)  # type: ignore[arg-type]  # as above
    trees.tree_at(3, BLOCKS, chain.tree.fork())
    counting.walked = 0
    trees.on_finalized(BLOCKS + passed)
    trees.tree_at(4, BLOCKS, chain.tree.fork())
    assert counting.walked == walked
