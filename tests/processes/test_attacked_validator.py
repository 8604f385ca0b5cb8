"""One of four validators is attacked over real sockets: by connections that say nothing or half of something,
and by a peer that floods it with transactions and votes.

Blocks keep coming, its memory stays bounded, and who floods is cut off and not let in again.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from node.consensus.messages import encode_message
from node.network.dialling import make_client
from node.network.identity import PeerId
from node.network.messages import Consensus, Message, Transactions
from runtime.primitives.statements import STEP_PREPARE, Vote
from runtime.primitives.types import Hash
from tests.node.network.running import Stranger
from tests.processes.running import RunningNode
from tests.processes.validators import Validators, final, reach, validators

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(300), pytest.mark.xdist_group("devnet")]

CONNECTIONS = 10_000
SPARE_FILES = 500
OPENED_AT_ONCE = 200
FLOOD_MESSAGES = 30_000
FLOOD_S = 30.0
STAY_S = 3.0
MEMORY_MAX_MIB = 96
"""By how much an attack may let the process grow."""
HALVES = (b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websock", b"\x16\x03\x01\x02\x00\x01")
BLOCKS_MIN = 3
"""Final blocks during an attack, at least; a busy machine makes fewer than one a second."""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Validators]:
    with validators(tmp_path_factory.mktemp("attacked")) as found:
        reach(2, *found.nodes.values())
        yield found


def measure_mib(node: RunningNode) -> float:
    status = Path(f"/proc/{node.process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def count_files(node: RunningNode) -> int:
    return len(list(Path(f"/proc/{node.process.pid}/fd").iterdir()))


def raise_file_limit() -> int:
    """Return how many connections this process may open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE_FILES
    limit = wanted if hard < 0 else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit - SPARE_FILES


async def open_all(port: int, count: int) -> None:
    """Open connections and keep this side of each open, with nothing or half of something said on it."""
    slots = asyncio.Semaphore(OPENED_AT_ONCE)
    writers: list[asyncio.StreamWriter] = []

    async def open_one(number: int) -> None:
        async with slots:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(writer)
                writer.write(HALVES[number % len(HALVES)])

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(open_one(number))
    assert len(writers) > count // 2
    await asyncio.sleep(2)
    for writer in writers:
        writer.close()


@contextlib.asynccontextmanager
async def visiting(network: Validators, number: int) -> AsyncIterator[Stranger]:
    """Be a peer of Alice that has proved its key."""
    alice = network.nodes["alice"]
    genesis = bytes.fromhex(alice.rpc("chain_getBlockHash", 0)[2:])
    peer = PeerId(alice.rpc("system_localPeerId"))
    async with make_client() as client:
        url = f"ws://127.0.0.1:{network.ports[0]}/"
        async with client.ws_connect(url, autoping=False, max_msg_size=0) as socket:
            stranger = Stranger(socket, number)
            await stranger.shake_hands(peer, genesis)
            await stranger.introduce()
            yield stranger


async def is_stopped(network: Validators, number: int, messages: Iterator[Message]) -> bool:
    """Send messages one after another; tell whether the connection was cut in the end."""
    async with visiting(network, number) as stranger:
        try:
            async with asyncio.timeout(FLOOD_S):
                for message in messages:
                    await stranger.send(message)
                return await stranger.is_cut()
        except (ConnectionError, aiohttp.ClientError):
            return True
        except TimeoutError:
            return False


async def is_let_in(network: Validators, number: int) -> bool:
    """Tell whether a peer may come, and stay for a while."""
    try:
        async with asyncio.timeout(STAY_S), visiting(network, number) as stranger:
            return not await stranger.is_cut()
    except (AssertionError, TypeError, ConnectionError, aiohttp.ClientError):
        return False
    except TimeoutError:
        return True


def make_votes() -> Iterator[Message]:
    """Votes of somebody else, whose signatures are wrong; each is another one."""
    for number in range(FLOOD_MESSAGES):
        vote = Vote(0, number, number, 0, Hash(number.to_bytes(32, "little")), STEP_PREPARE, 1, b"\1" * 64)
        yield Consensus(encode_message(vote))


def make_garbage() -> Iterator[Message]:
    for number in range(FLOOD_MESSAGES):
        yield Consensus(number.to_bytes(200, "little"))


def make_transactions() -> Iterator[Message]:
    for number in range(FLOOD_MESSAGES):
        yield Transactions((b"\x84" + number.to_bytes(200, "little"), number.to_bytes(1000, "little")))


@pytest.mark.parametrize(
    ("number", "make"),
    [(21, make_votes), (22, make_garbage), (23, make_transactions)],
    ids=["votes", "garbage", "transactions"],
)
def test_peer_that_floods_is_cut_off_and_stops_no_block(
    network: Validators, number: int, make: Callable[[], Iterator[Message]]
) -> None:
    alice, dave = network.nodes["alice"], network.nodes["dave"]
    before, grown = final(dave), measure_mib(alice)
    assert asyncio.run(is_let_in(network, number + 100)), "who does nothing is welcome"
    assert asyncio.run(is_stopped(network, number, make()))
    assert measure_mib(alice) - grown < MEMORY_MAX_MIB
    reach(max(before + BLOCKS_MIN, final(dave) + 2), *network.nodes.values())
    assert not asyncio.run(is_let_in(network, number))
    assert alice.rpc("system_health")["peers"] == 3
    assert "Traceback" not in alice.log.read_text()


# Stands last: for a minute after it newcomers find no place.
def test_ten_thousand_connections_that_say_nothing_stop_no_block(network: Validators) -> None:
    alice, dave = network.nodes["alice"], network.nodes["dave"]
    count = raise_file_limit()
    assert count >= CONNECTIONS // 10, "this process may open too few files"
    before, grown, files = final(dave), measure_mib(alice), count_files(alice)
    asyncio.run(open_all(network.ports[0], count))
    assert measure_mib(alice) - grown < MEMORY_MAX_MIB
    assert count_files(alice) - files < 500
    reach(max(before + BLOCKS_MIN, final(dave) + 2), *network.nodes.values())
    assert alice.rpc("system_health")["peers"] == 3
