"""structlog for the node: levels by target, secrets hidden, repeats limited, lines for people or machines.

`configure_logs` is called once by the program's entry; modules keep `log = structlog.get_logger("target")`.
Logging is the one thing that belongs to the process, not to a chain; lines of a chain carry the key `chain`.
It must not know what is logged, nor who listens.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TextIO

import orjson
import structlog
from structlog.typing import EventDict, WrappedLogger

from node.telemetry.levels import LogFilter
from node.telemetry.phrases import escape, render_line

REPEAT_WINDOW_S = 5.0
REPEATS_MAX = 200  # of one informational event in a window: blocks sealed instantly stay below it
WARNING_REPEATS_MAX = 20
REPEAT_KEYS_MAX = 1024
JSON_TEXT_MAX = 4096

SECRET_WORDS = (
    "secret",
    "suri",
    "seed",
    "password",
    "passphrase",
    "phrase",
    "mnemonic",
    "node_key",
    "private",
)
RESERVED = frozenset({"ts", "level", "target"})
HIDDEN = "[hidden]"
LEVEL_COLORS = {"error": "\x1b[31m", "critical": "\x1b[31m", "warning": "\x1b[33m", "debug": "\x1b[34m"}
DIM, RESET = "\x1b[2m", "\x1b[0m"
SHORT_LEVELS = {"warning": "WARN", "critical": "ERROR", "exception": "ERROR"}


class LogStyle(NamedTuple):
    """How lines look; colours and details are the console's."""

    form: Literal["console", "json"] = "console"
    color: bool = False
    detailed: bool = False


class TargetLogger:
    """Writes finished lines of one target to a stream; a stream that fails never fails the node."""

    def __init__(self, target: str, stream: TextIO) -> None:
        self.target = target
        self._stream = stream

    def write(self, line: str) -> None:
        """Write one line; a closed pipe, a full disk or a narrow encoding loses text, not the node."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except UnicodeEncodeError:
            self._write_ascii(line)
        except (OSError, ValueError):
            return

    def _write_ascii(self, line: str) -> None:
        try:
            self._stream.write(line.encode("ascii", "backslashreplace").decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = fatal = msg = write


class RepeatLimit:
    """Drops an event that comes too often in a window; when it comes again, says how many were left out."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._window_ends = 0.0
        self._counts: dict[tuple[str, str], int] = {}
        self._dropped: dict[tuple[str, str], int] = {}

    def __call__(self, logger: TargetLogger, level: str, event: EventDict) -> EventDict:
        """Pass the event on, or raise DropEvent."""
        if level == "debug":
            return event
        now = self._now()
        if now >= self._window_ends:
            self._window_ends = now + REPEAT_WINDOW_S
            self._counts.clear()
        key = (logger.target, str(event.get("event"))[:80])
        count = self._counts.get(key, 0) + 1
        if count > (REPEATS_MAX if level == "info" else WARNING_REPEATS_MAX) or self._is_full(key):
            self._dropped[key] = self._dropped.get(key, 0) + 1
            raise structlog.DropEvent
        self._counts[key] = count
        if key in self._dropped:
            event["repeats_left_out"] = self._dropped.pop(key)
        return event

    def _is_full(self, key: tuple[str, str]) -> bool:
        if len(self._dropped) >= REPEAT_KEYS_MAX:
            self._dropped.clear()
        return len(self._counts) >= REPEAT_KEYS_MAX and key not in self._counts


