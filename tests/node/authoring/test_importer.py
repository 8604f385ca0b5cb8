"""Blocks and certificates from elsewhere: signatures in the workers, turns for the event loop, a pool in step
with the best branch, and certificates that are stronger than length.
"""

import asyncio
import contextlib
from contextlib import nullcontext
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from node.authoring.importer import Importer
from node.authoring.turns import SLICE_S
from node.chain.branches import BlockInfo
from node.chain.chain import Chain
from node.chain.errors import BlockAhead, ConflictingCertificate
from node.chain.events import Imported
from node.chain.execution import EXTRINSICS_PER_STEP
from node.chain.rules import AHEAD_MAX_MS
from node.consensus.effects import Effect, Finalize, Input
from node.driver.finality import FinalityDriver
from node.verifier import Verifier
from runtime.frame.executive import InvalidBlock
from runtime.primitives.certificate import Certificate, InvalidCertificate
from runtime.primitives.era import mortal_era
from tests.support.chain import BOB, CHARLIE
from tests.support.clock import ManualClock
from tests.support.node_chain import (
    body_of,
    certify,
    check_now,
    make_block,
    open_chain,
    snapshot,
    time_of,
    transfer,
)
from tests.support.node_rpc import DevNode


class BusyClock(ManualClock):
    """A clock on which every look is a slice later than the last."""

    def monotonic(self) -> float:
        self.advance(round(SLICE_S * 1000))
        return super().monotonic()


def make_importer(chain: Chain, verifier: Verifier, clock: ManualClock, *, trusts: bool = False) -> Importer:
    """An importer without a pool; `trusts` takes every signature for known."""
    return Importer(chain, verifier, clock, nullcontext, is_verified=lambda *_: trusts, known=None)


async def bring(importer: Importer, source: Chain, info: BlockInfo) -> Imported | None:
    """Import a block of another chain."""
    return await importer.import_block(info.header, body_of(source, info))


def open_source() -> Chain:
    """A chain to make blocks on, with one open: only in a block is the genesis hash known that is signed."""
    source = open_chain()
    source.open_block(())
    return source


def transfers(source: Chain, count: int, *, bad: int | None = None) -> list[bytes]:
    return [transfer(source.api, "//Alice", BOB, nonce=n, good=n != bad) for n in range(count)]


@pytest.mark.parametrize("workers", [0, 2])
async def test_block_of_unknown_transactions_is_verified_and_taken_in(workers: int) -> None:
    source, target = open_source(), open_chain()
    made = make_block(source, *transfers(source, 300))
    async with Verifier(workers) as verifier:
        importer = make_importer(target, verifier, ManualClock())
        imported = await bring(importer, source, made.info)
        assert imported is not None
        assert imported.best is not None
        assert snapshot(target) == snapshot(source)
        assert await bring(importer, source, made.info) is None


@pytest.mark.parametrize("bad", [0, 150, 299])
async def test_one_bad_signature_makes_a_block_invalid_and_leaves_no_trace(bad: int) -> None:
    source, target, right = open_source(), open_chain(), open_source()
    before = snapshot(target)
    made = make_block(source, *transfers(source, 300, bad=bad))
    async with Verifier(0) as verifier:
        importer = make_importer(target, verifier, ManualClock())
        with pytest.raises(InvalidBlock, match=f"extrinsic {bad + 1}: bad signature"):
            await bring(importer, source, made.info)
        assert snapshot(target) == before
        assert not target.is_known(made.info.hash)
        assert target.api.state.pending() == []
        assert await bring(importer, right, make_block(right, *transfers(right, 3)).info) is not None
        assert await bring(
            make_importer(open_chain(), verifier, ManualClock(), trusts=True), source, made.info
        )


async def test_signature_checked_for_the_pool_is_not_checked_again_and_nothing_is_decoded_twice() -> None:
    source = open_source()
    raw = transfer(source.api, "//Alice", BOB, nonce=0)
    made = make_block(source, raw)
    async with DevNode() as node:
        intake = node.host.intake
        extrinsic = source.api.decode_extrinsic(raw)
        job = source.api.signature_job(extrinsic)
        assert not intake.is_verified(extrinsic, job)
        assert intake.get_pooled(extrinsic.hash) is None
        await node.call("author_submitExtrinsic", "0x" + raw.hex())
        assert intake.is_verified(extrinsic, job)
        assert not intake.is_verified(extrinsic, job._replace(message=job.message + b"\0"))
        pooled = intake.get_pooled(extrinsic.hash)
        assert pooled is not None
        imported = await bring(node.host.importer, source, made.info)
        assert imported is not None
        assert imported.extrinsics[1] is pooled
        assert node.chain.head == made.info


