"""What people see: the banner with endpoints and accounts, progress, and the machine's scores."""

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from structlog.testing import capture_logs

from genesis.chain_spec import load_spec
from node.cli.banner import (
    WARNING,
    describe_node,
    lay_out_accounts,
    lay_out_node,
    list_accounts,
    show_banner,
)
from node.cli.benchmark import Score, count_per_second
from node.cli.progress import show_progress
from node.cli.purge import format_size
from node.config import Config, ExitCode, load_config
from node.service import Ready
from node.storage.directory import measure_directory
from runtime.primitives.types import Hash
from tests.node.cli.running import Loam
from tests.support.clock import ManualClock

READY = Ready(load_spec("dev"), Hash(bytes(32)), Path("/base"), 9944, 9615, True, 7, "12D3KooWx")


def shown(config: Config, ready: Ready = READY, *, terminal: bool = False) -> str:
    stream = io.StringIO()
    show_banner(ready, config, Console(file=stream, force_terminal=terminal, width=130))
    return stream.getvalue()


def test_banner_has_endpoints_and_funded_accounts_with_their_secrets() -> None:
    text = shown(load_config({"dev": True}, {}).config)
    for words in ("Development (dev)", "0x" + "00" * 32, "Alice", "AUTHORITY", "#7", "/base/chains/dev/db"):
        assert words in text
    assert "12D3KooWx" in text
    assert "http://127.0.0.1:9944  ws://127.0.0.1:9944" in text
    assert "http://127.0.0.1:9615/metrics" in text
    assert "?rpc=ws://127.0.0.1:9944" in text
    assert "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY" in text
    assert "//Alice//stash" in text
    assert "1,000,000 GRID" in text
    assert text.count("\n") < 60


def test_no_address_or_secret_is_cut_in_two_on_a_narrow_terminal() -> None:
    accounts = list_accounts(READY.spec)
    for width in (52, 60, 75, 76, 80, 91, 92, 120, 200):
        lines = [line.plain for text in lay_out_accounts(accounts, width) for line in text.split()]
        assert max(map(len, lines)) <= width
        for account in accounts:
            assert any(account.address in line for line in lines)
            assert any(f"  {account.uri}  " in line for line in lines)


def test_balances_stand_with_their_accounts_where_they_differ() -> None:
    accounts = [*list_accounts(READY.spec)[:2]]
    accounts[1] = accounts[1]._replace(balance="7 GRID")
    for width in (60, 200):
        text = "\n".join(line.plain for line in lay_out_accounts(accounts, width))
        assert "  1,000,000 GRID" in text
        assert "  7 GRID" in text
        assert "each" not in text


def test_endpoints_stand_below_their_labels_where_both_are_too_wide() -> None:
    lines = {"Role": "FULL", "Genesis hash": "0x" + "ab" * 32}
    assert [text.plain for text in lay_out_node(lines, 82)] == [
        "  Role          FULL",
        "  Genesis hash  0x" + "ab" * 32,
    ]
    assert [text.plain for text in lay_out_node(lines, 81)][1] == "  Genesis hash\n    0x" + "ab" * 32


def test_warning_is_red_on_a_terminal() -> None:
    assert f"\x1b[1;31m{WARNING}\x1b[0m" in shown(load_config({"dev": True}, {}).config, terminal=True)


def test_live_chain_shows_no_accounts() -> None:
    live = dataclasses.replace(READY, spec=dataclasses.replace(READY.spec, chain_type="Live"))
    text = shown(Config(name="x"), live)
    assert "//Alice" not in text
    assert WARNING not in text


def test_every_dev_account_is_listed_once() -> None:
    rows = list_accounts(READY.spec)
    assert len(rows) == len({row[2] for row in rows}) == 24


def test_banner_is_one_record_where_logs_are_json() -> None:
    with capture_logs() as logs:
        assert shown(load_config({"dev": True, "log_format": "json"}, {}).config) == ""
    (record,) = logs
    assert (record["event"], record["role"]) == ("node_started", "AUTHORITY")
    assert record["json_rpc_server"].startswith("http://127.0.0.1:9944")
    assert all(key.isidentifier() for key in record)


def test_external_rpc_is_shown_as_such() -> None:
    lines = describe_node(READY, Config(rpc_external=True))
    assert "0.0.0.0:9944" in lines["JSON-RPC server"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_lines_where_nobody_watches() -> None:
    clock, stream = ManualClock(), io.StringIO()
    with show_progress("Imported", 1000, clock.monotonic, stream=stream) as advance:
        for done in (10, 20):
            clock.advance(3000)
            advance(done)
        clock.advance(2000)
        advance(1000)
    assert stream.getvalue().splitlines() == [
        "Imported: 20 of 1,000, 3/s, 294 s left",
        "Imported: 1,000 of 1,000, 125/s",
    ]


def test_progress_is_a_bar_on_a_terminal_and_nothing_when_quiet() -> None:
    terminal, clock = Terminal(), ManualClock()
    with show_progress("Imported", 10, clock.monotonic, stream=terminal) as advance:
        advance(10)
    assert "10/10" in terminal.getvalue()
    quiet = Terminal()
    with show_progress("Imported", None, clock.monotonic, stream=quiet, quiet=True) as advance:
        advance(10)
    assert quiet.getvalue() == ""


def test_error_inside_a_bar_passes_through() -> None:
    with (
        pytest.raises(ValueError, match="why"),
        show_progress("x", 1, ManualClock().monotonic, stream=Terminal()),
    ):
        raise ValueError("why")


def test_rate_is_counted_by_the_clock() -> None:
    clock = ManualClock()
    assert count_per_second(clock, lambda: clock.advance(10), 1.0) == 100


def test_machine_is_measured(loam: Loam, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("node.cli.benchmark.MEASURE_S", 0.01)
    text = loam.ok("benchmark", "machine", "--json", "--allow-fail", "-d", tmp_path / "not" / "there")
    scores = [json.loads(line) for line in text.splitlines()]
    assert {"blake2b-256", "sr25519 verify", "synced writes of 64 KiB"} <= {score["name"] for score in scores}
    assert all(score["value"] > 0 for score in scores)
    assert list(tmp_path.iterdir()) == []
    assert "measured" in loam.ok("benchmark", "machine", "--tmp", "--allow-fail")


def test_slow_machine_has_an_exit_code(loam: Loam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cli.benchmark.measure_machine", lambda *_: [Score("x", "1/s", 1, 2)])
    outcome = loam("benchmark", "machine", "--tmp")
    assert (outcome.code, "too slow" in outcome.out) == (ExitCode.ERROR, True)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**30, "5.0 GiB"), (2**50, "1024.0 TiB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    assert format_size(size) == text


def test_directory_is_measured(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(10))
    (tmp_path / "dangling").symlink_to("nowhere")
    assert measure_directory(tmp_path) == 10 + len("nowhere")
