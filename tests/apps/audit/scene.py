"""A development chain of a few blocks over three days, and a node of it that may lie, for tests of the
auditor.

Bangkok's first of January 2025 begins the chain; blocks 1 to 4 are of that day, 5 and 6 of the next, 7 of the
one after, and 8, where there is one, the first of the next year.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from apps.audit.witness import Trust, Witness
from apps.chain.client import Chain as Client
from node.chain.chain import Chain
from node.cli.audit_trust import load_trust
from node.cli.entry import find_cause
from node.rpc.groups.context import header_json
from pallets.compliance.office import Purpose
from runtime.primitives.block import Digest, hash_header
from runtime.primitives.types import Hash
from tests.apps.chain.fake_node import FakeNode
from tests.support.chain import keypair
from tests.support.node_chain import (
    START_MS,
    certify,
    logs_of,
    make_block,
    open_chain,
    remade,
    sign,
    time_of,
)
from tests.support.node_rpc import DevNode

DAY_MS = 86_400_000
DAY = 20_089
"""1 January 2025 in Bangkok; the chain begins at its seventh hour."""
FILE = b"\x07" * 32
TIMES = {5: DAY_MS, 6: DAY_MS + 1_000, 7: 2 * DAY_MS}
"""When the later blocks are, after the first one."""
END_MS = 1_767_200_400_000
"""When the year 2025 ends in Bangkok."""
Lie = Callable[[str, list[Any], Any], Any]
"""Takes a method, its parameters and the true result, and returns what the node says."""


async def make_chain(*, window: int = 0, blocks: int = 7, ends: bool = False) -> Chain:
    """Return the chain, all of it final; window 0 keeps every state, `ends` adds block 8."""
    chain = open_chain(window=window)
    call = make_caller(chain)
    bodies: dict[int, list[bytes]] = {
        2: [
            call("//Alice", "Privacy.give_consent", Purpose.Research, 1, (1 << 64) - 1),
            call("//Alice", "Monitoring.open_case", FILE),
            call("//Bob", "Privacy.give_consent", Purpose.Marketing, 2, (1 << 64) - 1),
        ],
        4: [call("//Alice", "Monitoring.review_case", 0, FILE)],
        5: [call("//Bob", "Privacy.withdraw_consent", Purpose.Marketing)],
        6: [call("//Alice", "Monitoring.open_case", FILE)],
    }
    for number in range(1, blocks + 1):
        time_ms = START_MS + TIMES[number] if number in TIMES else time_of(number)
        made = make_block(chain, *bodies.get(number, []), time_ms=time_ms)
        await chain.finalize(certify(chain, made.info))
    if ends:
        await chain.finalize(certify(chain, make_block(chain, time_ms=END_MS).info))
    return chain


def make_caller(chain: Chain) -> Callable[..., bytes]:
    """Return what signs calls of development accounts, each with its next nonce."""
    nonces: dict[str, int] = {}

    def call(uri: str, name: str, *args: Any) -> bytes:
        nonces[uri] = nonces.get(uri, -1) + 1
        return sign(chain.api, keypair(uri), name, args, nonce=nonces[uri])

    return call


def honest(method: str, params: list[Any], result: Any) -> Any:
    """Tell the truth."""
    return result


class LyingNode(FakeNode):
    """Serves a chain over a socket, and changes what it says."""

    def __init__(self, node: DevNode, lie: Lie) -> None:
        super().__init__(lambda _, __: None)
        self.node = node
        self.lie = lie

    async def _reply(self, socket: web.WebSocketResponse, call: dict[str, Any]) -> None:
        self.calls.append((call["method"], call["params"]))
        answer = await self.node.send(call["method"], *call["params"])
        answer["id"] = call["id"]
        if "result" in answer:
            answer["result"] = self.lie(call["method"], call["params"], answer["result"])
        await socket.send_str(json.dumps(answer))


@asynccontextmanager
async def served(chain: Chain, lie: Lie = honest) -> AsyncIterator[LyingNode]:
    """Serve a chain."""
    async with DevNode(chain=chain) as node, LyingNode(node, lie) as server:
        yield server


@asynccontextmanager
async def watched(
    chain: Chain, lie: Lie = honest, *, trust: Trust | None = None, **how: Any
) -> AsyncIterator[Witness]:
    """Look at a chain as an auditor who has events proven, if `how` does not say otherwise; what goes wrong
    comes without the groups of the node's tasks."""
    try:
        async with served(chain, lie) as server, Client.connect(server.url) as client:
            yield Witness(client, dev_trust() if trust is None else trust, **{"proves_events": True, **how})
    except BaseExceptionGroup as group:
        raise find_cause(group) from None


def dev_trust() -> Trust:
    """What the specification of the development chain tells."""
    genesis, authorities, metadata = load_trust("dev")
    return Trust(genesis, authorities, None, metadata)


def move_in_time(chain: Chain, number: int, time_ms: int) -> Lie:
    """Return a lie that shows a header of another time, made up, until it is asked whether it is final."""
    header = chain.header(hash_at(chain, number))
    assert header is not None
    forged = remade(header, digest=Digest(logs_of(time_ms)))
    forged_hash = "0x" + hash_header(forged).hex()
    told: list[int] = []

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "chain_proveFinality" and params == [number]:
            told.append(number)
        if method == "chain_getBlockHash" and params == [number] and not told:
            return forged_hash
        if method == "chain_getHeader" and params == [forged_hash]:
            return header_json(forged)
        return result

    return lie


def hash_at(chain: Chain, number: int) -> Hash:
    found = chain.hash_at(number)
    assert found is not None
    return found


def ignore(_: int) -> None:
    """Show no progress."""
