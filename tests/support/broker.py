"""A broker that speaks as much of MQTT 3.1.1 as a subscriber needs, and does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

DISCONNECT: Final = 14
CONNACK, PUBLISH, SUBACK, PINGRESP = 0x20, 0x30, 0x90, 0xD0
REFUSED: Final = 5
"""Return code of CONNACK: not authorized."""


class Broker:
    """Listens on loopback; an async context."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self.topics: list[str] = []
        self.logins: list[bytes] = []
        self.subscribed = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.hang_up()
        self._server.close()
        await self._server.wait_closed()

    async def hang_up(self) -> None:
        """Close every connection."""
        self.subscribed.clear()
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a message to everybody."""
        name = topic.encode()
        body = len(name).to_bytes(2, "big") + name + payload
        for writer in self._writers:
            writer.write(bytes([PUBLISH]) + _length(len(body)) + body)
            await writer.drain()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            while True:
                kind = (await reader.readexactly(1))[0] >> 4
                body = await reader.readexactly(await _read_length(reader.readexactly))
                if kind == DISCONNECT:
                    break
                self._answer(kind, body, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, kind: int, body: bytes, writer: asyncio.StreamWriter) -> None:
        match kind:
            case 1:
                self.logins.append(body)
                writer.write(bytes([CONNACK, 2, 0, REFUSED if self.refuses else 0]))
            case 8:
                length = int.from_bytes(body[2:4], "big")
                self.topics.append(body[4 : 4 + length].decode())
                writer.write(bytes([SUBACK, 3]) + body[:2] + b"\0")
                self.subscribed.set()
            case 12:
                writer.write(bytes([PINGRESP, 0]))
            case _:
                raise AssertionError(f"a subscriber sends no packet {kind}")


def _length(number: int) -> bytes:
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


async def _read_length(read: Callable[[int], Awaitable[bytes]]) -> int:
    number, shift = 0, 0
    while True:
        digit = (await read(1))[0]
        number |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return number
