"""Forks and finality: branches are switched without a difference to a straight import, and die for good."""

import asyncio
import contextlib
from itertools import islice

import pytest
from msgspec import structs

from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.errors import ConflictingCertificate, OffBestBranch, UnknownBlock
from node.chain.events import NewBest
from node.chain.execution import exhaust
from node.storage.memory import MemoryKeyValue
from runtime.frame.executive import InvalidBlock
from runtime.primitives.block import encode_header, hash_header
from runtime.primitives.certificate import InvalidCertificate
from runtime.primitives.hashing import blake2_256
from runtime.primitives.tree import Absent, Present, verify
from runtime.primitives.types import Hash
from tests.support.chain import ALICE, BOB, CHARLIE
from tests.support.node_chain import (
    body_of,
    certify,
    check_now,
    copy_block,
    make_block,
    open_chain,
    remade,
    snapshot,
    time_of,
    transfer,
)


def grow(chain: Chain, count: int, *, to: bytes, delay_ms: int = 0) -> list[BlockInfo]:
    """Author blocks with one transfer each; `delay_ms` makes another branch of the same transfers."""
    made: list[BlockInfo] = []
    for _ in range(count):
        number = chain.head.number + 1
        chain.open_block(())  # transactions are signed for the block they go into
        nonce = chain.api.runtime.pallet("System").get_account(ALICE).nonce  # type: ignore[attr-defined]  # System
        raw = transfer(chain.api, "//Alice", to, nonce=nonce)
        made.append(make_block(chain, raw, time_ms=time_of(number) + delay_ms).info)
    return made


class Branches:
    """Two branches from genesis, A to Bob and B to Charlie, each on a chain of its own, and a third chain
    that has none of them yet."""

    def __init__(self, a: int = 2, b: int = 3) -> None:
        self.on_a, self.on_b, self.both = open_chain(), open_chain(), open_chain()
        self.a = grow(self.on_a, a, to=BOB)
        self.b = grow(self.on_b, b, to=CHARLIE, delay_ms=1)


def test_first_seen_of_equal_branches_stays_best() -> None:
    both = Branches(2, 2)
    for info in both.a:
        copy_block(both.on_a, info, both.both)
    before = snapshot(both.both)
    for info in both.b:
        imported = copy_block(both.on_b, info, both.both)
        assert imported is not None
        assert imported.best is None
        assert snapshot(both.both) == before


def test_longer_branch_takes_over_with_the_state_of_a_straight_import() -> None:
    both = Branches()
    for info in both.a:
        copy_block(both.on_a, info, both.both)
    for info in both.b[:2]:
        copy_block(both.on_b, info, both.both)
    imported = copy_block(both.on_b, both.b[2], both.both)
    assert imported is not None
    assert imported.best is not None
    assert tuple(block.hash for block in imported.best.retracted) == tuple(
        info.hash for info in reversed(both.a)
    )
    assert [block.info for block in imported.best.enacted] == both.b
    assert snapshot(both.both) == snapshot(both.on_b)
    assert [both.both.hash_at(n) for n in (1, 2, 3, 4)] == [*(i.hash for i in both.b), None]


def test_heads_switch_there_and_back() -> None:
    both = Branches(4, 3)
    for source, info in [
        (both.on_a, both.a[0]),
        (both.on_a, both.a[1]),
        (both.on_b, both.b[0]),
        (both.on_b, both.b[1]),
        (both.on_b, both.b[2]),
        (both.on_a, both.a[2]),
        (both.on_a, both.a[3]),
    ]:
        copy_block(source, info, both.both)
    assert snapshot(both.both) == snapshot(both.on_a)
    following = make_block(both.both)
    assert copy_block(both.both, following.info, both.on_a) is not None


def test_state_of_every_branch_can_be_read_and_proved() -> None:
    both = Branches()
    for source, blocks in ((both.on_a, both.a), (both.on_b, both.b)):
        for info in blocks:
            copy_block(source, info, both.both)
    system = both.both.api.runtime.pallet("System")
    keys = [system.account.raw_key(who) for who in (BOB, CHARLIE)] + [b"absent"]  # type: ignore[attr-defined]  # System
    for info in (*both.a, *both.b):
        view, tree = both.both.view(info.hash), both.both.tree_at(info.hash)
        for key in keys:
            value = view.get(key)
            found = verify(info.header.state_root, key, tree.prove(key, value))
            assert found == (Absent() if value is None else Present(value))
        view.close()
    assert both.both.tree.root == both.both.head.header.state_root


