"""What a gateway's configuration file may say, with its limits; how the file is read is `config.py`'s.

Times are whole milliseconds, numbers decimal. Every collection has a bound: a mistake in a file must not
become load on somebody's server.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Literal, TypeAlias

from msgspec import Meta, Struct

SOURCES_MAX: Final = 64
VALUES_MAX: Final = 32
"""Feeds that a chain may have."""
NODES_MAX: Final = 16
NAME_PATTERN: Final = "^[a-z0-9][a-z0-9_-]{0,31}$"
"""Names of sources, which become labels of metrics."""
HOUR_MS: Final = 3_600_000

Interval: TypeAlias = Annotated[int, Meta(ge=100, le=HOUR_MS)]
Timeout: TypeAlias = Annotated[int, Meta(ge=100, le=60_000)]
Text: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2048)]


class Secret(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Where a secret is: in a file of its owner's alone, in an environment variable, or asked for at the
    start."""

    file: str | None = None
    env: str | None = None
    prompt: bool = False


class Bearer(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="bearer"):
    """`Authorization: Bearer …`."""

    secret: Secret


class ApiKey(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="api-key"):
    """A header of any name that has the secret."""

    header: Text
    secret: Secret


Auth: TypeAlias = Bearer | ApiKey


class JsonValue(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Where a document has a feed's value, and what makes it a number of the feed's unit: times `scale`, plus
    `offset`. Without `time-at` a value was measured when it was asked for."""

    at: str
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    time_at: str | None = None
    time_format: Literal["unix-s", "unix-ms", "iso-8601"] = "unix-ms"
    unit_at: str | None = None
    unit: Text | None = None


class CsvValue(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Which column of a table has a feed's value."""

    column: Text
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)


class HttpSource(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", tag_field="kind", tag="http"
):
    """A JSON document behind an address, asked for again and again."""

    url: Text
    interval_ms: Interval = 2_000
    timeout_ms: Timeout = 3_000
    backoff_first_ms: Interval = 500
    backoff_max_ms: Interval = 30_000
    requests_per_minute: Annotated[int, Meta(ge=1, le=600)] = 60
    bytes_max: Annotated[int, Meta(ge=1, le=4 << 20)] = 64 << 10
    content_type: Text = "application/json"
    age_max_ms: Annotated[int, Meta(ge=1_000, le=24 * HOUR_MS)] = 60_000
    ahead_max_ms: Annotated[int, Meta(ge=0, le=60_000)] = 2_000
    headers: dict[str, Text] = {}
    auth: Auth | None = None
    values: dict[str, JsonValue] = {}


class CsvSource(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", tag_field="kind", tag="csv"):
    """A table of measurements replayed over and over: each row lasts `row-ms`, counted from `start-ms` of
    1970, so that everybody who replays it is at the same place."""

    file: Text
    row_ms: Annotated[int, Meta(ge=1, le=24 * HOUR_MS)]
    interval_ms: Interval = 1_000
    start_ms: Annotated[int, Meta(ge=0)] = 0
    interpolate: bool = True
    skip_bad_rows: bool = False
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    values: dict[str, CsvValue] = {}


class MqttValue(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Which topic has a feed's value, and where in its messages; a message may be the bare number."""

    topic: Annotated[str, Meta(min_length=1, max_length=256)]
    at: str = ""
    scale: Decimal = Decimal(1)
    offset: Decimal = Decimal(0)
    time_at: str | None = None
    time_format: Literal["unix-s", "unix-ms", "iso-8601"] = "unix-ms"
    unit_at: str | None = None
    unit: Text | None = None


class MqttSource(
    Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", tag_field="kind", tag="mqtt"
):
    """A broker whose messages are listened to; needs the extra `mqtt`."""

    host: Text
    port: Annotated[int, Meta(ge=1, le=65_535)] = 1_883
    tls: bool = False
    username: Text | None = None
    password: Secret | None = None
    interval_ms: Interval = 500
    bytes_max: Annotated[int, Meta(ge=1, le=1 << 20)] = 16 << 10
    age_max_ms: Annotated[int, Meta(ge=1_000, le=24 * HOUR_MS)] = 60_000
    ahead_max_ms: Annotated[int, Meta(ge=0, le=60_000)] = 2_000
    values: dict[str, MqttValue] = {}


Source: TypeAlias = HttpSource | CsvSource | MqttSource


class FeedSetting(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What the operator expects of a feed; `confirm` readings in a row have to show a jump before one source
    alone is believed."""

    unit: Text | None = None
    sources_min: Annotated[int, Meta(ge=1, le=SOURCES_MAX)] = 1
    confirm: Annotated[int, Meta(ge=1, le=16)] = 3


class Provider(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Whose answers these are: the secret URI of the account, and the public half of the key for
    statements."""

    account: Secret
    scheme: Literal["sr25519", "ed25519"] = "sr25519"
    oracle_key: str | None = None


class Fault(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A fault to play on purpose, for tests and demonstrations."""

    kind: Literal["lying", "dead", "flapping"]
    period_ms: Annotated[int, Meta(ge=1_000, le=24 * HOUR_MS)] = 60_000


class Main(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A whole configuration."""

    nodes: Annotated[tuple[Text, ...], Meta(min_length=1, max_length=NODES_MAX)]
    state: Text
    provider: Provider
    port: Annotated[int, Meta(ge=0, le=65_535)] | None = None
    host: Text = "127.0.0.1"
    genesis: str | None = None
    stall_ms: Annotated[int, Meta(ge=2_000, le=HOUR_MS)] = 15_000
    skew_max_ms: Annotated[int, Meta(ge=500, le=HOUR_MS)] = 5_000
    fault: Fault | None = None
    sources: dict[str, Source] = {}
    feeds: dict[str, FeedSetting] = {}
