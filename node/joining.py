"""How a node joins the network of its chain: settings in, a network with its wire and exchange out.

Responsible for turning what the operator chose into a `Network`, and for the name of each fault. It knows no
composition.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from node.chain.chain import Chain
from node.clock import Clock
from node.config import Config, ConfigError, ExitCode, StartError
from node.consensus.pbft import Times
from node.driver.agreement import AgreementSettings
from node.driver.exchange import Exchange, describe_status
from node.driver.state_server import StateServer
from node.driver.syncing import SyncDriver
from node.driver.wire import NetworkWire
from node.host import Agreement, ChainHost
from node.network.errors import Penalty
from node.network.identity import PeerId
from node.network.messages import Status
from node.network.multiaddr import Multiaddr, MultiaddrError, parse_multiaddr
from node.network.service import Network
from node.network.settings import NetworkSettings
from node.network.slots import SlotLimits
from node.sync.downloads import SyncLimits
from node.tasks import OwnTasks
from runtime.primitives.crypto import Keypair
from runtime.primitives.types import Hash

PEERS_FILE = "peers"


class Place(NamedTuple):
    """Where a node stands in a network: its chain, what it says of itself, and where it keeps its peers."""

    genesis_hash: Hash
    status: Callable[[], Status]
    directory: Path


def make_network(
    config: Config,
    boot_nodes: Iterable[str],
    place: Place,
    keypair: Keypair,
    tasks: asyncio.TaskGroup,
    clock: Clock,
) -> Network:
    """Return the network of a chain, not running yet; ConfigError for an address that cannot be used."""
    listen = _parse(config.listen_addr) or (Multiaddr("ip4", "0.0.0.0", config.port, None),)  # noqa: S104  # peers come from anywhere
    settings = NetworkSettings(
        listen=listen,
        public_addresses=_parse(config.public_addr),
        bootnodes=_parse((*config.bootnodes, *boot_nodes)),
        reserved=_parse(config.reserved_nodes),
        slots=SlotLimits(config.out_peers, config.in_peers, reserved_only=config.reserved_only),
        allow_private=not config.no_private_ip,
        path=place.directory / PEERS_FILE,
    )
    return Network(settings, keypair, place.genesis_hash, tasks, status=place.status, clock=clock)


def place_of(chain: Chain, directory: Path, *, is_authority: bool) -> Place:
    """Return where an opened chain stands in its network."""
    status = partial(describe_status, chain, is_authority=is_authority)
    return Place(chain.genesis_hash, status, directory)


@asynccontextmanager
async def listening(network: Network) -> AsyncIterator[None]:
    """Be in the network while the context is open; StartError when no port can be bound."""
    running = network.running()
    try:
        await running.__aenter__()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise StartError(
            "the port for peers is in use; choose another with --port", ExitCode.PORT_IN_USE
        ) from error
    try:
        yield
    finally:
        await running.__aexit__(None, None, None)


def make_agreement(network: Network, block_time_ms: int) -> Agreement:
    """Return how the authorities of a chain agree over a network."""

    def on_rejected(peer: str, reason: str) -> None:
        del reason
        network.report(PeerId(peer), Penalty.BAD_MESSAGE)

    settings = AgreementSettings(block_time_ms, Times(view=2 * block_time_ms, view_max=8 * block_time_ms))
    return Agreement(NetworkWire(network), settings, on_rejected)


@asynccontextmanager
async def joined(
    config: Config, network: Network, host: ChainHost, tasks: asyncio.TaskGroup, clock: Clock
) -> AsyncIterator[Exchange]:
    """Take part in the network while the context is open; StartError when no port can be bound."""
    assert host.agreement is not None, "a chain with a network agrees"
    limits = SyncLimits(config.max_parallel_downloads, config.max_blocks_per_request)
    sync = SyncDriver(network, host.chain, host.agreement, clock, limits)
    exchange = Exchange(network, host.chain, host.agreement, host.intake, OwnTasks(tasks), sync)
    states = StateServer(network, host.chain, host.author.held, OwnTasks(tasks), clock)
    async with states.running(), listening(network), exchange.running():
        yield exchange


def _parse(texts: Iterable[str]) -> tuple[Multiaddr, ...]:
    found: list[Multiaddr] = []
    for text in texts:
        try:
            found.append(parse_multiaddr(text))
        except MultiaddrError as error:
            raise ConfigError(f"{text}: {error}") from error
    return tuple(found)