def test_block_on_an_open_block_abandons_it() -> None:
    both = Branches()
    both.both.open_block(())
    assert copy_block(both.on_a, both.a[0], both.both) is not None
    assert both.both.open is None
    assert both.both.api.state.pending() == []


async def test_finality_drops_dead_branches_for_good() -> None:
    both = Branches(3, 2)
    chain = both.both
    for source, blocks in ((both.on_a, both.a), (both.on_b, both.b)):
        for info in blocks:
            copy_block(source, info, chain)
    final: list[int] = []
    chain.on_finalized(lambda info: final.append(info.number))
    certificate = certify(chain, both.a[1])
    chain.ensure_certified(certificate)
    await chain.finalize(certificate)
    assert final == [1, 2]
    assert chain.finalized == both.a[1]
    assert chain.certificate(both.a[1].hash) == certificate
    assert chain.certificate(both.a[0].hash) is None
    for info in both.b:
        assert not chain.is_known(info.hash)
        with pytest.raises(UnknownBlock):
            chain.import_block(info.header, body_of(both.on_b, info), check_now)
    assert snapshot(chain) == snapshot(both.on_a)
    assert chain.tree_at(both.a[0].hash).root == both.a[0].header.state_root


def both_known(a: int, b: int) -> Branches:
    """The third chain knows branch A, then branch B."""
    both = Branches(a, b)
    for source, blocks in ((both.on_a, both.a), (both.on_b, both.b)):
        for info in blocks:
            copy_block(source, info, both.both)
    return both


async def test_certified_block_of_a_worse_branch_takes_the_head_first() -> None:
    both = both_known(2, 3)
    chain = both.both
    before = snapshot(chain)
    certificate = certify(chain, both.a[0])
    chain.ensure_certified(certificate)
    with pytest.raises(OffBestBranch):
        await chain.finalize(certificate)
    assert snapshot(chain) == before
    moves: list[NewBest] = []
    chain.on_best(moves.append)
    chain.open_block(())
    exhaust(chain.switch_steps(both.a[0].hash))
    assert chain.open is None
    (move,) = moves
    assert tuple(block.hash for block in move.retracted) == tuple(info.hash for info in reversed(both.b))
    assert [block.info for block in move.enacted] == both.a[:1]
    assert move.enacted[0].extrinsics[1] == blake2_256(body_of(chain, both.a[0])[1])
    await chain.finalize(certificate)
    assert chain.finalized == chain.head == both.a[0]
    assert not any(chain.is_known(info.hash) for info in both.b)
    straight = open_chain()
    copy_block(both.on_a, both.a[0], straight)
    assert snapshot(chain) == snapshot(straight)
    exhaust(chain.switch_steps(both.a[1].hash))
    assert snapshot(chain) == snapshot(both.on_a)
    assert copy_block(chain, make_block(chain).info, both.on_a) is not None


def test_switch_that_is_given_up_or_to_a_dead_block_changes_nothing() -> None:
    both = both_known(2, 3)
    before = snapshot(both.both)
    moves: list[NewBest] = []
    both.both.on_best(moves.append)
    for steps_taken in range(3):
        steps = both.both.switch_steps(both.a[1].hash)
        for _ in islice(steps, steps_taken):
            assert snapshot(both.both) == before
        steps.close()
    exhaust(both.both.switch_steps(Hash(bytes(32))))
    exhaust(both.both.switch_steps(both.b[2].hash))
    assert snapshot(both.both) == before
    assert moves == []


async def test_longer_branch_does_not_take_the_head_while_a_rival_becomes_final() -> None:
    both = both_known(2, 2)
    chain = both.both
    third = grow(both.on_b, 1, to=CHARLIE, delay_ms=1)[0]
    async with asyncio.TaskGroup() as tasks:
        done = tasks.create_task(chain.finalize(certify(chain, both.a[1])))
        while not done.done():
            await asyncio.sleep(0)
            with contextlib.suppress(UnknownBlock):
                copy_block(both.on_b, third, chain)
            assert chain.head == both.a[1]
    assert chain.finalized == both.a[1]


