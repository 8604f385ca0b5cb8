"""The values in a source's JSON document, read without trust.

Pure. Anything that is not exactly what the configuration says it is becomes a `SourceFault`: of the whole
document where it cannot be read, of one value where only that is wrong. Numbers stay decimal; NaN,
infinities, repeated keys and what is nested too deeply are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NoReturn

from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.pointer import Missing, parse_pointer
from apps.gateway.quantity import TEXT_MAX, Scale, parse_decimal, read_number
from apps.gateway.readings import Poll, Reading
from apps.gateway.settings import JsonValue
from runtime.primitives.strict_json import distinct_keys

YEAR_9999_MS: Final = 253_402_300_799_000
SECOND_MS: Final = 1_000


def read_document(
    body: bytes, values: Mapping[str, JsonValue], asked_ms: int, *, age_max_ms: int, ahead_max_ms: int
) -> Poll:
    """Return each value of a document, or what is wrong with it; SourceFault when it is no document at all.

    A value without a time of its own was measured at `asked_ms`. One measured more than `age_max_ms` before,
    or more than `ahead_max_ms` after that is refused.
    """
    document = parse_document(body)
    found: dict[str, Reading | SourceFault] = {}
    for key, value in values.items():
        try:
            reading = _read_value(document, value, asked_ms)
            _check_age(reading.measured_ms, asked_ms, age_max_ms, ahead_max_ms)
            found[key] = reading
        except SourceFault as fault:
            found[key] = fault
    return Poll(found)


def parse_document(body: bytes) -> Any:
    """Return a JSON document with decimal numbers; SourceFault."""
    try:
        return json.loads(
            body.decode(),
            parse_float=_number,
            parse_int=_number,
            parse_constant=_refuse_constant,
            object_pairs_hook=distinct_keys,
        )
    except UnicodeDecodeError as error:
        raise SourceFault(FaultKind.MALFORMED, "not UTF-8 text") from error
    except RecursionError as error:
        raise SourceFault(FaultKind.MALFORMED, "nested too deeply") from error
    except ValueError as error:
        raise SourceFault(FaultKind.MALFORMED, f"no JSON: {error!s:.80}") from error


def _number(text: str) -> Decimal:
    return parse_decimal(text) if len(text) <= TEXT_MAX else Decimal("NaN")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _read_value(document: Any, value: JsonValue, asked_ms: int) -> Reading:
    if value.unit_at is not None:
        unit = _find(document, value.unit_at)
        if unit != value.unit:
            raise SourceFault(FaultKind.UNIT, f"expected {value.unit}, found {unit!r:.40}")
    raw = read_number(_find(document, value.at))
    number = Scale(value.scale, value.offset).apply(raw)
    if value.time_at is None:
        return Reading(number, asked_ms)
    return Reading(number, _read_time(_find(document, value.time_at), value.time_format))


def _find(document: Any, pointer: str) -> Any:
    try:
        return parse_pointer(pointer).find(document)
    except Missing as missing:
        raise SourceFault(FaultKind.MISSING, str(missing)) from missing


def _read_time(found: Any, form: str) -> int:
    """Return milliseconds since 1970, rounded down."""
    if form == "iso-8601":
        return _read_iso(found)
    number = read_number(found)
    moment_ms = int(number * SECOND_MS) if form == "unix-s" else int(number)
    return _ensure_moment(moment_ms)


def _read_iso(found: Any) -> int:
    if not isinstance(found, str) or len(found) > 40:
        raise SourceFault(FaultKind.MALFORMED, f"{found!r:.40} is no time")
    try:
        moment = datetime.fromisoformat(found)
    except ValueError as error:
        raise SourceFault(FaultKind.MALFORMED, f"{found!r:.40} is no time") from error
    if moment.tzinfo is None:
        raise SourceFault(FaultKind.MALFORMED, f"{found!r:.40} names no time zone")
    try:
        since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError as error:
        raise SourceFault(FaultKind.MALFORMED, f"{found!r:.40} is no time") from error
    return _ensure_moment((since.days * 86_400 + since.seconds) * SECOND_MS + since.microseconds // 1_000)


def _ensure_moment(moment_ms: int) -> int:
    if not 0 <= moment_ms <= YEAR_9999_MS:
        raise SourceFault(FaultKind.MALFORMED, "a time before 1970 or after 9999")
    return moment_ms


def _check_age(measured_ms: int, asked_ms: int, age_max_ms: int, ahead_max_ms: int) -> None:
    age_ms = asked_ms - measured_ms
    if age_ms > age_max_ms:
        raise SourceFault(FaultKind.STALE, f"measured {age_ms} ms ago, at most {age_max_ms}")
    if -age_ms > ahead_max_ms:
        raise SourceFault(FaultKind.FUTURE, f"measured {-age_ms} ms in the future")
