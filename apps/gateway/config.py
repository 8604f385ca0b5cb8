"""Reading a gateway's configuration: TOML to `settings.py`'s records, every mistake with its place.

The file is read table by table, since a message has to say which source and which feed it means. Nothing is
fetched and no secret is read here.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import structs

from apps.gateway.errors import ConfigFault
from apps.gateway.pointer import parse_pointer
from apps.gateway.quantity import is_sane, parse_decimal
from apps.gateway.settings import (
    NAME_PATTERN,
    SOURCES_MAX,
    VALUES_MAX,
    ApiKey,
    CsvSource,
    CsvValue,
    FeedSetting,
    HttpSource,
    JsonValue,
    Main,
    MqttSource,
    MqttValue,
    Secret,
    Source,
)
from runtime.primitives.types import Hash

FILE_BYTES_MAX: Final = 1 << 20
SETTINGS_MAX: Final = 64
"""Settings of one source."""
BUILTIN: Final = "builtin:"
"""Begins the name of a table that comes with the program."""
DATA: Final = Path(__file__).parent / "data"
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_NAME: Final = re.compile(NAME_PATTERN)
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*?)`")
_AT: Final = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_WORDS: Final = (
    (" | null", ""),
    ("`int`", "a whole number"),
    ("`decimal`", "a number"),
    ("`str`", "text"),
    ("`bool`", "true or false"),
    ("`object`", "a table"),
    ("`array`", "a list"),
    ("`float`", "a number with a point"),
)


def load_config(path: Path) -> Main:
    """Return the configuration in a file; ConfigFault. Paths in it stand relative to the file."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigFault(str(path), f"cannot be read: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigFault(str(path), f"larger than {FILE_BYTES_MAX} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConfigFault(str(path), "not UTF-8 text") from error
    try:
        return parse_config(text, path.parent)
    except ConfigFault as fault:
        raise ConfigFault(str(path), str(fault)) from fault


def parse_config(text: str, folder: Path) -> Main:
    """Return the configuration of a text; ConfigFault names the place in it."""
    try:
        document = tomllib.loads(text, parse_float=parse_decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigFault("", f"not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a thousand nested arrays
        raise ConfigFault("", "not valid TOML: a value is too long or too deep") from error
    sources = _table(document.pop("sources", {}), "sources", SOURCES_MAX)
    feeds = _table(document.pop("feeds", {}), "feeds", VALUES_MAX)
    main: Main = _convert(document, Main, "")
    made = {name: _source(name, raw, folder) for name, raw in sources.items()}
    settings = {key: _convert(raw, FeedSetting, f'feeds."{key}"') for key, raw in feeds.items()}
    account = _secret(main.provider.account, "provider.account", folder)
    config = structs.replace(
        main,
        state=_place(main.state, folder),
        provider=structs.replace(main.provider, account=account),
        sources=made,
        feeds=settings,
    )
    _check_chain(config)
    _check_feeds(config)
    return config


def list_feeds(config: Main) -> tuple[str, ...]:
    """Return the keys of all feeds that a source has a value of, in order."""
    return tuple(sorted({key for source in config.sources.values() for key in source.values}))


def parse_genesis(config: Main) -> Hash | None:
    """Return the hash of the chain's first block where the configuration names it."""
    return None if config.genesis is None else Hash(bytes.fromhex(config.genesis[2:]))


# --- parts


def _source(name: str, raw: Any, folder: Path) -> Source:
    place = f"sources.{name}"
    if not _NAME.fullmatch(name):
        raise ConfigFault(
            place[:60], "a source's name is 1 to 32 of a-z, 0-9, - and _, and begins with no sign"
        )
    table = _table(raw, place, SETTINGS_MAX)
    values = _table(table.pop("values", {}), f"{place}.values", VALUES_MAX)
    if not values:
        raise ConfigFault(place, f'has no value: name one as [{place}.values."price/energy"]')
    source: Source = _convert(table, Source, place)
    match source:
        case HttpSource():
            return _http(source, values, place, folder)
        case CsvSource():
            rows = {
                key: _value(one, CsvValue, f'{place}.values."{key}"', _check_scale)
                for key, one in values.items()
            }
            file = source.file if source.file.startswith(BUILTIN) else _place(source.file, folder)
            return structs.replace(source, file=file, values=rows)
        case MqttSource():
            return _mqtt(source, values, place, folder)


def _http(source: HttpSource, values: Mapping[str, Any], place: str, folder: Path) -> HttpSource:
    _check_url(source.url, f"{place}.url", {"http://", "https://"})
    if source.backoff_first_ms > source.backoff_max_ms:
        raise ConfigFault(f"{place}.backoff-first-ms", "longer than backoff-max-ms")
    for header, text in source.headers.items():
        if not _HEADER.fullmatch(header) or not text.isprintable() or not text.isascii():
            raise ConfigFault(f"{place}.headers", f"{header!r:.60} is no header of printable ASCII")
        if header.lower() in {"authorization", "cookie", "proxy-authorization"}:
            raise ConfigFault(
                f"{place}.headers", f"{header} is a secret: use auth, which is read from a file"
            )
    auth = source.auth
    if auth is not None:
        if isinstance(auth, ApiKey) and not _HEADER.fullmatch(auth.header):
            raise ConfigFault(f"{place}.auth.header", f"{auth.header!r:.60} is no header")
        auth = structs.replace(auth, secret=_secret(auth.secret, f"{place}.auth.secret", folder))
    made = {
        key: _value(raw, JsonValue, f'{place}.values."{key}"', _check_json) for key, raw in values.items()
    }
    return structs.replace(source, auth=auth, values=made)


def _mqtt(source: MqttSource, values: Mapping[str, Any], place: str, folder: Path) -> MqttSource:
    password = source.password
    if password is not None:
        if source.username is None:
            raise ConfigFault(f"{place}.username", "a password without a name")
        password = _secret(password, f"{place}.password", folder)
    made = {
        key: _value(raw, MqttValue, f'{place}.values."{key}"', _check_mqtt) for key, raw in values.items()
    }
    return structs.replace(source, password=password, values=made)


Value = TypeVar("Value", JsonValue, CsvValue, MqttValue)


def _value(raw: Any, kind: type[Value], place: str, check: Callable[[Value, str], None]) -> Value:
    made: Value = _convert(raw, kind, place)
    check(made, place)
    return made


def _check_scale(value: JsonValue | CsvValue | MqttValue, place: str) -> None:
    for name, number in (("scale", value.scale), ("offset", value.offset)):
        if not is_sane(number):
            raise ConfigFault(f"{place}.{name}", "expected a finite number of a sane size")
    if not value.scale:
        raise ConfigFault(f"{place}.scale", "0 makes every value the same")


def _check_mqtt(value: MqttValue, place: str) -> None:
    _check_json(value, place)
    if not value.topic.isprintable() or set(value.topic) & {"+", "#"}:
        raise ConfigFault(f"{place}.topic", "expected one topic, without + and #")


def _check_json(value: JsonValue | MqttValue, place: str) -> None:
    _check_scale(value, place)
    for name, text in (("at", value.at), ("time-at", value.time_at), ("unit-at", value.unit_at)):
        try:
            parse_pointer(text or "")
        except ValueError as error:
            raise ConfigFault(f"{place}.{name}", str(error)) from error
    if (value.unit_at is None) != (value.unit is None):
        raise ConfigFault(f"{place}.unit", "unit and unit-at belong together")


def _check_chain(config: Main) -> None:
    for number, url in enumerate(config.nodes):
        _check_url(url, f"nodes[{number}]", {"ws://", "wss://"})
    if len(set(config.nodes)) < len(config.nodes):
        raise ConfigFault("nodes", "one is listed twice")
    for place, text in (("genesis", config.genesis), ("provider.oracle-key", config.provider.oracle_key)):
        if text is not None and not _HEX.fullmatch(text):
            raise ConfigFault(place, "expected 0x and 64 hex digits")


def _check_feeds(config: Main) -> None:
    known = list_feeds(config)
    if not known:
        raise ConfigFault(
            "sources", 'there is none: name one as [sources.exchange], kind = "http", "csv" or "mqtt"'
        )
    for key in known:
        if not 1 <= len(key.encode()) <= 32:
            raise ConfigFault(f'"{key:.60}"', "a feed's key has 1 to 32 bytes")
    for key, setting in config.feeds.items():
        if key not in known:
            raise ConfigFault(f'feeds."{key}"', f"no source has a value of it{_suggest(key, known)}")
        count = sum(key in source.values for source in config.sources.values())
        if setting.sources_min > count:
            raise ConfigFault(f'feeds."{key}".sources-min', f"only {count} sources have a value of it")


def _check_url(url: str, place: str, schemes: set[str]) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigFault(place, f"no address: {error}") from error
    if f"{parts.scheme}://" not in schemes or not parts.hostname or port == 0 or not url.isprintable():
        raise ConfigFault(place, f"expected an address that begins with {' or '.join(sorted(schemes))}")
    if parts.username or parts.password:
        raise ConfigFault(place, "secrets do not belong into addresses: they end up in logs")


def _secret(secret: Secret, place: str, folder: Path) -> Secret:
    if (secret.file is not None) + (secret.env is not None) + secret.prompt != 1:
        raise ConfigFault(place, 'expected one of { file = "…" }, { env = "…" } or { prompt = true }')
    return secret if secret.file is None else structs.replace(secret, file=_place(secret.file, folder))


def _place(name: str, folder: Path) -> str:
    return str(folder / Path(name).expanduser())


def _table(found: Any, place: str, most: int) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ConfigFault(place, "expected a table")
    if len(found) > most:
        raise ConfigFault(place, f"at most {most}, found {len(found)}")
    return found


def _convert(raw: Any, kind: Any, place: str) -> Any:
    """Return raw data as a record of a kind, which may be a union."""
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        raise _explain(error, kind, place) from error


def _explain(error: msgspec.ValidationError, kind: Any, place: str) -> ConfigFault:
    """Return the fault in the operator's words, with the whole place."""
    found = _AT.fullmatch(str(error))
    assert found is not None, "the pattern takes any text"
    message, rest = found[1], (found[2] or "")
    where = ".".join(part for part in (place, rest) if part)
    unknown = _UNKNOWN.match(message)
    if unknown is not None:
        return ConfigFault(
            f"{where}.{unknown[1]:.60}".lstrip("."),
            f"unknown setting{'' if rest else _suggest(unknown[1], _keys(kind))}",
        )
    for word, text in _WORDS:
        message = message.replace(word, text)
    if "required field" in message:
        message = message.replace("Object missing required field", "missing:")
    return ConfigFault(where, message[:1].lower() + message[1:])


def _keys(kind: Any) -> Iterable[str]:
    kinds = getattr(kind, "__args__", (kind,))
    return [
        field.encode_name
        for one in kinds
        if hasattr(one, "__struct_fields__")
        for field in structs.fields(one)
    ]


def _suggest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word[:60], list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
