"""Connections that have proved nothing yet: their number, bytes and time are bounded."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import web

from node.network.listener import (
    ARRIVALS_PER_MINUTE,
    ARRIVALS_PER_SUBNET_PER_MINUTE,
    OPENING_BYTES_MAX,
    PENDING_MAX,
    PENDING_PER_SUBNET_MAX,
    SUBNETS_MAX,
    Inbound,
    Pending,
)
from tests.support.clock import ManualClock

OPENING_S = 5.0


class StubTransport(asyncio.Transport):
    """A transport that only remembers whether it was aborted."""

    def __init__(self, host: str) -> None:
        super().__init__({"peername": (host, 5)})
        self.is_aborted = False

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True


class StubHandler(web.RequestHandler):
    """aiohttp's part, which only counts bytes."""

    __slots__ = ("received",)

    def __init__(self) -> None:
        self.received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.received = 0

    def data_received(self, data: bytes) -> None:
        self.received += len(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.received = -1


class Door:
    """A listener without sockets, and its timers."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pending = Pending(OPENING_S, self.clock.monotonic)
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def knock(self, host: str) -> tuple[Inbound, StubTransport, StubHandler]:
        handler, transport = StubHandler(), StubTransport(host)
        inbound = Inbound(self.pending, handler, lambda delay, call: self.timers.append((delay, call)))
        inbound.connection_made(transport)
        return inbound, transport, handler


@pytest.fixture
async def door() -> Door:
    return Door()


async def test_bytes_before_the_proof_are_bounded(door: Door) -> None:
    inbound, transport, handler = door.knock("198.51.100.1")
    inbound.data_received(bytes(OPENING_BYTES_MAX))
    was_aborted = transport.is_aborted
    inbound.data_received(b"x")
    assert (was_aborted, transport.is_aborted) == (False, True)
    assert handler.received == OPENING_BYTES_MAX


async def test_bytes_after_the_proof_are_not(door: Door) -> None:
    inbound, transport, handler = door.knock("198.51.100.1")
    inbound.establish()
    for _ in range(3):
        inbound.data_received(bytes(OPENING_BYTES_MAX))
    assert not transport.is_aborted
    assert handler.received == 3 * OPENING_BYTES_MAX


async def test_time_without_a_proof_is_bounded(door: Door) -> None:
    _, slow, _ = door.knock("198.51.100.1")
    quick, transport, _ = door.knock("198.51.100.2")
    quick.establish()
    assert [delay for delay, _ in door.timers] == [OPENING_S] * 2
    for _, expire in door.timers:
        expire()
    assert slow.is_aborted
    assert not transport.is_aborted


async def test_pending_connections_are_bounded(door: Door) -> None:
    knocks = [door.knock(f"10.0.{number}.1") for number in range(PENDING_MAX + 1)]
    assert [transport.is_aborted for _, transport, _ in knocks] == [*[False] * PENDING_MAX, True]
    refused, _, handler = knocks[-1]
    refused.data_received(b"x")
    refused.connection_lost(None)
    assert handler.received == 0
    knocks[0][0].establish()
    assert not door.knock("10.1.0.1")[1].is_aborted


async def test_pending_connections_of_a_subnet_are_bounded(door: Door) -> None:
    for number in range(PENDING_PER_SUBNET_MAX):
        assert not door.knock(f"198.51.100.{number}")[1].is_aborted
    assert door.knock("198.51.100.99")[1].is_aborted
    assert not door.knock("198.51.101.1")[1].is_aborted


async def test_loopback_is_bounded_only_as_a_whole(door: Door) -> None:
    knocks = [door.knock("127.0.0.1")[1].is_aborted for _ in range(PENDING_MAX + 1)]
    assert knocks == [*[False] * PENDING_MAX, True]


async def test_arrivals_from_a_subnet_are_counted(door: Door) -> None:
    def arrive(host: str) -> bool:
        inbound, transport, _ = door.knock(host)
        inbound.connection_lost(None)
        return not transport.is_aborted

    limit = ARRIVALS_PER_SUBNET_PER_MINUTE
    assert [arrive("198.51.100.1") for _ in range(limit + 1)] == [*[True] * limit, False]
    assert arrive("198.51.101.1")
    door.clock.advance(60_000 // limit)
    assert [arrive("198.51.100.2"), arrive("198.51.100.3")] == [True, False]
    assert all(arrive("127.0.0.1") for _ in range(2 * limit))


async def test_all_arrivals_together_are_counted(door: Door) -> None:
    taken = 0
    for number in range(ARRIVALS_PER_MINUTE + 10):
        inbound, transport, _ = door.knock(f"10.{number // 256}.{number % 256}.1")
        inbound.connection_lost(None)
        taken += not transport.is_aborted
    assert taken == ARRIVALS_PER_MINUTE
    assert len(door.pending._arrivals_by_subnet) == SUBNETS_MAX
    assert not door.knock("127.0.0.1")[1].is_aborted


async def test_a_lost_connection_gives_its_place_back(door: Door) -> None:
    knocks = [door.knock("127.0.0.1")[0] for _ in range(PENDING_MAX)]
    knocks[0].connection_lost(None)
    assert not door.knock("127.0.0.1")[1].is_aborted
    assert len(door.pending.connections) == PENDING_MAX


async def test_everybody_is_dropped_at_the_end(door: Door) -> None:
    knocks = [door.knock("127.0.0.1") for _ in range(3)]
    knocks[0][0].establish()
    door.pending.abort_all()
    assert all(transport.is_aborted for _, transport, _ in knocks)
