"""The library against a node as a process: what wallets do, and a node that is killed in the middle."""

import asyncio
import contextlib
import re
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apps.chain.client import Chain
from apps.chain.errors import RpcFailure
from apps.chain.sender import Sender
from runtime.primitives.crypto import Keypair, Scheme
from tests.processes.running import ROOT, RunningNode
from tests.support.chain import BOB, CHARLIE, keypair

pytestmark = [pytest.mark.slow, pytest.mark.net]

DEV = ("--dev",)
UNIT = 10**12
CALLS = 40


@contextlib.asynccontextmanager
async def chain_of(base: Path) -> AsyncIterator[tuple[Chain, RunningNode]]:
    """Start a development node and connect to it."""
    node = await asyncio.to_thread(RunningNode, base, chain=DEV)
    try:
        async with Chain.connect(f"ws://127.0.0.1:{node.port}") as chain:
            yield chain, node
    finally:
        await asyncio.to_thread(node.stop)


async def test_a_development_chain_is_used_by_name(tmp_path: Path) -> None:
    async with chain_of(tmp_path / "node") as (chain, _):
        alice = Sender(chain, keypair("//Alice"))
        before = (await chain.get("System", "Account", BOB))["data"]["free"]

        transfer = chain.call("Balances", "transfer_keep_alive", dest=BOB, value=3 * UNIT)
        outcome = await alice.send(transfer)
        assert outcome.is_success
        moved = next(one for one in outcome.events if one.name == "Transfer")
        assert (moved.pallet, moved.value["to"], moved.value["amount"]) == ("Balances", BOB, 3 * UNIT)
        after = await chain.get("System", "Account", BOB, at=outcome.block.hash)
        assert after["data"]["free"] == before + 3 * UNIT
        assert outcome.events == tuple(
            one for one in await chain.events(outcome.block.hash) if one.extrinsic == outcome.extrinsic
        )

        batch = await alice.send(chain.call("Utility", "batch_all", calls=[transfer, transfer]))
        assert [one.name for one in batch.events].count("Transfer") == 2

        whole = await chain.get("System", "Account", alice.account)
        too_much = chain.call("Balances", "transfer_keep_alive", dest=BOB, value=2 * whole["data"]["free"])
        failed = await alice.send(too_much)
        assert str(failed.failure) == "Token.FundsUnavailable"
        unknown = await alice.send(chain.call("Assets", "mint", id=999, beneficiary=BOB, amount=1))
        assert str(unknown.failure) == "Assets.Unknown"

        accounts = [key async for key, _ in chain.entries("System", "Account", page=3)]
        assert {(BOB,), (alice.account,)} <= set(accounts)
        assert len(set(accounts)) == len(accounts)
        nonce = await chain.ask("AccountNonceApi", "account_nonce", alice.account)
        assert nonce == await chain.next_nonce(alice.account) == 4

        paid = await alice.send(transfer, tip=5 * UNIT)
        fee = next(one for one in paid.events if one.name == "TransactionFeePaid")
        assert fee.value["tip"] == 5 * UNIT


async def test_a_screen_lives_on_a_subscription(tmp_path: Path) -> None:
    async with chain_of(tmp_path / "node") as (chain, _):
        bob = Sender(chain, keypair("//Bob"))
        request, subscribe = chain.connection.request, chain.connection.subscribe
        assert (await bob.send(chain.call("Market", "register_participant"))).is_success
        (market,) = await request("energy_markets")
        zone, slot = market["zone"], market["lastOpen"]
        async with subscribe(
            "energy_subscribeSlot", zone, slot, unsubscribe="energy_unsubscribeSlot"
        ) as seen:
            first = await anext(seen)
            assert (first["phase"], first["orders"]) == ("Open", 0)
            order = chain.call(
                "Market", "submit_order", zone=zone, slot=slot, side="BUY", qty=500, limit=45_000, flags=0
            )
            assert (await bob.send(order)).is_success
            assert (await anext(seen))["orders"] == 1
            assert (await chain.ask("EnergyMarketApi", "slot", zone, slot))["orders"] == 1
            book = await request("energy_orderBook", zone, slot, 5)
            assert book["bids"] == [{"ticks": 45_000, "qty": "500", "orders": 1}]
        with pytest.raises(RpcFailure, match="zone 9 has no market"):
            await request("energy_slot", 9, slot)


async def test_the_example_of_the_guide_runs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {
        "Chain": Chain,
        "Sender": Sender,
        "Keypair": Keypair,
        "Scheme": Scheme,
        "BOB": BOB,
    }
    async with chain_of(tmp_path / "node") as (chain, node):
        here = example.replace("9944", str(node.port))
        exec("async def run():\n" + textwrap.indent(here, "    "), names)
        before = await chain.get("System", "Account", BOB)
        await names["run"]()
        after = await chain.get("System", "Account", BOB)
        assert after["data"]["free"] == before["data"]["free"] + UNIT


async def test_an_ed25519_key_signs_too(tmp_path: Path) -> None:
    async with chain_of(tmp_path / "node") as (chain, _):
        pair = Keypair.from_uri("//Dana", Scheme.ED25519)
        alice = Sender(chain, keypair("//Alice"))
        await alice.send(chain.call("Balances", "transfer_keep_alive", dest=pair.account_id, value=10 * UNIT))
        remark = chain.call("System", "remark_with_event", remark="0x01")
        assert (await Sender(chain, pair).send(remark)).is_success


async def test_a_node_that_is_killed_loses_no_call_and_doubles_none(tmp_path: Path) -> None:
    async with chain_of(tmp_path / "node") as (chain, first):
        alice = Sender(chain, keypair("//Alice"))
        before = (await chain.get("System", "Account", CHARLIE))["data"]["free"]
        transfer = chain.call("Balances", "transfer_keep_alive", dest=CHARLIE, value=UNIT)
        outcomes = [await alice.send(transfer)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(alice.send(transfer)) for _ in range(CALLS)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            tasks += [group.create_task(alice.send(transfer)) for _ in range(CALLS)]
            await asyncio.sleep(0.3)
            await asyncio.to_thread(first.kill)
            second = await asyncio.to_thread(RunningNode, tmp_path / "node", chain=DEV, port=first.port)
        try:
            outcomes += [task.result() for task in tasks]
            places = {(outcome.block.hash, outcome.extrinsic) for outcome in outcomes}
            assert len(places) == 2 * CALLS + 1
            assert all(outcome.is_success for outcome in outcomes)
            account = await chain.get("System", "Account", CHARLIE)
            assert account["data"]["free"] == before + (2 * CALLS + 1) * UNIT
            sender = await chain.get("System", "Account", alice.account)
            assert sender["nonce"] == 2 * CALLS + 1
        finally:
            await asyncio.to_thread(second.stop)
