"""The vault as a service: HTTP for officers, the way to the chain, the watch over deadlines.

Responsible for putting the parts together and for what goes on by itself. A chain that cannot be reached
keeps nobody from records: calls wait, and what is due is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple

import structlog
from aiohttp import web

from apps.chain.client import Chain
from apps.chain.errors import ClientError
from apps.clock import WallClock
from apps.vault.errors import BadInput, VaultError
from apps.vault.link import ChainLink
from apps.vault.obligations import Nearness, Obligation, list_obligations
from apps.vault.vault import Vault
from apps.vault.web import VaultService
from runtime.primitives.crypto import Keypair
from runtime.primitives.scale import DecodeError

log = structlog.get_logger("vault")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
WATCH_S: Final = 60.0
"""How often deadlines are looked at, and calls that wait are tried again."""
STOP_S: Final = 5.0
"""How long requests may go on when the service stops."""


class Settings(NamedTuple):
    """Where the service listens, and how it reaches the chain; without a signer it sends nothing."""

    host: str
    port: int
    chain: str | None = None
    signer: Keypair | None = None
    is_exposed: bool = False
    """Whether others than this machine may connect: behind a proxy that adds TLS."""


class Watch:
    """What is due, as it was last seen, and what was told of it."""

    def __init__(self) -> None:
        self._told: frozenset[tuple[str, str, Nearness]] = frozenset()

    def tell(self, found: list[Obligation]) -> None:
        """Log each obligation once when it comes near and once when it is late; never whose it is."""
        urgent = {(one.what, one.id, one.nearness) for one in found if one.nearness is not Nearness.OPEN}
        for what, number, nearness in sorted(urgent - self._told):
            tell = log.error if nearness is Nearness.LATE else log.warning
            tell("deadline", what=what, id=number, nearness=str(nearness))
        self._told = frozenset(urgent)  # what is answered is forgotten


async def serve(
    vault: Vault, settings: Settings, clock: WallClock, ready: Callable[[int], Awaitable[None]]
) -> None:
    """Serve until cancelled; `ready` is told the port. BadInput for an address that others reach without
    `is_exposed`; OSError where the port is taken."""
    if settings.host not in LOOPBACK and not settings.is_exposed:
        raise BadInput(f"{settings.host} is reached by others; put a proxy with TLS in front and say so")
    with ThreadPoolExecutor(1, "vault") as executor:
        service = _Service(vault, settings, clock, executor)
        await service.run(ready)


class _Service:
    def __init__(
        self, vault: Vault, settings: Settings, clock: WallClock, executor: ThreadPoolExecutor
    ) -> None:
        self._vault = vault
        self._settings = settings
        self._clock = clock
        self._executor = executor
        self._work = asyncio.Event()
        self._watch = Watch()
        self._chain: Chain | None = None

    async def run(self, ready: Callable[[int], Awaitable[None]]) -> None:
        web_service = VaultService(self._vault, self._executor, self._clock, self._due, self._work.set)
        runner = web.AppRunner(web_service.application(), access_log=None, shutdown_timeout=STOP_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._settings.host, self._settings.port).start()
            async with asyncio.TaskGroup() as group:
                if self._settings.chain is not None:
                    group.create_task(self._stay_connected(self._settings.chain))
                await ready(runner.addresses[0][1])
                await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    async def _due(self) -> list[Obligation]:
        if self._chain is None:
            raise web.HTTPServiceUnavailable(reason="the chain is not reached")
        try:
            return await list_obligations(self._chain)
        except (ClientError, DecodeError) as error:
            raise web.HTTPBadGateway(reason="the chain does not answer") from error

    async def _stay_connected(self, url: str) -> None:
        while True:
            try:
                async with Chain.connect(url, clock=self._clock) as chain:
                    self._chain = chain
                    log.info("chain_connected", genesis=chain.genesis.hex()[:8])
                    await self._use(chain)
            except (ClientError, DecodeError) as error:
                log.warning("chain_lost", error=type(error).__name__)
            finally:
                self._chain = None
            await self._clock.sleep(WATCH_S / 12)

    async def _use(self, chain: Chain) -> None:
        signer = self._settings.signer
        link = None if signer is None else ChainLink(self._vault, chain, signer, self._executor)
        while True:
            self._work.clear()
            self._watch.tell(await list_obligations(chain))
            if link is not None:
                try:
                    await link.deliver()
                except VaultError as error:
                    log.warning("delivery_stopped", error=type(error).__name__)
            try:
                async with asyncio.timeout(WATCH_S):
                    await self._work.wait()
            except TimeoutError:
                pass
