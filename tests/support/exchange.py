"""A small exchange on this machine, whose price a test sets: the source that gateways of tests ask."""

from __future__ import annotations

from typing import Self

from aiohttp import web


class Exchange:
    """Answers `{"price": …}` everywhere; an async context that listens on loopback."""

    def __init__(self, price: str = "4.75") -> None:
        self.price = price
        self.asked = 0
        app = web.Application()
        app.router.add_get("/", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.json_response({"price": self.price})
