"""The Prometheus exporter: `GET /metrics` on a port of its own, and the gauge of the event loop's lag.

Rendering takes tens of milliseconds, so it runs in a thread, once a second at most however many ask. It must
not know what the metrics mean.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from node.telemetry.metrics import Histogram

CACHE_S = 1.0
LAG_PERIOD_S = 0.25
KEEPALIVE_S = 15.0
SHUTDOWN_S = 1.0


class Page:
    """The text of the last rendering."""

    def __init__(
        self, registry: CollectorRegistry, now: Callable[[], float], refresh: Callable[[], None]
    ) -> None:
        """Render the registry; `refresh` brings its gauges up to date first, in the event loop's thread."""
        self._registry = registry
        self._now = now
        self._refresh = refresh
        self._text = b""
        self._fresh_until = float("-inf")
        self._lock = asyncio.Lock()

    async def render(self) -> bytes:
        """Return the page, at most a second old; those who ask meanwhile wait for the same rendering."""
        async with self._lock:
            if self._now() >= self._fresh_until:
                self._refresh()
                self._text = await asyncio.to_thread(generate_latest, self._registry)
                self._fresh_until = self._now() + CACHE_S
        return self._text


@asynccontextmanager
async def serve_metrics(
    registry: CollectorRegistry,
    port: int,
    *,
    now: Callable[[], float],
    refresh: Callable[[], None],
    external: bool = False,
) -> AsyncIterator[int]:
    """Serve `/metrics` while the context is open and give the port bound; raises OSError if it is taken."""
    page = Page(registry, now, refresh)

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=await page.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application(client_max_size=1024)
    app.router.add_get("/metrics", handle)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        host = "0.0.0.0" if external else "127.0.0.1"  # noqa: S104 (the operator asked for all interfaces)
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield site.port
    finally:
        await runner.cleanup()


async def measure_loop_lag(histogram: Histogram, now: Callable[[], float]) -> None:
    """Observe for ever how much later than asked the event loop wakes this task."""
    while True:
        due = now() + LAG_PERIOD_S
        await asyncio.sleep(LAG_PERIOD_S)
        histogram.observe(max(0.0, now() - due))
