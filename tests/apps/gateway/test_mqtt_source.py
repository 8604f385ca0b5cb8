"""Messages of a broker are readings as documents are, and a broker that goes away comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import aiomqtt
import pytest

from apps.gateway import mqtt_source
from apps.gateway.errors import ConfigFault, FaultKind, SourceFault
from apps.gateway.mqtt_source import MqttPoller, ensure_library
from apps.gateway.readings import Reading
from apps.gateway.settings import MqttSource, MqttValue
from tests.processes.gateways import until_so
from tests.support.broker import Broker
from tests.support.gateway import KEY, NOW_MS, HandClock, parse

pytestmark = pytest.mark.net

TOPIC = "grid/bkk/load"
OTHER = "other"


class PromptClock(HandClock):
    """A clock that a test moves; sleeping takes a moment and does not move it."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.001)


@asynccontextmanager
async def listening(broker: Broker, **changes: Any) -> AsyncIterator[tuple[MqttPoller, PromptClock]]:
    values = {KEY: MqttValue(TOPIC, at="/mw"), OTHER: MqttValue("bare", scale=Decimal(10))}
    settings: dict[str, Any] = {"port": broker.port, "values": values, "bytes_max": 100}
    source = MqttSource("127.0.0.1", **(settings | changes))
    clock = PromptClock()
    poller = MqttPoller("m", source, "hush" if source.username else None, clock)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(poller.listen(lambda: 1.0))
        yield poller, clock
        task.cancel()


async def found(poller: MqttPoller, key: str = KEY) -> Reading | SourceFault:
    return (await poller.poll()).found[key]


async def until_found(poller: MqttPoller, key: str, wanted: Reading | FaultKind) -> None:
    """Return once a poll finds what is wanted."""
    async with asyncio.timeout(20):
        while True:
            one = await found(poller, key)
            if (one.kind if isinstance(one, SourceFault) else one) == wanted:
                return
            await asyncio.sleep(0.005)


async def is_connected(poller: MqttPoller) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await poller.poll()
            except SourceFault:
                await asyncio.sleep(0.005)
            else:
                return


async def test_messages_are_read_as_documents_or_bare_numbers() -> None:
    async with Broker() as broker, listening(broker) as (poller, clock):
        await is_connected(poller)
        assert broker.topics == sorted([TOPIC, "bare"])
        one = await found(poller)
        assert isinstance(one, SourceFault)
        assert one.kind is FaultKind.MISSING
        await broker.publish(TOPIC, b'{"mw": "15420"}')
        await broker.publish("bare", b"4.5")
        await until_found(poller, KEY, Reading(Decimal(15_420), NOW_MS))
        await until_found(poller, OTHER, Reading(Decimal(45), NOW_MS))
        clock.moment_ms += 60_000
        assert await found(poller, OTHER) == Reading(Decimal(45), NOW_MS)
        clock.moment_ms += 1
        await until_found(poller, OTHER, FaultKind.STALE)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"", FaultKind.MALFORMED),
        (b"\xff", FaultKind.MALFORMED),
        (b"NaN", FaultKind.MALFORMED),
        (b'{"mw": null}', FaultKind.NOT_A_NUMBER),
        (b'{"kw": 1}', FaultKind.MISSING),
        (b'{"mw": 1}'.ljust(101), FaultKind.TOO_LARGE),
    ],
)
async def test_a_bad_message_has_its_kind_and_the_next_good_one_counts(
    payload: bytes, kind: FaultKind
) -> None:
    async with Broker() as broker, listening(broker) as (poller, _):
        await is_connected(poller)
        await broker.publish(TOPIC, payload)
        if kind is FaultKind.MISSING:
            await broker.publish("bare", b"1")  # which comes after it
            await until_found(poller, OTHER, Reading(Decimal(10), NOW_MS))
        await until_found(poller, KEY, kind)
        await broker.publish(TOPIC, b'{"mw": 1}'.ljust(100))
        await until_found(poller, KEY, Reading(Decimal(1), NOW_MS))


async def test_a_broker_that_hangs_up_is_gone_back_to() -> None:
    async with Broker() as broker, listening(broker) as (poller, clock):
        await broker.subscribed.wait()
        await is_connected(poller)
        await broker.hang_up()
        await until_so(lambda: bool(clock.slept))
        await broker.subscribed.wait()
        await is_connected(poller)
        await broker.publish(TOPIC, b'{"mw": 1}')
        await until_found(poller, KEY, Reading(Decimal(1), NOW_MS))


async def test_a_broker_that_refuses_or_is_not_there_is_asked_later_each_time() -> None:
    async with Broker(refuses=True) as broker, listening(broker, username="meter") as (poller, clock):
        await until_so(lambda: len(clock.slept) > 2)
        assert clock.slept[:3] == [0.5, 1.0, 2.0]
        with pytest.raises(SourceFault) as caught:
            await poller.poll()
        assert caught.value.kind is FaultKind.UNREACHABLE
        assert b"\x00\x05meter\x00\x04hush" in broker.logins[0]
        assert "hush" not in str(caught.value)


@pytest.mark.parametrize("answer", ["refused", "accepted"])
async def test_an_end_that_the_library_forgets_is_still_one(
    monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    connecting = asyncio.Event()

    class Forgetful:
        """Told to end while it connects, it answers what the broker said in that moment."""

        def __init__(self, *_: Any, **__: Any) -> None: ...

        async def __aenter__(self) -> None:
            assert not connecting.is_set(), "it connects again"
            connecting.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            if answer == "refused":
                raise aiomqtt.MqttError(answer)

        async def __aexit__(self, *_: object) -> None: ...

    monkeypatch.setattr(aiomqtt, "Client", Forgetful)
    poller = MqttPoller("m", MqttSource("127.0.0.1", values={}), None, PromptClock())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(poller.listen(lambda: 1.0))
        await connecting.wait()
        task.cancel()
    assert task.cancelled()


def test_without_the_library_the_way_to_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_library("sources.m")
    monkeypatch.setattr(mqtt_source, "find_spec", lambda _: None)
    with pytest.raises(
        ConfigFault, match=r"sources\.m: aiomqtt is not installed: pip install 'loam\[mqtt\]'"
    ):
        ensure_library("sources.m")


BASE = """\
nodes = ["ws://a"]
state = "s"
provider.account = { env = "A" }
[sources.m]
kind = "mqtt"
host = "broker.example"
values."load/grid".topic = "grid/load"
"""


def test_a_broker_is_configured_by_host_and_topics() -> None:
    source = parse(BASE).sources["m"]
    assert isinstance(source, MqttSource)
    assert (source.port, source.tls, source.values["load/grid"].at) == (1_883, False, "")


@pytest.mark.parametrize(
    ("part", "other", "message"),
    [
        ('"grid/load"', '"grid/+"', 'sources.m.values."load/grid".topic: expected one topic'),
        ('"grid/load"', '"#"', "expected one topic"),
        ('"grid/load"', '"a\\u0000"', "expected one topic"),
        ('"grid/load"', '""', "topic: expected text of length >= 1"),
        ('host = "broker.example"', "", "sources.m: missing: `host`"),
        ("[sources.m]", '[sources.m]\npassword = { env = "P" }', "sources.m.username: a password without"),
        (
            "[sources.m]",
            '[sources.m]\nusername = "u"\npassword = "p"',
            "sources.m.password: expected a table",
        ),
    ],
)
def test_a_mistake_in_a_broker_is_named(part: str, other: str, message: str) -> None:
    with pytest.raises(ConfigFault) as caught:
        parse(BASE.replace(part, other))
    assert message in str(caught.value)
