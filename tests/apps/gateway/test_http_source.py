"""An HTTP source that misbehaves in any way costs one fault of the right kind, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.http_source import RETRY_AFTER_MAX_MS, HttpPoller, fetch, make_headers, parse_retry_after
from apps.gateway.readings import Reading
from apps.gateway.settings import ApiKey, Bearer, HttpSource, JsonValue, Secret
from tests.support.gateway import KEY, NOW_MS, HandClock

pytestmark = pytest.mark.net

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BYTES_MAX = 1_000


def document(text: str | bytes = '{"price": 4.75}', **changes: Any) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        body = text if isinstance(text, bytes) else text.encode()
        return web.Response(**({"body": body, "content_type": "application/json"} | changes))

    return handle


async def drip(request: web.Request) -> web.StreamResponse:
    """Send a byte now and then, for ever."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def flood(request: web.Request) -> web.StreamResponse:
    """Send without an end, and without saying how much."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" " * 4096)


async def silence(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    """Promise more bytes than come."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"price": 4.75}')
    assert request.transport is not None
    request.transport.close()
    return response


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Give the address of a server that answers everything with one handler."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.01, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/price"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def polled(handler: Handler, secret: str | None = None, **changes: Any) -> AsyncIterator[HttpPoller]:
    async with (
        serving(handler) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False) as session,
    ):
        settings: dict[str, Any] = {"bytes_max": BYTES_MAX, "timeout_ms": 5_000}
        settings["values"] = {KEY: JsonValue("/price")}
        yield HttpPoller(HttpSource(url, **(settings | changes)), secret, session, HandClock())


async def fault_of(handler: Handler, **changes: Any) -> SourceFault:
    async with polled(handler, **changes) as poller:
        with pytest.raises(SourceFault) as caught:
            await poller.poll()
    return caught.value


async def test_a_good_answer_is_a_reading() -> None:
    async with polled(document()) as poller:
        assert (await poller.poll()).found == {KEY: Reading(Decimal("4.75"), NOW_MS)}


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (document(status=500), FaultKind.STATUS),
        (document(status=404), FaultKind.STATUS),
        (document(status=204), FaultKind.STATUS),
        (document(status=503), FaultKind.STATUS),
        (document(status=429), FaultKind.RATE_LIMITED),
        (document(status=302, headers={"Location": "/other"}), FaultKind.REDIRECT),
        (document(status=308, headers={"Location": "http://10.0.0.1/"}), FaultKind.REDIRECT),
        (document(content_type="text/html"), FaultKind.CONTENT_TYPE),
        (document(b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"}), FaultKind.CONTENT_TYPE),
        (document(b" " * (BYTES_MAX + 1)), FaultKind.TOO_LARGE),
        (flood, FaultKind.TOO_LARGE),
        (document("<html>"), FaultKind.MALFORMED),
        (document(b""), FaultKind.MALFORMED),
        (document('{"price": NaN}'), FaultKind.MALFORMED),
        (hang_up, FaultKind.UNREACHABLE),
        (break_off, FaultKind.UNREACHABLE),
    ],
    ids=lambda one: one.value if isinstance(one, FaultKind) else getattr(one, "__name__", ""),
)
async def test_a_bad_answer_has_its_kind(handler: Handler, kind: FaultKind) -> None:
    assert (await fault_of(handler)).kind is kind


@pytest.mark.parametrize("handler", [drip, silence])
async def test_an_answer_that_does_not_end_in_time_is_given_up(handler: Handler) -> None:
    assert (await fault_of(handler, timeout_ms=100)).kind is FaultKind.TIMEOUT


async def test_a_port_where_nobody_listens_is_unreachable() -> None:
    async with serving(document()) as url:
        pass
    async with aiohttp.ClientSession() as session:
        with pytest.raises(SourceFault) as caught:
            await fetch(session, HttpSource(url), {}, NOW_MS)
    assert caught.value.kind is FaultKind.UNREACHABLE


async def test_a_body_of_exactly_the_limit_is_taken() -> None:
    body = b'{"price": 4.75}'.ljust(BYTES_MAX)
    async with polled(document(body)) as poller:
        assert KEY in (await poller.poll()).found


async def test_a_body_is_not_asked_for_compressed_and_secrets_go_where_they_belong() -> None:
    seen: list[dict[str, str]] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        return await document(headers={"Set-Cookie": "a=b"})(request)

    place = Secret(env="X")
    async with polled(
        handler=handle, secret="hush", auth=Bearer(place), headers={"X-Plan": "free"}
    ) as poller:
        await poller.poll()
        await poller.poll()
    assert seen[0] == seen[1]
    assert (seen[0]["Authorization"], seen[0]["X-Plan"]) == ("Bearer hush", "free")
    assert seen[0]["Accept-Encoding"] == "identity"
    async with polled(handler=handle, secret="hush", auth=ApiKey("X-Api-Key", place)) as poller:
        await poller.poll()
    assert seen[2]["X-Api-Key"] == "hush"
    assert "Authorization" not in make_headers(HttpSource("http://a"), None)


async def test_a_fault_repeats_no_secret() -> None:
    fault = await fault_of(document(status=500), secret="hush", auth=Bearer(Secret(env="X")))
    assert "hush" not in str(fault)


async def test_retry_after_is_kept() -> None:
    fault = await fault_of(document(status=429, headers={"Retry-After": "7"}))
    assert fault.retry_ms == 7_000
    assert (await fault_of(document(status=503, headers={"Retry-After": "1"}))).retry_ms == 1_000
    assert (await fault_of(document(status=429))).retry_ms is None


@pytest.mark.parametrize(
    ("text", "retry_ms"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("³", None),
        ("9" * 65, None),
        ("0", 0),
        ("120", 120_000),
        ("999999999", RETRY_AFTER_MAX_MS),
        ("Tue, 14 Nov 2023 22:13:30 GMT", 10_000),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        ("Tue, 14 Nov 2123 22:00:00 GMT", RETRY_AFTER_MAX_MS),
        ("Tue, 99 Nov 2023 22:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, retry_ms: int | None) -> None:
    assert parse_retry_after(text, NOW_MS) == retry_ms
