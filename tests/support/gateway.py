"""Feeds, sources and clocks of a gateway, for its tests."""

import asyncio
from decimal import Decimal
from pathlib import Path

from apps.gateway.config import parse_config
from apps.gateway.feeds import FeedView
from apps.gateway.readings import Poll, Reading, SourceState
from apps.gateway.settings import Main

KEY = "price/energy"
ROUND = 170_000_000
NOW_MS = ROUND * 10_000
"""The first moment of a round of ten seconds."""
BASE = """\
nodes = ["ws://127.0.0.1:9944", "ws://127.0.0.1:9945"]
state = "state"

[provider]
account = { env = "GATEWAY_ACCOUNT" }

[sources.exchange]
kind = "http"
url = "http://127.0.0.1:8000/price"
[sources.exchange.values."price/energy"]
at = "/price"
"""
"""The least that a configuration says."""
VIEW = FeedView(
    feed=0,
    key=KEY,
    unit="THB/kWh",
    decimals=4,
    is_paused=False,
    heartbeat_ms=10_000,
    fresh_ms=15_000,
    usable_ms=300_000,
    deviation_bps=50,
    outlier_ppm=50_000,
    least=0,
    greatest=1_000_000,
    fresh_value=None,
    latest_round=None,
    latest_measured_ms=None,
)


class HandClock:
    """A clock that a test moves; sleeping moves it too."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.moment_ms = now_ms
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return self.moment_ms

    def monotonic(self) -> float:
        return self.moment_ms / 1000

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment_ms += round(seconds * 1000)
        await asyncio.sleep(0)


def parse(text: str = BASE, folder: Path = Path("/etc/loam")) -> Main:
    """Return the configuration of a text."""
    return parse_config(text, folder)


def source(name: str, *numbers: str, ages_ms: tuple[int, ...] = (), key: str = KEY) -> SourceState:
    """Return a source that has said these numbers, a second apart unless told, the last one at NOW_MS."""
    made = SourceState(name, (key,))
    ages = ages_ms or tuple(1_000 * n for n in reversed(range(len(numbers))))
    for number, age_ms in zip(numbers, ages, strict=True):
        made.take(Poll({key: Reading(Decimal(number), NOW_MS - age_ms)}), NOW_MS - age_ms)
    return made
