"""One gateway as a whole: its sources, its pages, and a session with one node after another.

`run_gateway` is all that starts one. Nothing here belongs to the process: several gateways can run as tasks
of one, each with its own state folder, journal and metrics. Secrets come in as arguments and stay in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import aiohttp
import structlog

from apps.clock import WallClock
from apps.gateway.config import list_feeds
from apps.gateway.csv_source import CsvPoller, load_rows
from apps.gateway.http_source import HttpPoller
from apps.gateway.journal import Journal
from apps.gateway.metrics import Metrics
from apps.gateway.mqtt_source import MqttPoller, ensure_library
from apps.gateway.pacing import compute_backoff
from apps.gateway.pages import serve_pages
from apps.gateway.polling import Poller, keep_polling
from apps.gateway.readings import Readings
from apps.gateway.session import NODE_FAULTS, Desk, run_session
from apps.gateway.settings import CsvSource, HttpSource, Main, MqttSource
from apps.gateway.status import Status
from runtime.primitives.crypto import Keypair
from runtime.primitives.ss58 import encode_address

RETRY_FIRST_MS: Final = 500
RETRY_MAX_MS: Final = 10_000
STABLE_S: Final = 10.0
"""A session that lasts so long starts the waits over."""
STOP_S: Final = 5.0
"""So long a call under way is waited for when the gateway is to stop."""
SS58_PREFIX: Final = 42

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the configuration only points at: the provider's key pair, and by source what its requests
    carry."""

    signer: Keypair
    tokens: Mapping[str, str]


def check_sources(config: Main) -> None:
    """Read all tables of a configuration, and see that its libraries are there; ConfigFault."""
    for name, source in config.sources.items():
        match source:
            case CsvSource():
                load_rows(source, f"sources.{name}")
            case MqttSource():
                ensure_library(f"sources.{name}")
            case HttpSource():
                pass


async def run_gateway(
    config: Main,
    secrets: Secrets,
    clock: WallClock,
    jitter: Callable[[], float],
    stop: asyncio.Event,
    on_ready: Callable[[Status, int | None], None] = lambda _, __: None,
) -> None:
    """Measure and answer until `stop` is set; ConfigFault, JournalFault or OSError when that is impossible.

    `jitter` draws numbers from 0 to 1; `on_ready` is told the status and the port of the pages.
    """
    readings = Readings((name, tuple(source.values)) for name, source in config.sources.items())
    metrics = Metrics(config.sources, list_feeds(config))
    account = encode_address(secrets.signer.account_id, SS58_PREFIX)
    status = Status(account, clock.now_ms(), config.stall_ms, config.skew_max_ms, readings, config.fault)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(Journal(Path(config.state)))
        desk = Desk(config, secrets.signer, journal, status, metrics, clock)
        pollers = await stack.enter_async_context(_open_sources(config, secrets, clock))
        port: int | None = None
        if config.port is not None:
            pages = serve_pages(status, metrics, clock, config.host, config.port)
            port = await stack.enter_async_context(pages)
        if config.fault is not None:
            log.warning("fault_played", kind=config.fault.kind)
        on_ready(status, port)
        async with asyncio.TaskGroup() as group:
            polling = [
                group.create_task(
                    keep_polling(poller, config.sources[name], readings.sources[name], metrics, clock, jitter)
                )
                for name, poller in pollers.items()
            ]
            polling += [
                group.create_task(poller.listen(jitter))
                for poller in pollers.values()
                if isinstance(poller, MqttPoller)
            ]
            answering = group.create_task(_keep_sessions(desk, jitter))
            await stop.wait()
            desk.stopping.set()
            await asyncio.wait({answering}, timeout=STOP_S)
            for task in (*polling, answering):
                task.cancel()
    log.info("stopped")


@asynccontextmanager
async def _open_sources(config: Main, secrets: Secrets, clock: WallClock) -> AsyncIterator[dict[str, Poller]]:
    """Give a poller for each source, by name."""
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    async with session:
        pollers: dict[str, Poller] = {}
        for name, source in config.sources.items():
            match source:
                case HttpSource():
                    pollers[name] = HttpPoller(source, secrets.tokens.get(name), session, clock)
                case CsvSource():
                    rows = await asyncio.to_thread(load_rows, source, f"sources.{name}")
                    pollers[name] = CsvPoller(source, rows, clock)
                case MqttSource():
                    ensure_library(f"sources.{name}")
                    pollers[name] = MqttPoller(name, source, secrets.tokens.get(name), clock)
        yield pollers


async def _keep_sessions(desk: Desk, jitter: Callable[[], float]) -> None:
    """Answer through one node after another until the gateway stops."""
    failures = 0
    for url in cycle(desk.config.nodes):
        begun_s = desk.clock.monotonic()
        desk.metrics.node_changes.inc()
        try:
            await run_session(desk, url)
        except NODE_FAULTS as error:
            desk.status.node, desk.status.node_reason = None, f"{url}: {error}"
            log.warning("node_left", node=url, reason=str(error))
        if desk.stopping.is_set():
            return
        failures = 1 if desk.clock.monotonic() - begun_s >= STABLE_S else failures + 1
        wait_ms = compute_backoff(failures, RETRY_FIRST_MS, RETRY_MAX_MS, jitter())
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await desk.stopping.wait()
        if desk.stopping.is_set():
            return