def configure_logs(
    log_filter: LogFilter,
    style: LogStyle,
    *,
    now_ms: Callable[[], int],
    monotonic: Callable[[], float],
    stream: TextIO | None = None,
    reloadable: bool = False,
) -> None:
    """Set up structlog and lead the standard library's warnings into it; the process's entry calls this once.

    Without `reloadable` the lowest level of the filter is compiled in: what is below costs next to nothing.
    """
    output = stream or sys.stderr
    renderer = JsonRenderer(now_ms) if style.form == "json" else ConsoleRenderer(now_ms, style)
    minimum = logging.NOTSET if reloadable else log_filter.minimum
    structlog.configure(
        processors=[LevelGate(log_filter), RepeatLimit(monotonic), add_traceback, hide_secrets, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(minimum),
        context_class=dict,
        logger_factory=lambda *names: TargetLogger(str(names[0]) if names else "loam", output),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [StandardHandler()]
    root.setLevel(logging.WARNING)


class LevelGate:
    """Drops what the filter does not show of a target."""

    def __init__(self, log_filter: LogFilter) -> None:
        self._filter = log_filter

    def __call__(self, logger: TargetLogger, level: str, event: EventDict) -> EventDict:
        """Pass the event on, or raise DropEvent."""
        if _LEVEL_NUMBERS.get(level, logging.ERROR) < self._filter.get_level(logger.target):
            raise structlog.DropEvent
        return event


_LEVEL_NUMBERS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def add_traceback(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the traceback's text, which has no local variables and so no secrets."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["traceback"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def hide_secrets(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Blank every field whose name says that it is secret."""
    for key in event:
        if key != "event" and any(word in key.lower() for word in SECRET_WORDS):
            event[key] = HIDDEN
    return event


class ConsoleRenderer:
    """Lines for people: time, a level where it matters, the phrase or the event with its fields."""

    def __init__(self, now_ms: Callable[[], int], style: LogStyle) -> None:
        self._now_ms = now_ms
        self._color = style.color
        self._detailed = style.detailed
        self._second = -1
        self._stamp = ""

    def __call__(self, logger: TargetLogger, level: str, event: MutableMapping[str, object]) -> str:
        """Return the line."""
        trace = event.pop("traceback", None)
        name = str(event.pop("event", ""))
        text = render_line(name, event)
        now_ms = self._now_ms()
        head = self._get_stamp(now_ms // 1000)
        short = SHORT_LEVELS.get(level, level.upper())
        if self._detailed:
            mark = f"{short:>5} {logger.target}: "
            head = f"{head}.{now_ms % 1000:03}"
        else:
            mark = "" if level == "info" else f"{short} "
        if self._color:
            head = f"{DIM}{head}{RESET}"
            mark = f"{LEVEL_COLORS.get(level, '')}{mark}{RESET}" if mark else ""
        line = f"{head} {mark}{text}"
        return line if trace is None else f"{line}\n{trace}"

    def _get_stamp(self, second: int) -> str:
        if second != self._second:
            self._second = second
            self._stamp = f"{datetime.fromtimestamp(second, UTC).astimezone():%Y-%m-%d %H:%M:%S}"
        return self._stamp


class JsonRenderer:
    """Lines for machines: ts, level, target, event, fields; one JSON object each."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms

    def __call__(self, logger: TargetLogger, level: str, event: MutableMapping[str, object]) -> str:
        """Return the line."""
        now_ms = self._now_ms()
        stamp = f"{datetime.fromtimestamp(now_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{now_ms % 1000:03}Z"
        name = event.pop("event", "")
        record = {"ts": stamp, "level": level, "target": logger.target, "event": _to_json(name)}
        for key, value in event.items():
            record[f"{key}_" if key in RESERVED else key] = _to_json(value)
        return orjson.dumps(record).decode()


def _to_json(value: object) -> object:
    """Return something orjson takes, however odd: bytes as hex, long text cut, big integers as text."""
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if -(2**53) < value < 2**53 else str(value)
        case bytes() | bytearray() | memoryview():
            return "0x" + bytes(value[:32]).hex() + ("…" if len(value) > 32 else "")
        case list() | tuple():
            return [_to_json(element) for element in value[:100]]
        case dict():
            return {str(key): _to_json(element) for key, element in list(value.items())[:100]}
        case _:
            text = value if isinstance(value, str) else str(value)
            return text[:JSON_TEXT_MAX].encode("utf-8", "backslashreplace").decode()


class StandardHandler(logging.Handler):
    """Passes records of the standard library's loggers (asyncio, aiohttp) on to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record under its logger's name."""
        log = structlog.get_logger(record.name)
        message = escape(record.getMessage(), JSON_TEXT_MAX)
        log.log(min(record.levelno, logging.ERROR), message, exc_info=record.exc_info or None)
