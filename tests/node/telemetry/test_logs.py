"""One event is one line; secrets and floods stay out of it, and a broken stream never breaks the node."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from node.telemetry.levels import LogFilter, parse_filters
from node.telemetry.logs import (
    HIDDEN,
    REPEAT_KEYS_MAX,
    REPEAT_WINDOW_S,
    REPEATS_MAX,
    WARNING_REPEATS_MAX,
    LogStyle,
    configure_logs,
)
from tests.support.clock import ManualClock


class Logs:
    """A configured logger and what it wrote."""

    def __init__(
        self, form: str = "json", filters: str = "", stream: io.TextIOBase | None = None, **style: bool
    ) -> None:
        self.clock = ManualClock()
        self.stream = stream or io.StringIO()
        self.filter = LogFilter(parse_filters([filters]))
        configure_logs(
            self.filter,
            LogStyle(form, **style),  # type: ignore[arg-type] # the tests pass the two words
            now_ms=self.clock.now_ms,
            monotonic=self.clock.monotonic,
            stream=self.stream,  # type: ignore[arg-type] # any text stream
            reloadable=True,
        )

    def lines(self) -> list[str]:
        assert isinstance(self.stream, io.StringIO)
        return self.stream.getvalue().splitlines()

    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines()]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level


def test_json_line_has_time_level_target_event_and_fields() -> None:
    logs = Logs()
    structlog.get_logger("rpc").info("rpc_listening", port=9944, hash=b"\x01\x02", names=("a", b"\x03"))
    assert logs.records() == [
        {
            "ts": "2025-01-01T00:00:00.000Z",
            "level": "info",
            "target": "rpc",
            "event": "rpc_listening",
            "port": 9944,
            "hash": "0x0102",
            "names": ["a", "0x03"],
        }
    ]


def test_any_value_makes_a_json_line() -> None:
    logs = Logs()
    values = {
        "a": 2**70,
        "b": "\ud800",
        "c": object,
        "d": {1: {2: float("inf")}},
        "e": "x" * 10_000,
        "f": b"x" * 1000,
    }
    structlog.get_logger("x").info("odd", **values, level="mine")
    (record,) = logs.records()
    assert record["a"] == str(2**70)
    assert record["level"] == "info"
    assert record["level_"] == "mine"
    assert len(logs.lines()[0]) < 6000


def test_console_line_is_quiet_at_info_and_marks_warnings() -> None:
    logs = Logs("console")
    log = structlog.get_logger("rpc")
    log.info("rpc_listening", port=9944, text="two words", empty="")
    log.warning("rpc_port_in_use", port=1)
    first, second = logs.lines()
    assert first[20:] == 'rpc_listening port=9944 text="two words" empty=""'
    assert second[20:] == "WARN rpc_port_in_use port=1"


def test_detailed_console_line_has_milliseconds_level_and_target() -> None:
    logs = Logs("console", detailed=True)
    logs.clock.advance(7)
    structlog.get_logger("rpc").info("event")
    assert logs.lines()[0][19:] == ".007  INFO rpc: event"


def test_colours_only_on_demand() -> None:
    logs = Logs("console", color=True)
    structlog.get_logger("rpc").error("bad")
    assert "\x1b[31mERROR \x1b[0m" in logs.lines()[0]


def test_control_characters_of_strangers_are_escaped_on_the_console() -> None:
    logs = Logs("console")
    structlog.get_logger("sync").info("peer", name="evil\n2026 INFO Imported #9\x1b[2J", k="\u202e\ud800")
    (line,) = logs.lines()
    assert "\x1b" not in line
    assert "\\n2026" in line
    assert "\u202e" not in line


def test_levels_are_set_by_target_and_may_be_replaced() -> None:
    logs = Logs(filters="warn,rpc=debug")
    rpc, sync = structlog.get_logger("rpc"), structlog.get_logger("sync")
    rpc.debug("shown")
    sync.info("hidden")
    sync.warning("shown")
    logs.filter.replace({"": logging.ERROR})
    rpc.debug("hidden")
    sync.warning("hidden")
    assert [record["event"] for record in logs.records()] == ["shown", "shown"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_fields_named_as_secrets_are_hidden(form: str) -> None:
    logs = Logs(form)
    names = ("suri", "secret_key", "seed", "password", "mnemonic_text", "node_key", "PRIVATE")
    structlog.get_logger("keystore").info("key_inserted", **dict.fromkeys(names, "hunter2"))
    assert "hunter2" not in logs.lines()[0]
    assert logs.lines()[0].count(HIDDEN) == len(names)


def test_traceback_has_no_local_variables() -> None:
    logs = Logs("console")
    hidden = "why"
    also_hidden = "hunter2" + hidden
    try:
        int(hidden)
    except ValueError:
        structlog.get_logger("rpc").exception("failed")
    text = "\n".join(logs.lines())
    assert "ValueError: invalid literal" in text
    assert also_hidden not in text


def test_repeats_are_limited_and_counted() -> None:
    logs = Logs()
    log = structlog.get_logger("sync")
    for _ in range(WARNING_REPEATS_MAX + 5):
        log.warning("peer_misbehaved")
    log.warning("something_else")
    assert len(logs.lines()) == WARNING_REPEATS_MAX + 1
    logs.clock.advance(int(REPEAT_WINDOW_S * 1000))
    log.warning("peer_misbehaved")
    assert logs.records()[-1]["repeats_left_out"] == 5


def test_informational_events_have_the_larger_limit_and_debug_none() -> None:
    logs = Logs(filters="debug")
    log = structlog.get_logger("x")
    for _ in range(REPEATS_MAX + 50):
        log.info("block_imported")
        log.debug("detail")
    events = [record["event"] for record in logs.records()]
    assert (events.count("block_imported"), events.count("detail")) == (REPEATS_MAX, REPEATS_MAX + 50)


def test_flood_of_different_events_is_bounded_too() -> None:
    logs = Logs()
    log = structlog.get_logger("x")
    for number in range(3 * REPEAT_KEYS_MAX):
        log.warning("event %d", number)
    assert len(logs.lines()) == REPEAT_KEYS_MAX


class BrokenStream(io.StringIO):
    """Fails as a closed pipe or a full disk does."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [BrokenStream(), io.TextIOWrapper(io.BytesIO(), encoding="ascii")])