async def test_event_loop_has_its_turns_during_an_import() -> None:
    source, target = open_source(), open_chain()
    count = 8 * EXTRINSICS_PER_STEP
    made = make_block(source, *transfers(source, count))
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while target.head.number == 0:
            turns += 1
            await asyncio.sleep(0)

    async with Verifier(0) as verifier, asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        await bring(make_importer(target, verifier, BusyClock(), trusts=True), source, made.info)
    assert turns > 2 * count // EXTRINSICS_PER_STEP


async def test_block_may_be_ahead_of_the_clock_by_the_tolerance_and_no_more() -> None:
    source, target = open_source(), open_chain()
    made = make_block(source)
    clock = ManualClock(time_of(1) - AHEAD_MAX_MS - 1)
    async with Verifier(0) as verifier:
        importer = make_importer(target, verifier, clock)
        for _ in range(2):
            with pytest.raises(BlockAhead):
                await bring(importer, source, made.info)
        clock.advance(1)
        assert await bring(importer, source, made.info) is not None


async def test_author_and_importer_take_turns_and_leave_a_block_open() -> None:
    source = open_source()
    made = make_block(source, *transfers(source, 60))
    async with DevNode() as node:
        sealed, imported = await asyncio.gather(
            node.host.author.create(create_empty=True), bring(node.host.importer, source, made.info)
        )
        assert imported is not None
        assert (sealed.best is not None, imported.best) == (True, None)
        second = make_block(source)
        imported = await bring(node.host.importer, source, second.info)
        assert imported is not None
        assert node.chain.head == second.info
        assert node.chain.open is not None
        assert node.chain.open.parent == second.info
        node.clock.advance(5_000)
        assert (await node.host.author.create(create_empty=True)).info.number == 3


# --- the pool


async def test_pooled_transaction_in_a_block_of_another_branch_leaves_the_head_alone() -> None:
    source = open_source()
    raw = transfer(source.api, "//Alice", BOB, nonce=0)
    made = make_block(source, raw, time_ms=time_of(1) + 1)
    async with DevNode() as node:
        await node.block()
        await node.call("author_submitExtrinsic", "0x" + raw.hex())
        before, changes = snapshot(node.chain), node.chain.api.state.pending()
        imported = await bring(node.host.importer, source, made.info)
        assert imported is not None
        assert imported.best is None
        assert (snapshot(node.chain), node.chain.api.state.pending()) == (before, changes)
        assert node.host.pool.status.ready == 1


async def test_imported_transaction_makes_a_pooled_one_of_its_nonce_stale_and_promotes_the_next() -> None:
    source = open_source()
    made = make_block(source, transfer(source.api, "//Alice", CHARLIE, nonce=0))
    async with DevNode() as node:
        statuses = []
        for nonce in (0, 2, 1):
            raw = transfer(node.chain.api, "//Alice", BOB, nonce=nonce)
            statuses.append(await node.call("author_submitAndWatchExtrinsic", "0x" + raw.hex()))
        other = transfer(node.chain.api, "//Bob", BOB, nonce=1)
        waiting = await node.call("author_submitAndWatchExtrinsic", "0x" + other.hex())
        assert node.results(waiting) == ["future"]
        bob = make_block(source, transfer(source.api, "//Bob", CHARLIE, nonce=0))
        assert node.host.pool.status.ready == 3
        await bring(node.host.importer, source, made.info)
        assert node.results(statuses[0])[-1] == "invalid"
        assert (node.host.pool.status.ready, node.host.pool.status.future) == (2, 1)
        await bring(node.host.importer, source, bob.info)
        assert node.results(waiting)[-1] == "ready"
        assert (node.host.pool.status.ready, node.host.pool.status.future) == (3, 0)
        node.clock.advance(5_000)
        made_here = await node.host.author.create(create_empty=False)
        assert len(made_here.extrinsics) == 4


