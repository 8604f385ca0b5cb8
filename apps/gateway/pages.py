"""The pages of a gateway for those who watch it: `/health` in JSON and `/metrics` for Prometheus.

Both are read-only and name no secret. Health answers 200 while answers go out as they should, and 503 with
its reasons otherwise.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from apps.clock import WallClock
from apps.gateway.metrics import Metrics
from apps.gateway.status import Status

REQUEST_BYTES_MAX: Final = 1024
KEEPALIVE_S: Final = 15.0
SHUTDOWN_S: Final = 1.0


@asynccontextmanager
async def serve_pages(
    status: Status, metrics: Metrics, clock: WallClock, host: str, port: int
) -> AsyncIterator[int]:
    """Serve the pages while the context is open and give the port bound; OSError when it is taken."""

    async def health(_: web.Request) -> web.Response:
        told = status.describe(clock.now_ms())
        return web.Response(
            body=orjson.dumps(told, option=orjson.OPT_INDENT_2),
            status=200 if told["healthy"] else 503,
            content_type="application/json",
        )

    async def scrape(_: web.Request) -> web.Response:
        metrics.refresh(status, clock.now_ms())
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    app = web.Application(client_max_size=REQUEST_BYTES_MAX)
    app.router.add_get("/health", health)
    app.router.add_get("/metrics", scrape)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=KEEPALIVE_S, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        yield site.port
    finally:
        await runner.cleanup()
