"""One MQTT source: it subscribes to the topics that it is told, and keeps the last message of each.

The client library comes with the extra `mqtt` and is loaded only where a source needs it. A connection that
is lost is made again, later each time. Messages are documents as those of an HTTP source, trusted as little.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, NamedTuple

import structlog

from apps.clock import WallClock
from apps.gateway.errors import ConfigFault, FaultKind, SourceFault
from apps.gateway.json_document import read_document
from apps.gateway.pacing import compute_backoff
from apps.gateway.readings import Poll, Reading
from apps.gateway.settings import JsonValue, MqttSource, MqttValue

LIBRARY: Final = "aiomqtt"
QUEUED_MAX: Final = 1_000
"""Messages that wait to be looked at; later ones are dropped by the library."""
CONNECT_S: Final = 10.0
BACKOFF_FIRST_MS: Final = 500
BACKOFF_MAX_MS: Final = 30_000

log = structlog.get_logger("gateway.source")


class _Message(NamedTuple):
    payload: bytes
    received_ms: int


def ensure_library(place: str) -> None:
    """ConfigFault unless the client library is installed."""
    if find_spec(LIBRARY) is None:
        raise ConfigFault(place, f"{LIBRARY} is not installed: pip install 'loam[mqtt]'")


def ensure_wanted() -> None:
    """CancelledError where the running task was told to end.

    `asyncio.wait_for`, in which the library waits for the broker, forgets it when the broker answers in the
    same moment (https://github.com/python/cpython/issues/86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class MqttPoller:
    """Listens to one broker; `password` is what its `password` names."""

    def __init__(self, name: str, source: MqttSource, password: str | None, clock: WallClock) -> None:
        self.source = source
        self._name = name
        self._password = password
        self._clock = clock
        self._latest: dict[str, _Message] = {}
        self._trouble: SourceFault | None = SourceFault(FaultKind.UNREACHABLE, "not connected yet")

    async def listen(self, jitter: Callable[[], float]) -> None:
        """Keep a connection until cancelled."""
        from aiomqtt import Client, MqttError, TLSParameters  # noqa: PLC0415 (an extra: see the module's text)

        source, failures = self.source, 0
        while True:
            client = Client(
                source.host,
                source.port,
                username=source.username,
                password=self._password,
                timeout=CONNECT_S,
                max_queued_incoming_messages=QUEUED_MAX,
                tls_params=TLSParameters() if source.tls else None,
            )
            try:
                async with client:
                    ensure_wanted()
                    for topic in sorted({value.topic for value in source.values.values()}):
                        await client.subscribe(topic, qos=1)
                    self._trouble, failures = None, 0
                    log.info("source_subscribed", source=self._name)
                    async for message in client.messages:
                        self._take(message.topic.value, message.payload)
            except (MqttError, OSError, ValueError) as error:
                self._trouble = SourceFault(FaultKind.UNREACHABLE, f"{error!s:.120}")
            ensure_wanted()
            failures += 1
            wait_ms = compute_backoff(failures, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, jitter())
            await self._clock.sleep(wait_ms / 1000)

    async def poll(self) -> Poll:
        """Return what the last messages say; SourceFault while there is no connection."""
        if self._trouble is not None:
            raise self._trouble
        return Poll({key: self._read(key, value) for key, value in self.source.values.items()})

    def _take(self, topic: str, payload: object) -> None:
        """Keep a message; one that is too large counts as such, and hides the one before."""
        data = payload if isinstance(payload, bytes | bytearray) else b""
        self._latest[topic] = _Message(bytes(data[: self.source.bytes_max + 1]), self._clock.now_ms())

    def _read(self, key: str, value: MqttValue) -> Reading | SourceFault:
        message = self._latest.get(value.topic)
        if message is None:
            return SourceFault(FaultKind.MISSING, f"no message on {value.topic:.80} yet")
        if len(message.payload) > self.source.bytes_max:
            return SourceFault(FaultKind.TOO_LARGE, f"more than {self.source.bytes_max} bytes")
        age_ms = self._clock.now_ms() - message.received_ms
        if age_ms > self.source.age_max_ms:
            return SourceFault(FaultKind.STALE, f"the last message came {age_ms} ms ago")
        try:
            poll = read_document(
                message.payload,
                {key: as_json_value(value)},
                message.received_ms,
                age_max_ms=self.source.age_max_ms,
                ahead_max_ms=self.source.ahead_max_ms,
            )
        except SourceFault as fault:
            return fault
        return poll.found[key]


def as_json_value(value: MqttValue) -> JsonValue:
    """Return where a message has a value, without its topic."""
    return JsonValue(
        at=value.at,
        scale=value.scale,
        offset=value.offset,
        time_at=value.time_at,
        time_format=value.time_format,
        unit_at=value.unit_at,
        unit=value.unit,
    )