async def test_valid_certificate_against_a_final_block_is_never_followed() -> None:
    both = both_known(2, 3)
    chain = both.both
    against = [certify(chain, info) for info in (both.b[0], both.b[2])]
    await asyncio.gather(chain.finalize(certify(chain, both.b[0])), chain.finalize(certify(chain, both.b[1])))
    before = snapshot(chain)
    forged = structs.replace(certify(chain, both.a[1]), votes=against[0].votes)
    for certificate, error in (
        (certify(chain, both.a[0]), ConflictingCertificate),
        (certify(chain, both.a[1]), ConflictingCertificate),
        (forged, InvalidCertificate),
        (certify(chain, BlockInfo(3, Hash(bytes(32)), both.b[2].header)), InvalidCertificate),
        (
            structs.replace(certify(chain, both.b[0]), number=0, block_hash=Hash(bytes(32))),
            InvalidCertificate,
        ),
    ):
        with pytest.raises(error):
            chain.ensure_certified(certificate)
    for certificate in against:
        chain.ensure_certified(certificate)
    with pytest.raises(UnknownBlock):  # below the finalized block, and in accord with it
        await chain.finalize(against[0])
    with pytest.raises(ConflictingCertificate):
        await chain.finalize(certify(chain, both.a[1]))
    assert snapshot(chain) == before
    assert chain.finalized == both.b[1]


async def test_finalizations_at_once_follow_one_another() -> None:
    chain = open_chain()
    blocks = grow(chain, 4, to=BOB)
    certificates = [certify(chain, blocks[1]), certify(chain, blocks[3])]
    await asyncio.gather(*(chain.finalize(certificate) for certificate in certificates))
    assert chain.finalized == blocks[3]
    assert [chain.certificate(info.hash) is not None for info in blocks] == [False, True, False, True]
    await chain.finalize(certificates[1])  # again: nothing to do
    with pytest.raises(UnknownBlock):
        await chain.finalize(certificates[0])


async def test_blocks_go_on_while_older_ones_become_final() -> None:
    chain, straight = open_chain(), open_chain()
    blocks = grow(chain, 3, to=BOB)
    task = asyncio.gather(*(chain.finalize(certify(chain, info)) for info in blocks))
    for _ in range(3):
        await asyncio.sleep(0)
        blocks += grow(chain, 1, to=CHARLIE)
        for number, info in enumerate(blocks):
            assert chain.tree_at(info.hash).root == info.header.state_root, number
    await task
    for info in blocks:
        copy_block(chain, info, straight)
    assert snapshot(chain) == snapshot(straight)


@pytest.mark.parametrize(
    "changes", [{"number": 2}, {"block_hash": Hash(bytes(32))}, {"set_id": 1}, {"votes": ()}]
)
def test_certificate_must_be_of_the_block_and_its_set(changes: dict[str, object]) -> None:
    chain = open_chain()
    (info,) = grow(chain, 1, to=BOB)
    right = certify(chain, info)
    chain.ensure_certified(right)
    with pytest.raises(InvalidCertificate):
        chain.ensure_certified(structs.replace(right, **changes))


# --- restart


async def test_replay_executes_the_unfinalized_blocks_of_all_branches() -> None:
    kv = MemoryKeyValue()
    both = Branches()
    chain = open_chain(kv)
    for source, blocks in ((both.on_a, both.a), (both.on_b, both.b)):
        for info in blocks:
            copy_block(source, info, chain)
    await chain.wait_stored(both.b[2].hash)
    again = open_chain(kv)
    assert again.head.number == 0
    assert len(list(again.replay())) == 5
    assert snapshot(again) == snapshot(both.on_b)
    assert copy_block(both.on_b, both.b[2], again) is None
    (following,) = grow(again, 1, to=BOB)
    assert following.number == 4


async def test_restart_after_finality_stands_on_the_same_state() -> None:
    kv = MemoryKeyValue()
    chain = open_chain(kv)
    blocks = grow(chain, 3, to=BOB)
    await chain.finalize(certify(chain, blocks[1]))
    await chain.wait_stored(blocks[2].hash)
    again = open_chain(kv)
    assert again.finalized == blocks[1]
    assert [info.number for info in again.replay()] == [3]
    assert snapshot(again) == snapshot(chain)


async def test_stored_block_that_fails_at_replay_is_left_out_and_may_come_again() -> None:
    kv = MemoryKeyValue()
    chain = open_chain(kv)
    blocks = grow(chain, 1, to=BOB)
    bad = remade(blocks[0].header, state_root=Hash(b"\5" * 32))
    raw_body = body_of(chain, blocks[0])
    chain.store.insert_block(hash_header(bad), encode_header(bad), raw_body).result()
    again = open_chain(kv)
    assert [info.hash for info in again.replay()] == [blocks[0].hash]
    with pytest.raises(InvalidBlock):
        again.import_block(bad, raw_body, check_now)
    assert snapshot(again) == snapshot(chain)
