"""Blocks are fetched from whoever answers first, in the order in which peers are asked."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from genesis.chain_spec import load_spec
from node.driver.wire import FETCH_PATIENCE_S, NetworkWire
from node.network.errors import Penalty, RequestTimeoutError
from node.network.identity import PeerId
from node.network.messages import BlockData, BlockRequest, BlockResponse
from runtime.primitives.block import encode_header, hash_header
from runtime.primitives.types import Hash

SPEC = load_spec("local")
HEADER = SPEC.genesis_header(SPEC.genesis_state())
HASH = hash_header(HEADER)
GOOD = BlockData(HASH, encode_header(HEADER), (), None)
OTHER = BlockData(HASH, encode_header(msgspec.structs.replace(HEADER, number=1)), (), None)
EMPTY = BlockData(HASH, None, None, None)

Answer = BlockData | None
"""None for a peer that never answers in time."""


class Peers:
    """A network whose peers answer as a test says; `slow` ones after some seconds."""

    def __init__(self, answers: Mapping[str, Answer], slow: Mapping[str, float] | None = None) -> None:
        self.answers = answers
        self.slow = slow or {}
        self.asked: list[str] = []
        self.blamed: list[tuple[str, Penalty]] = []
        self.given_up: list[str] = []

    def peers(self) -> list[Any]:
        return [SimpleNamespace(peer=PeerId(name)) for name in self.answers]

    def report(self, peer: str, penalty: Penalty) -> None:
        self.blamed.append((peer, penalty))

    async def request(self, peer: str, body: BlockRequest, timeout_s: float) -> BlockResponse:
        self.asked.append(peer)
        try:
            await asyncio.sleep(self.slow.get(peer, 0))
        except asyncio.CancelledError:
            self.given_up.append(peer)
            raise
        answer = self.answers[peer]
        if answer is None:
            raise RequestTimeoutError("no response")
        return BlockResponse(answer)


async def fetch(peers: Peers, hint: str | None = None) -> bool:
    block = await NetworkWire(cast(Any, peers)).fetch_block(Hash(HASH), hint)
    assert block is None or hash_header(block.header) == HASH
    return block is not None


async def test_hinted_peer_is_asked_first_and_nobody_else_when_it_answers() -> None:
    peers = Peers({"a": GOOD, "b": GOOD})
    assert await fetch(peers, "b")
    assert peers.asked == ["b"]


async def test_peer_that_is_slow_holds_up_nothing() -> None:
    peers = Peers({"a": GOOD, "b": GOOD}, slow={"b": 60})
    async with asyncio.timeout(FETCH_PATIENCE_S * 10):
        assert await fetch(peers, "b")
    assert (peers.asked, peers.given_up, peers.blamed) == (["b", "a"], ["b"], [])


async def test_slow_peer_counts_when_it_is_the_only_one_that_has_it() -> None:
    peers = Peers({"a": GOOD, "b": EMPTY}, slow={"a": FETCH_PATIENCE_S * 2})
    assert await fetch(peers, "a")
    assert peers.blamed == [("b", Penalty.BAD_RESPONSE)]


@pytest.mark.parametrize("wrong", [OTHER, EMPTY, BlockData(HASH, b"\0", (), None)])
async def test_wrong_answer_costs_and_the_next_is_asked_at_once(wrong: BlockData) -> None:
    peers = Peers({"a": wrong, "b": None, "c": GOOD})
    async with asyncio.timeout(FETCH_PATIENCE_S):
        assert await fetch(peers)
    assert peers.asked == ["a", "b", "c"]
    assert peers.blamed == [("a", Penalty.BAD_RESPONSE)]


@pytest.mark.parametrize("answers", [{}, {"a": None}, {"a": None, "b": EMPTY}])
async def test_block_that_nobody_has_is_none(answers: dict[str, Answer]) -> None:
    assert not await fetch(Peers(answers))