async def test_switch_of_branches_returns_transactions_and_keeps_those_of_both_branches() -> None:
    on_a, on_b = open_source(), open_source()
    alice, bob = (transfer(on_a.api, uri, CHARLIE, nonce=0) for uri in ("//Alice", "//Bob"))
    async with DevNode() as node:
        feeds = [await node.call("author_submitAndWatchExtrinsic", "0x" + raw.hex()) for raw in (alice, bob)]
        first = make_block(on_a, alice, bob)
        await bring(node.host.importer, on_a, first.info)
        assert node.host.pool.status.ready == 0
        branch = [make_block(on_b, time_ms=time_of(1) + 1), make_block(on_b, bob), make_block(on_b)]
        for made in branch:
            await bring(node.host.importer, on_b, made.info)
        assert node.chain.head == branch[2].info
        a, b1 = ("0x" + made.info.hash.hex() for made in (first, branch[1]))
        assert node.results(feeds[0]) == ["ready", {"inBlock": a}, {"retracted": a}, "ready"]
        assert node.results(feeds[1]) == ["ready", {"inBlock": a}, {"retracted": a}, {"inBlock": b1}]
        assert node.host.pool.status.ready == 1


async def test_transaction_whose_era_began_on_the_branch_that_is_left_does_not_return() -> None:
    on_a, on_b = open_source(), open_source()
    made = [make_block(on_a)]
    on_a.open_block(())
    mortal = transfer(on_a.api, "//Alice", CHARLIE, nonce=0, era=mortal_era(64, 1))
    immortal = transfer(on_a.api, "//Bob", CHARLIE, nonce=0)
    made.append(make_block(on_a, mortal, immortal))
    async with DevNode() as node:
        for one in made:
            await bring(node.host.importer, on_a, one.info)
        for number in (1, 2, 3):
            one = make_block(on_b, time_ms=time_of(number) + 1)
            await bring(node.host.importer, on_b, one.info)
        assert node.chain.head == on_b.head
        assert await node.call("author_pendingExtrinsics") == ["0x" + immortal.hex()]
        made_here = await node.host.author.create(create_empty=False)
        body = body_of(node.chain, made_here.info)
        assert on_b.import_block(made_here.info.header, body, check_now) is not None


# --- certificates


@dataclass
class Handing:
    """An engine that starts with a certificate."""

    certificate: Certificate

    def start(self, now: int) -> list[Effect]:
        return [Finalize(self.certificate)]

    def handle(self, event: Input, now: int) -> list[Effect]:
        return []


async def test_certificate_of_another_branch_moves_the_head_and_becomes_final() -> None:
    on_a, on_b = open_source(), open_source()
    raw = transfer(on_b.api, "//Alice", BOB, nonce=0)
    async with DevNode() as node:
        heads = await node.call("chain_subscribeNewHeads")
        feed = await node.call("author_submitAndWatchExtrinsic", "0x" + raw.hex())
        best = [make_block(on_b, raw), make_block(on_b)]
        for made in best:
            await bring(node.host.importer, on_b, made.info)
        rival = make_block(on_a, time_ms=time_of(1) + 1)
        await bring(node.host.importer, on_a, rival.info)
        assert node.chain.head == best[1].info
        await node.host.importer.finalize(certify(node.chain, rival.info))
        assert node.chain.finalized == node.chain.head == rival.info
        assert snapshot(node.chain) == snapshot(on_a)
        assert int(node.results(heads)[-1]["number"], 16) == 1
        assert node.results(feed)[-1] == "ready"
        node.clock.advance(5_000)
        made_here = await node.host.author.create(create_empty=False)
        assert made_here.info.header.parent_hash == rival.info.hash
        assert len(made_here.extrinsics) == 2


async def test_certificate_against_the_final_chain_is_an_error_for_somebody_to_look_at() -> None:
    on_a = open_chain()
    rival = make_block(on_a, time_ms=time_of(1) + 1)
    async with DevNode() as node:
        final = await node.block(finalize=True)
        before = snapshot(node.chain)
        certificate = certify(node.chain, rival.info)
        with pytest.raises(ConflictingCertificate):
            await node.host.importer.finalize(certificate)
        driver = FinalityDriver(
            node.chain, Handing(certificate), None, node.clock, node.host.importer.finalize
        )
        with capture_logs() as logs, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await driver.run()
        assert [(line["log_level"], line["number"]) for line in logs] == [("error", 1)]
        with pytest.raises(InvalidCertificate):
            await node.host.importer.finalize(certify(node.chain, rival.info, index=1))
        assert snapshot(node.chain) == before
        assert await node.call("chain_getFinalizedHead") == final
