"""A chain is read with the runtime of the block, upgrades are followed, and answers are not trusted."""

import asyncio
from typing import Any

import pytest

from apps.chain.client import CONTENTS_MAX, Chain
from apps.chain.connection import ConnectionSettings
from apps.chain.errors import AnswerError, ConnectionLost, UnknownName
from runtime.primitives.types import Hash
from tests.apps.chain.described import raw_metadata
from tests.apps.chain.fake_node import FakeNode, QuickClock, until
from tests.apps.chain.ledger import RUNTIME, Ledger, block_hash, connected_to
from tests.support.chain import ALICE

pytestmark = pytest.mark.net


def hash_at(number: int) -> Hash:
    return Hash(bytes.fromhex(block_hash(number)[2:]))


def with_block_hashes(count: int) -> Ledger:
    """Return a chain whose map System.BlockHash has so many entries."""
    ledger = Ledger()
    for number in range(count):
        key = RUNTIME.storage_key("System", "BlockHash", number)
        ledger.stored["0x" + key.hex()] = block_hash(number)
    return ledger


async def test_values_constants_and_nonces_are_read() -> None:
    async with connected_to(with_block_hashes(3)) as chain:
        assert chain.genesis == hash_at(0)
        assert (await chain.get("System", "Account", ALICE))["nonce"] == 0
        assert await chain.get("System", "BlockHash", 2, at=hash_at(1)) == hash_at(2)
        assert await chain.get("System", "Number") == 0
        assert await chain.next_nonce(ALICE) == 0
        assert chain.constant("System", "BlockHashCount") > 0
        assert await chain.block_hash(99) is None


@pytest.mark.parametrize("page", [1, 2, 5, 6, 1000])
async def test_maps_are_read_page_by_page(page: int) -> None:
    async with connected_to(with_block_hashes(5)) as chain:
        found = [entry async for entry in chain.entries("System", "BlockHash", page=page)]
    assert sorted(found) == [((number,), hash_at(number)) for number in range(5)]


async def test_an_empty_map_has_no_entries() -> None:
    async with connected_to(Ledger()) as chain:
        assert [entry async for entry in chain.entries("System", "BlockHash")] == []


async def test_keys_are_counted() -> None:
    async with connected_to(Ledger()) as chain:
        for keys in ((), (1, 2)):
            with pytest.raises(TypeError, match="keys"):
                await chain.get("System", "BlockHash", *keys)


async def test_an_upgrade_is_followed() -> None:
    ledger = Ledger()
    async with connected_to(ledger) as chain:
        await until(lambda: ledger.node.count("state_subscribeRuntimeVersion") == 1)
        before = chain.runtime
        ledger.upgraded_at = 1
        await ledger.node.push("versions", {"specVersion": 2, "transactionVersion": 1})
        await until(lambda: chain.runtime is not before)
        assert chain.runtime.version == (2, 1)


async def test_a_block_is_read_with_the_runtime_that_executed_it() -> None:
    ledger = Ledger()
    ledger.blocks += [["0x01"], ["0x02"], ["0x03"]]
    ledger.upgraded_at = 3
    async with connected_to(ledger) as chain:
        assert chain.runtime.version.spec_version == 2
        asked: list[Any] = []
        for number in (2, 3, 4):
            await chain.events(hash_at(number))
            content = chain._contents[hash_at(number)]
            asked.append(content.runtime.version.spec_version)
        assert asked == [1, 1, 2]
        assert (await chain.runtime_at(hash_at(3))).version.spec_version == 2


async def test_a_block_that_many_ask_for_is_read_once() -> None:
    ledger = Ledger()
    ledger.add("0x01")
    async with connected_to(ledger) as chain:
        block = await chain.finalized()
        outcomes = await asyncio.gather(*(chain.outcome(block, b"\1") for _ in range(20)))
        assert {outcome.extrinsic for outcome in outcomes if outcome is not None} == {0}
        assert await chain.outcome(block, b"\2") is None
    assert ledger.node.count("chain_getBlock") == 1


async def test_blocks_and_runtimes_are_remembered_within_limits() -> None:
    ledger = Ledger()
    ledger.blocks += [[] for _ in range(2 * CONTENTS_MAX)]
    async with connected_to(ledger) as chain:
        for number in range(len(ledger.blocks)):
            await chain.events(hash_at(number))
        assert len(chain._contents) == CONTENTS_MAX


async def test_metadata_14_is_taken_where_there_is_no_other() -> None:
    for answer in (None, "0x00"):
        ledger = Ledger()
        ledger.replies["getMetadata"] = "0x" + raw_metadata(14).hex()
        if answer is None:
            ledger.missing.add("call")
        else:
            ledger.replies["call"] = answer
        async with connected_to(ledger) as chain:
            assert chain.runtime.metadata.version == 14
            assert (await chain.get("System", "Account", ALICE))["nonce"] == 0
            with pytest.raises(UnknownName):
                await chain.ask("AccountNonceApi", "account_nonce", ALICE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("getFinalizedHead", [None, 5, "0x", "0x00", "zz", "0x" + "0g" * 32, []]),
        ("getHeader", [None, 5, [], {}, {"number": 5}, {"number": "x"}, {"number": None}]),
        ("getBlock", [None, 5, {}, {"block": None}, {"block": {"extrinsics": [5], "header": {}}}]),
        ("accountNextIndex", [None, "5", []]),
        ("getStorage", [5, "zz", {}]),
        ("queryStorageAt", [None, [], [5], [{"changes": [5]}], [{"changes": [["0x00"]]}], [{}]]),
        ("getRuntimeVersion", [None, {}, {"specVersion": -1, "transactionVersion": 1}, "x"]),
    ],
)
async def test_answers_that_break_their_promise_are_typed_errors(name: str, answers: list[Any]) -> None:
    async def use(chain: Chain) -> None:
        match name:
            case "getFinalizedHead" | "getHeader":
                await chain.finalized()
            case "getBlock":
                await chain.extrinsics(hash_at(1))
            case "accountNextIndex":
                await chain.next_nonce(ALICE)
            case "getStorage":
                await chain.get("System", "Number")
            case "queryStorageAt":
                _ = [entry async for entry in chain.entries("System", "BlockHash")]
            case _:
                await chain.get("System", "Number", at=hash_at(0))

    for answer in answers:
        ledger = with_block_hashes(1)
        async with connected_to(ledger) as chain:
            ledger.replies[name] = answer
            with pytest.raises(AnswerError):
                await use(chain)


async def test_a_node_that_is_not_there_is_told_with_its_address() -> None:
    async with FakeNode(Ledger().answer) as node:
        url = node.url
    with pytest.raises(ConnectionLost, match=url):
        async with Chain.connect(url, clock=QuickClock(), settings=ConnectionSettings(timeout_s=0.05)):
            raise AssertionError("it was there")
