"""Nodes that lose, replace and end connections all the time: at rest all agree on who is connected."""

import asyncio
from hashlib import blake2b

import pytest

from node.network.identity import PeerId
from node.network.messages import Consensus, PeersRequest
from node.network.service import Network
from tests.node.network.running import hurry, wait_until, world

pytestmark = [pytest.mark.net, pytest.mark.slow]
NODES = 7
STEPS = 150


def list_links(networks: list[Network]) -> set[tuple[PeerId, PeerId]]:
    return {(network.peer, info.peer) for network in networks for info in network.peers()}


def is_settled(networks: list[Network]) -> bool:
    links = list_links(networks)
    return len(links) == NODES * (NODES - 1) and all((there, here) in links for here, there in links)


class Ledger:
    """Who is connected as the handlers were told."""

    def __init__(self) -> None:
        self.present: list[PeerId] = []
        self.heard = 0

    def attend(self, network: Network) -> None:
        network.on_connected(lambda info: self.present.append(info.peer))
        network.on_disconnected(self.present.remove)
        network.on_message(Consensus, self.hear)

    def hear(self, peer: PeerId, _: Consensus) -> None:
        assert peer in self.present
        self.heard += 1


@pytest.mark.parametrize("seed", range(2))
async def test_everybody_agrees_after_a_storm(seed: int) -> None:
    ledgers = [Ledger() for _ in range(NODES)]
    async with world() as made:
        timing = hurry(steady_s=0)
        networks: list[Network] = []
        for number, ledger in enumerate(ledgers):
            known = tuple(address for network in networks for address in network.addresses)
            started = await made.start(
                number + 1, timing=timing, prepare=ledger.attend, reserved=known[:2], bootnodes=known
            )
            networks.append(started)
        for step in range(STEPS):
            dice = blake2b(b"%d:%d" % (seed, step)).digest()
            one, other = networks[dice[0] % NODES], networks[dice[1] % NODES]
            match dice[2] % 4:
                case 0:
                    one.disconnect(other.peer, "storm")
                case 1 if one is not other:
                    one.add_reserved(other.addresses[0])
                case 2:
                    one.broadcast(Consensus(bytes(200_000)))
                case _:
                    one.remove_reserved(other.peer)
            await asyncio.sleep(dice[3] / 10_000)
        await wait_until(lambda: is_settled(networks))
        await asyncio.sleep(0.3)
        assert is_settled(networks)
        for network, ledger in zip(networks, ledgers, strict=True):
            assert sorted(ledger.present) == sorted(info.peer for info in network.peers())
            assert len(network._slots._links) == len(network._connections) == NODES - 1
            for info in network.peers():
                assert len((await network.request(info.peer, PeersRequest(32), 20)).addresses) == NODES - 2
                assert info.score == 0
        assert sum(ledger.heard for ledger in ledgers) > STEPS
        # Two tasks for a connection at most: its writer, and its dial where it was dialled.
        running = [len(network._tasks._running) for network in networks]
        assert max(running) <= 4 + 2 * NODES
