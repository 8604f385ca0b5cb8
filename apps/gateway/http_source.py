"""One HTTP source: a request with limits on time and size, and nothing followed that is not asked for.

A redirect is refused, since it would send credentials and trust elsewhere; so is a compressed body, which can
be larger than it looks. `fetch` either returns the body or says by a `SourceFault` what kind of failure it
was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from apps.clock import WallClock
from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.json_document import read_document
from apps.gateway.readings import Poll
from apps.gateway.settings import ApiKey, Bearer, HttpSource

RETRY_AFTER_MAX_MS: Final = 3_600_000
CHUNK_BYTES: Final = 16 << 10
AGENT: Final = "loam-gateway"


class HttpPoller:
    """Asks one source; `secret` is what its `auth` names."""

    def __init__(
        self, source: HttpSource, secret: str | None, session: aiohttp.ClientSession, clock: WallClock
    ) -> None:
        self.source = source
        self._headers = make_headers(source, secret)
        self._session = session
        self._clock = clock

    async def poll(self) -> Poll:
        """Return what the source says now; SourceFault."""
        asked_ms = self._clock.now_ms()
        body = await fetch(self._session, self.source, self._headers, asked_ms)
        limits = self.source
        return read_document(
            body,
            limits.values,
            asked_ms,
            age_max_ms=limits.age_max_ms,
            ahead_max_ms=limits.ahead_max_ms,
        )


def make_headers(source: HttpSource, secret: str | None) -> dict[str, str]:
    """Return the headers of a request; the secret is in one of them."""
    made = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": AGENT,
        **source.headers,
    }
    match source.auth:
        case Bearer():
            made["Authorization"] = f"Bearer {secret}"
        case ApiKey(header=header):
            made[header] = secret or ""
        case None:
            pass
    return made


async def fetch(
    session: aiohttp.ClientSession, source: HttpSource, headers: Mapping[str, str], now_ms: int
) -> bytes:
    """Return the body of a source's answer; SourceFault."""
    try:
        async with (
            asyncio.timeout(source.timeout_ms / 1000),
            session.get(source.url, headers=headers, allow_redirects=False) as response,
        ):
            _check_head(response, source, now_ms)
            return await _read_body(response, source.bytes_max)
    except TimeoutError as error:
        raise SourceFault(FaultKind.TIMEOUT, f"no whole answer within {source.timeout_ms} ms") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise SourceFault(FaultKind.UNREACHABLE, f"{type(error).__name__}: {error!s:.120}") from error


def _check_head(response: aiohttp.ClientResponse, source: HttpSource, now_ms: int) -> None:
    status = response.status
    if 300 <= status < 400:
        raise SourceFault(FaultKind.REDIRECT, f"status {status}; name the final address")
    if status in {429, 503}:
        kind = FaultKind.RATE_LIMITED if status == 429 else FaultKind.STATUS
        retry_ms = parse_retry_after(response.headers.get("Retry-After"), now_ms)
        raise SourceFault(kind, f"status {status}", retry_ms)
    if status != 200:
        raise SourceFault(FaultKind.STATUS, f"status {status}")
    if response.content_type != source.content_type:
        raise SourceFault(FaultKind.CONTENT_TYPE, f"{response.content_type!r:.60}, not {source.content_type}")
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise SourceFault(FaultKind.CONTENT_TYPE, "a compressed body, which was not asked for")
    if (response.content_length or 0) > source.bytes_max:
        raise SourceFault(FaultKind.TOO_LARGE, f"{response.content_length} bytes, at most {source.bytes_max}")


async def _read_body(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > bytes_max:
            raise SourceFault(FaultKind.TOO_LARGE, f"more than {bytes_max} bytes")
    return bytes(body)


def parse_retry_after(text: str | None, now_ms: int) -> int | None:
    """Return the milliseconds that a Retry-After asks to wait, an hour at most; None where it says nothing
    clear."""
    if text is None or len(text) > 64:
        return None
    if text.isascii() and text.isdecimal():
        return min(int(text) * 1000, RETRY_AFTER_MAX_MS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait_ms = int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000) - now_ms
    return min(max(0, wait_ms), RETRY_AFTER_MAX_MS)
