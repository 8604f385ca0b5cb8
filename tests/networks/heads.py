"""What the nodes of a network announce, as it comes: heads and final blocks over a WebSocket of each node.

A node that is not there is dialled again until it is. Hashes are computed from the announced headers, so what
was told before a crash can be held against what is told after it.
"""

import asyncio
import itertools
import time
from typing import Any, Final

import aiohttp
import orjson

from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import encode_compact

REDIAL_S: Final = 0.05
HASHES_AT_ONCE: Final = 100
SUBSCRIPTIONS: Final = ("chain_subscribeNewHeads", "chain_subscribeFinalizedHeads")
GONE = (aiohttp.ClientError, OSError, TimeoutError, orjson.JSONDecodeError)
"""What comes of a node that has gone, or goes meanwhile."""


def compute_hash(header: dict[str, Any]) -> str:
    """Return the hash of a header as the RPC tells it."""
    logs = [bytes.fromhex(item[2:]) for item in header["digest"]["logs"]]
    parent, state, extrinsics = (
        bytes.fromhex(header[name][2:]) for name in ("parentHash", "stateRoot", "extrinsicsRoot")
    )
    number = encode_compact(int(header["number"], 16))
    raw = parent + number + state + extrinsics + encode_compact(len(logs)) + b"".join(logs)
    return f"0x{blake2_256(raw).hex()}"


class Heads:
    """What one node has announced so far; `run` keeps it up to date."""

    def __init__(self, name: str, port: int) -> None:
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.best = self.final = 0
        self.imported_at = 0.0
        """When a head came that was higher than any before."""
        self.announced: dict[int, str] = {}
        self.final_at: dict[int, float] = {}
        self.sealed_at: dict[int, float] = {}
        self.contradictions: list[str] = []

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Listen for ever."""
        while True:
            try:
                async with session.ws_connect(self.url, max_msg_size=0) as socket:
                    await self._listen(socket)
            except GONE:
                await asyncio.sleep(REDIAL_S)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        for number, method in enumerate(SUBSCRIPTIONS):
            await socket.send_str(orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method}).decode())
        async for message in socket:
            notice = orjson.loads(message.data)
            if notice.get("method") == "chain_newHead":
                self._note_best(notice["params"]["result"])
            elif notice.get("method") == "chain_finalizedHead":
                self._note_final(notice["params"]["result"])

    def _note_best(self, header: dict[str, Any]) -> None:
        number = int(header["number"], 16)
        if number > self.best:
            self.best, self.imported_at = number, time.perf_counter()
            self.sealed_at.setdefault(number, self.imported_at)

    def _note_final(self, header: dict[str, Any]) -> None:
        number, block_hash = int(header["number"], 16), compute_hash(header)
        if self.announced.setdefault(number, block_hash) != block_hash:
            self.contradictions.append(f"{self.name} told of two final blocks #{number}")
        self.final_at.setdefault(number, time.perf_counter())
        self.final = max(self.final, number)


def merge_earliest(times: list[dict[int, float]]) -> dict[int, float]:
    """Return for each number when the first of all had it."""
    found: dict[int, float] = {}
    for one in times:
        for number, at in one.items():
            found[number] = min(at, found.get(number, at))
    return found


def list_intervals(times: dict[int, float]) -> list[float]:
    """Return the seconds from each number to the next; numbers passed over share their gap."""
    numbers = sorted(times)
    intervals = []
    for before, after in itertools.pairwise(numbers):
        intervals += [(times[after] - times[before]) / (after - before)] * (after - before)
    return intervals


async def call(session: aiohttp.ClientSession, url: str, method: str, *params: Any) -> Any:
    """Return the result of a call; KeyError when it is an error."""
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    async with session.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
        return orjson.loads(await answer.read())["result"]


async def get_hashes(session: aiohttp.ClientSession, url: str, height: int) -> list[str]:
    """Return the hashes of a node's blocks from the genesis to a height."""
    hashes: list[str] = []
    while len(hashes) <= height:
        numbers = list(range(len(hashes), min(height + 1, len(hashes) + HASHES_AT_ONCE)))
        hashes += await call(session, url, "chain_getBlockHash", numbers)
    return hashes
