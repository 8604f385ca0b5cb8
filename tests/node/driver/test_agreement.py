"""Four validators of the local preset agree on real blocks, in one process."""

import asyncio

import pytest

from node.chain.chain import Chain
from pallets.core.session import Session
from runtime.primitives.authority_set import announced_set
from runtime.primitives.block import PreRuntime
from runtime.primitives.certificate import verify_certificate
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.types import Hash
from tests.support.chain import account, keypair
from tests.support.network import LocalNetwork
from tests.support.node_chain import sign, transfer
from tests.support.node_rpc import DevNode


def check_certificates(chain: Chain, upto: int) -> None:
    for number in range(1, upto + 1):
        block_hash = chain.hash_at(number)
        assert block_hash is not None
        found = chain.certificate(block_hash)
        assert found is not None
        with chain.runtime_at(block_hash) as api:
            current = api.authority_set()
        pairs = [(one.key, one.weight) for one in current.authorities]
        verify_certificate(found, chain.genesis_hash, current.set_id, pairs)
        assert found.number == found.instance == number


async def test_validators_make_certified_blocks_in_turn() -> None:
    async with LocalNetwork() as network:
        await network.reach(9)
        assert network.ensure_agreed() >= 9
        chain = network.seats[2].host.chain
        check_certificates(chain, 9)
        for number in range(1, 9):
            block_hash = chain.hash_at(number)
            assert block_hash is not None
            header, found = chain.header(block_hash), chain.certificate(block_hash)
            assert header is not None
            assert found is not None
            item = header.digest.logs[0]
            assert isinstance(item, PreRuntime)
            leaders = [(number + view) % 4 for view in range(found.view + 1)]  # a busy machine misses turns
            assert item.field_1[1] in leaders
        assert not any(seat.rejected for seat in network.seats)


async def test_who_leads_is_said_by_the_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """By Session, which the judge of offences asks too."""
    monkeypatch.setattr(Session, "leader", lambda *_: 2)
    async with LocalNetwork() as network:
        await network.reach(3)
        chain = network.seats[0].host.chain
        for number in range(1, 4):
            block_hash = chain.hash_at(number)
            assert block_hash is not None
            header = chain.header(block_hash)
            assert header is not None
            item = header.digest.logs[0]
            assert isinstance(item, PreRuntime)
            assert item.field_1[1] == 2
        assert not any(seat.rejected for seat in network.seats)


@pytest.mark.slow
async def test_chain_goes_on_without_one_validator_and_it_catches_up() -> None:
    async with LocalNetwork(observers=1) as network:
        alice, *rest = network.seats
        await network.reach(2)
        alice.is_cut = True
        await network.reach(alice.final + 6, *rest)
        behind = alice.final
        alice.is_cut = False
        await network.reach(max(seat.final for seat in rest) + 2)
        assert network.ensure_agreed() > behind + 6
        check_certificates(network.seat("observer0").host.chain, 6)


@pytest.mark.slow
async def test_nothing_is_final_without_a_quorum_and_goes_on_with_one() -> None:
    async with LocalNetwork() as network:
        await network.reach(2)
        for name in ("Alice", "Bob"):
            network.seat(name).is_cut = True
        await asyncio.sleep(1.0)
        stuck = max(seat.final for seat in network.seats)
        await asyncio.sleep(1.0)
        assert max(seat.final for seat in network.seats) == stuck
        for seat in network.seats:
            seat.is_cut = False
        await network.reach(stuck + 3)
        network.ensure_agreed()


@pytest.mark.slow
async def test_restarted_validator_joins_again() -> None:
    async with LocalNetwork() as network:
        await network.reach(2)
        dave = network.seat("Dave")
        await dave.stop()
        await network.reach(5, *network.seats[:3])
        await network.start(dave)
        await network.reach(dave.final + 6)
        network.ensure_agreed()


@pytest.mark.slow
async def test_transaction_is_included_and_final_everywhere() -> None:
    async with LocalNetwork() as network:
        await network.reach(1)
        bob = network.seat("Bob")
        raw = transfer(bob.host.chain.api, "//Alice", account("//Ferdie"), nonce=0)
        (outcome,) = await bob.host.intake.submit([raw])
        assert not isinstance(outcome, Exception)

        def is_final_everywhere() -> bool:
            return all(_contains(seat.host.chain, raw) for seat in network.seats)

        await network.wait(is_final_everywhere)
        network.ensure_agreed()


def _contains(chain: Chain, raw: bytes) -> bool:
    for number in range(1, chain.finalized.number + 1):
        block_hash = chain.hash_at(number)
        block = None if block_hash is None else chain.block(block_hash)
        if block is not None and raw in block.extrinsics:
            return True
    return False


@pytest.mark.slow
async def test_light_client_follows_a_change_of_the_set_by_digests_alone() -> None:
    async with LocalNetwork() as network:
        await network.reach(1)
        alice = network.seat("Alice").host
        api = alice.chain.api
        eve = Keypair.from_uri("//Eve", Scheme.ED25519).public
        added = api.runtime.calls.make("Members", "add_member", account("//Eve"), 1, eve)
        raw = sign(api, keypair("//Alice"), "Sudo.sudo", (added,), nonce=0)
        (outcome,) = await alice.intake.submit([raw])
        assert not isinstance(outcome, Exception)
        await network.wait(lambda: alice.chain.api.authority_set().set_id == 1)
        await network.reach(alice.chain.head.number + 4)
        assert network.ensure_agreed() > 4
        with alice.chain.runtime_at(alice.chain.genesis_hash) as at_genesis:
            current = at_genesis.authority_set()
        assert len(current.authorities) == 4
        for number in range(1, alice.chain.finalized.number + 1):
            block_hash = alice.chain.hash_at(number)
            assert block_hash is not None
            header, found = alice.chain.header(block_hash), alice.chain.certificate(block_hash)
            assert header is not None
            assert found is not None
            pairs = [(one.key, one.weight) for one in current.authorities]
            verify_certificate(found, alice.chain.genesis_hash, current.set_id, pairs)
            current = announced_set(header) or current
        assert (current.set_id, [one.key for one in current.authorities][-1]) == (1, eve)


async def test_block_for_a_decision_that_others_have_made_meanwhile_is_not_built() -> None:
    async with DevNode() as node:
        await node.block()
        await node.block(finalize=True)
        head = node.chain.head
        for gone in (node.chain.genesis_hash, Hash(b"\x77" * 32)):
            assert await node.host.author.build_on(gone) == head
        assert node.chain.head == head
        assert (await node.host.author.build_on(head.hash)).header.parent_hash == head.hash