def test_failing_or_narrow_streams_do_not_fail_the_node(stream: io.TextIOBase) -> None:
    Logs("console", stream=stream)
    structlog.get_logger("x").info("ünïcode →")
    if isinstance(stream, io.TextIOWrapper):
        assert b"\\xfcn\\xefcode" in stream.buffer.getvalue()
        stream.detach()


def test_closed_stream_does_not_fail_the_node() -> None:
    stream = io.StringIO()
    Logs("console", stream=stream)
    stream.close()
    structlog.get_logger("x").error("nobody hears")


def test_standard_library_warnings_are_led_into_the_same_stream() -> None:
    logs = Logs()
    logging.getLogger("aiohttp.server").warning("odd %s", "request")
    logging.getLogger("aiohttp.server").info("not shown")
    assert [(record["target"], record["event"]) for record in logs.records()] == [
        ("aiohttp.server", "odd request")
    ]


def test_logger_without_a_target_is_loam() -> None:
    logs = Logs()
    structlog.get_logger().info("event")
    assert logs.records()[0]["target"] == "loam"


def test_what_is_below_the_lowest_level_is_compiled_away() -> None:
    stream, clock = io.StringIO(), ManualClock()
    configure_logs(LogFilter({}), LogStyle(), now_ms=clock.now_ms, monotonic=clock.monotonic, stream=stream)
    log = structlog.get_logger("x").bind()
    assert "nop" in log.debug.__name__
    log.info("shown")
    assert "shown" in stream.getvalue()
