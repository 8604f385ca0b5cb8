"""The oracle's providers: a gateway for each, which replays the week's weather, carbon and price.

Responsible for the table and the configuration that the gateways are given; an hour of the table lasts a slot
from the first one on. The gateways are those that `loam gateway` starts, as tasks of this program, with one
node each to begin with.
"""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from apps.clock import WallClock
from apps.demo.cast import make_key
from apps.demo.follower import Follower
from apps.demo.week import Hour, Week
from apps.gateway.config import parse_config
from apps.gateway.service import Secrets, run_gateway
from apps.gateway.settings import Main

PRICE, CARBON = "price/energy", "carbon/grid"
TEMPERATURE, HUMIDITY, IRRADIANCE = "weather/temperature", "weather/humidity", "weather/irradiance"
SCALES: Final = {PRICE: "0.0001", CARBON: "1", TEMPERATURE: "0.01", HUMIDITY: "0.01", IRRADIANCE: "0.1"}
"""What a number of the table is of the feed's unit."""
FEEDS: Final = tuple(SCALES)
TABLE_FILE: Final = "week.csv"
POLL_MS: Final = 250
NO_JITTER: Final = 0.5


def measure(hour: Hour) -> dict[str, int]:
    """Return what is answered of an hour, in the smallest units of the feeds: 0.0001 THB/kWh, g/kWh, 0.01 °C,
    0.01 %, 0.1 W/m²."""
    weather = hour.weather
    return {
        PRICE: hour.retail_ticks,
        CARBON: (weather.carbon_dg_per_kwh + 5) // 10,
        TEMPERATURE: weather.temperature_dc * 10,
        HUMIDITY: weather.humidity_percent * 100,
        IRRADIANCE: weather.irradiance_w_m2 * 10,
    }


def write_table(week: Week, hours: int, path: Path) -> None:
    """Write a row for each hour, a column for each feed."""
    with path.open("w", encoding="ascii", newline="") as file:
        writer = csv.DictWriter(file, FEEDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(measure(week.hour(number)) for number in range(hours))


def make_config(urls: Sequence[str], folder: Path, name: str, start_ms: int, slot_ms: int) -> Main:
    """Return the configuration of a provider's gateway that replays the table in a folder.

    Weather jumps from hour to hour, so a jump is believed at once.
    """
    nodes = ", ".join(f'"{url}"' for url in urls)
    lines = [
        f"nodes = [{nodes}]",
        f'state = "{name}"',
        "[provider]",
        "account = { prompt = true }",
        "[sources.week]",
        'kind = "csv"',
        f'file = "{TABLE_FILE}"',
        f"row-ms = {slot_ms}",
        f"start-ms = {start_ms}",
        f"interval-ms = {POLL_MS}",
        "interpolate = false",
    ]
    for key, scale in SCALES.items():
        lines += [f'[sources.week.values."{key}"]', f'column = "{key}"', f"scale = {scale}"]
    for key in FEEDS:
        lines += [f'[feeds."{key}"]', "confirm = 1"]
    return parse_config("\n".join(lines), folder)


class Providers:
    """The gateways of a run, with their files in a folder."""

    def __init__(
        self, urls: Sequence[str], week: Week, uris: Sequence[str], folder: Path, clock: WallClock
    ) -> None:
        self._urls = tuple(urls)
        self._week = week
        self._uris = tuple(uris)
        self._folder = folder
        self._clock = clock

    async def run(self, follower: Follower, first_slot: int, hours: int, slot_ms: int) -> None:
        """Answer from the slot before the first until the last is over."""
        write_table(self._week, hours, self._folder / TABLE_FILE)
        stop = asyncio.Event()
        await follower.wait_slot(first_slot - 1)
        async with asyncio.TaskGroup() as group:
            for place, uri in enumerate(self._uris):
                turn = place % len(self._urls)
                urls = (*self._urls[turn:], *self._urls[:turn])
                name = uri.strip("/").lower()
                config = make_config(urls, self._folder, name, first_slot * slot_ms, slot_ms)
                secrets = Secrets(make_key(uri), {})
                group.create_task(run_gateway(config, secrets, self._clock, lambda: NO_JITTER, stop))
            await follower.wait_slot(first_slot + hours)
            stop.set()
