"""The oracle in a genesis configuration, and the feeds that a chain of the energy market starts with.

`feeds`: objects of `FEED_FIELDS`; `providers`: [account, ed25519 key, hash of the list of its sources]. The
figures of a feed are `pallets.oracle.types.FeedRules`; values are whole numbers of 10^-decimals unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from genesis.config import SpecError, as_account, as_bytes, as_list, as_number, as_object, as_row, as_text
from pallets.oracle.rounds import is_possible
from pallets.oracle.types import (
    FEEDS_MAX,
    KEY_BYTES_MAX,
    PROVIDERS_MAX,
    UNIT_BYTES_MAX,
    FeedRules,
    GenesisFeed,
    GenesisProvider,
)
from runtime.primitives.arithmetic import U8_MAX, U32_MAX
from runtime.primitives.types import Hash

PROVIDERS: Final = 15
QUORUM: Final = 11
"""Two thirds of the providers and a bit: ceil(0.67 · 15)."""
DEV_PROVIDERS: Final = 4
DEV_QUORUM: Final = 3
BOND: Final = 10_000 * 10**12
"""10,000 GRID."""
I128_MAX: Final = (1 << 127) - 1

FEED_FIELDS: Final = (
    *("key", "unit", "decimals", "quorum", "heartbeatMs", "freshMs"),
    *("usableMs", "deviationBps", "outlierPpm", "least", "greatest"),
)
SECOND_MS: Final = 1_000
MARKET_TIMES: Final = (5 * SECOND_MS, 10 * SECOND_MS, 300 * SECOND_MS)
"""Heartbeat, fresh, usable: a value is fresh until its successor is due, and a heartbeat longer."""
WEATHER_TIMES: Final = (60 * SECOND_MS, 900 * SECOND_MS, 900 * SECOND_MS)
NOTICE_TIMES: Final = (60 * SECOND_MS, 900 * SECOND_MS, 86_400 * SECOND_MS)
NOTICE_MAX: Final = (1 << 120) - 1
"""A regulatory notice is known by the first 15 bytes of its hash; whoever names another is an outlier."""


def make_feeds(quorum: int) -> tuple[GenesisFeed, ...]:
    """Return the feeds of the energy market: price, load, carbon, weather and regulatory notices."""

    def feed(
        key: str, unit: str, decimals: int, times: tuple[int, int, int], moves: tuple[int, int], *ends: int
    ) -> GenesisFeed:
        rules = FeedRules(unit.encode(), decimals, quorum, *times, *moves, *ends)
        return GenesisFeed(key.encode(), rules)

    return (
        feed("price/energy", "THB/kWh", 4, MARKET_TIMES, (50, 50_000), 0, 1_000_000),
        feed("load/grid", "MW", 0, MARKET_TIMES, (100, 50_000), 0, 100_000),
        feed("carbon/grid", "g/kWh", 0, MARKET_TIMES, (100, 50_000), 0, 2_000),
        feed("weather/temperature", "degC", 2, WEATHER_TIMES, (200, 50_000), -5_000, 6_000),
        feed("weather/humidity", "%", 2, WEATHER_TIMES, (200, 50_000), 0, 10_000),
        feed("weather/irradiance", "W/m2", 1, WEATHER_TIMES, (200, 200_000), 0, 20_000),
        feed("notice/regulator", "hash", 0, NOTICE_TIMES, (0, 0), 0, NOTICE_MAX),
    )


def make_section(
    feeds: Iterable[GenesisFeed], providers: Iterable[tuple[str, bytes, bytes]]
) -> dict[str, Any]:
    """Return the section of a genesis configuration; providers are (address, key, hash of sources)."""
    return {
        "feeds": [_describe(one) for one in feeds],
        "providers": [[who, f"0x{key.hex()}", f"0x{hash_.hex()}"] for who, key, hash_ in providers],
    }


def parse_oracle(section: Any, path: str) -> tuple[tuple[GenesisFeed, ...], tuple[GenesisProvider, ...]]:
    """Return feeds and providers of a genesis configuration; SpecError naming the place when it is wrong."""
    parts = as_object(section, path, ("feeds", "providers"))
    feeds = as_list(parts.get("feeds", []), f"{path}.feeds", _feed)
    providers = as_list(parts.get("providers", []), f"{path}.providers", _provider)
    _ensure_few([one.key for one in feeds], FEEDS_MAX, f"{path}.feeds")
    _ensure_few([one.who for one in providers], PROVIDERS_MAX, f"{path}.providers")
    _ensure_few([one.key for one in providers], PROVIDERS_MAX, f"{path}.providers")
    _ensure_quorums(feeds, len(providers), path)
    return feeds, providers


def _ensure_quorums(feeds: tuple[GenesisFeed, ...], providers: int, path: str) -> None:
    """Raise SpecError where a feed would never have a value, since too few could answer it."""
    for number, feed in enumerate(feeds):
        if feed.rules.quorum > providers:
            quorum = f"{path}.feeds[{number}].quorum: {feed.rules.quorum} answers"
            raise SpecError(f"{quorum} are more than {path}.providers can give, which lists {providers}")


def _ensure_few(names: list[bytes], most: int, path: str) -> None:
    if len(names) > most:
        raise SpecError(f"{path}: at most {most}, found {len(names)}")
    if len(dict.fromkeys(names)) < len(names):
        raise SpecError(f"{path}: one is listed twice")


def _feed(value: Any, path: str) -> GenesisFeed:
    fields = as_object(value, path, FEED_FIELDS)

    def number(name: str, maximum: int) -> int:
        return as_number(fields.get(name), f"{path}.{name}", maximum)

    key = _text(fields.get("key"), f"{path}.key", KEY_BYTES_MAX)
    rules = FeedRules(
        unit=_text(fields.get("unit"), f"{path}.unit", UNIT_BYTES_MAX),
        decimals=number("decimals", U8_MAX),
        quorum=number("quorum", PROVIDERS_MAX),
        heartbeat_ms=number("heartbeatMs", U32_MAX),
        fresh_ms=number("freshMs", U32_MAX),
        usable_ms=number("usableMs", U32_MAX),
        deviation_bps=number("deviationBps", U32_MAX),
        outlier_ppm=number("outlierPpm", U32_MAX),
        least=_whole(fields.get("least"), f"{path}.least"),
        greatest=_whole(fields.get("greatest"), f"{path}.greatest"),
    )
    if rules.quorum < 1:
        raise SpecError(f"{path}.quorum: a value needs an answer")
    if not is_possible(key, rules):
        raise SpecError(f"{path}: no feed can have this key, range or these times")
    return GenesisFeed(key, rules)


def _provider(value: Any, path: str) -> GenesisProvider:
    account, key, endpoints = as_row(value, path, ("account", "key", "endpoints"))
    return GenesisProvider(
        as_account(account, f"{path}[0]"),
        as_bytes(key, f"{path}[1]", 32),
        Hash(as_bytes(endpoints, f"{path}[2]", 32)),
    )


def _text(value: Any, path: str, most: int) -> bytes:
    found = as_text(value, path).encode()
    if not 0 < len(found) <= most:
        raise SpecError(f"{path}: expected 1 to {most} bytes, found {len(found)}")
    return found


def _whole(value: Any, path: str) -> int:
    """Return an i128 from a JSON integer, or from its decimal digits in a string."""
    text = value.removeprefix("-") if isinstance(value, str) else ""
    if text.isascii() and text.isdecimal() and len(text) < 40:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -I128_MAX <= value <= I128_MAX:
        raise SpecError(f"{path}: expected a whole number of 127 bits and a sign")
    return value


def _describe(feed: GenesisFeed) -> dict[str, Any]:
    rules = feed.rules
    figures = (
        *(feed.key.decode(), rules.unit.decode(), rules.decimals, rules.quorum),
        *(rules.heartbeat_ms, rules.fresh_ms, rules.usable_ms, rules.deviation_bps),
        *(rules.outlier_ppm, str(rules.least), str(rules.greatest)),
    )
    return dict(zip(FEED_FIELDS, figures, strict=True))
