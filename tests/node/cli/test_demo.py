"""`loam demo energy-week` without any node: its chain, what it refuses at once, what it shows."""

import io
import json
import socket
from pathlib import Path

import pytest

from apps.demo import publish as publishing
from apps.demo.play import NETTING_LAG_SLOTS
from apps.demo.providers import FEEDS
from apps.demo.story import Check, list_checks
from apps.demo.week import load_week
from genesis.chain_spec import parse_spec
from genesis.energy_section import parse_energy, parse_parameters
from genesis.oracle import parse_oracle
from node.cli.demo_chain import OPERATOR, ZONE, make_demo_chain
from node.cli.demo_screen import Screen, make_result_json, show_result
from node.config import ExitCode
from pallets.energy_trading.fills import Rationing
from pallets.settlement.tariff import ON_PEAK_TICKS
from runtime.primitives.crypto import Keypair, Scheme
from tests.apps.demo.stories import make_story
from tests.node.cli.running import Loam
from tests.support.clock import ManualClock

NOW_MS = 1_796_000_000_000
WEEK = load_week()


def test_the_chain_has_the_rules_of_the_week() -> None:
    config = make_demo_chain(WEEK, 4, 168, 600, NOW_MS).spec.config
    assert config is not None
    parameters = parse_parameters(config["energy"], "energy")
    assert (parameters.slot_ms, parameters.epoch_slots) == (6_000, 24)
    energy = parse_energy(config["energy"], "energy")
    ((zone, grid),) = energy.zones
    assert (zone, grid.wheeling, grid.loss_ppm) == (ZONE, 2_000, 0)
    assert grid.operator == Keypair.from_uri(OPERATOR, Scheme.SR25519).account_id
    ((_, market),) = energy.markets
    assert (market.fee_bps, market.k_permille, market.rationing) == (100, 500, Rationing.PRO_RATA)
    assert market.qty_min == 1
    ((_, tariff),) = energy.tariffs
    assert (tariff.feed_in_ticks, tariff.retail_ticks) == (22_000, ON_PEAK_TICKS)
    assert (tariff.tolerance_permille, tariff.tolerance_min_wh, tariff.penalty_bps) == (0, 0, 0)


@pytest.mark.parametrize(("hours", "speed"), [(168, 600), (168, 1_800), (168, 60), (3, 1_800), (1, 600)])
def test_the_netting_ends_soon_after_the_last_hour(hours: int, speed: int) -> None:
    config = make_demo_chain(WEEK, 1, hours, speed, NOW_MS).spec.config
    assert config is not None
    parameters = parse_parameters(config["energy"], "energy")
    assert parameters.slot_ms * speed == 3_600_000
    assert parameters.epoch_slots == min(24, hours)
    now = NOW_MS // parameters.slot_ms
    starts = [
        slot
        for slot in range(now, now + 2 * parameters.epoch_slots + 20)
        if (slot + hours + NETTING_LAG_SLOTS + parameters.epoch_offset_slots) % parameters.epoch_slots == 0
    ]
    assert starts, "a first slot is found within a day or two"


def test_feeds_of_the_week_have_a_round_in_each_slot() -> None:
    config = make_demo_chain(WEEK, 4, 168, 600, NOW_MS).spec.config
    assert config is not None
    feeds, providers = parse_oracle(config["oracle"], "oracle")
    quick = {feed.key.decode() for feed in feeds if feed.rules.heartbeat_ms == 6_000}
    assert quick == set(FEEDS)
    assert len(providers) == 4


@pytest.mark.slow
def test_the_chain_is_a_spec_that_nodes_read(tmp_path: Path) -> None:
    chain = make_demo_chain(WEEK, 4, 168, 600, NOW_MS)
    spec = parse_spec(Path(chain.get_argument(tmp_path)).read_bytes())
    assert spec.genesis_state() == chain.spec.genesis_state()
    assert chain.authorities == ("Alice", "Bob", "Charlie", "Dave")


# --- refused before anything starts


@pytest.mark.parametrize(
    "arguments",
    [
        ("--hours", "0"),
        ("--hours", "169"),
        ("--nodes", "0"),
        ("--nodes", "22"),
        ("--speed", "59"),
        ("--speed", "1801"),
        ("--first", "168"),
        ("--first", "100", "--hours", "69"),
        ("--rpc-port", "0"),
        ("--hours", "x"),
    ],
)
def test_impossible_wishes_are_refused(arguments: tuple[str, ...], loam: Loam, tmp_path: Path) -> None:
    loam.fail(ExitCode.USAGE, "demo", "energy-week", "--output", str(tmp_path), *arguments)


def test_a_port_in_use_is_named(loam: Loam, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        arguments = ("--no-plots", "--output", tmp_path, "--rpc-port", str(port))
        err = loam.fail(ExitCode.PORT_IN_USE, "demo", "energy-week", *arguments)
    assert f"port {port} is in use; choose another with --rpc-port" in err


def test_an_output_that_cannot_be_written_is_refused(loam: Loam, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    err = loam.fail(ExitCode.USAGE, "demo", "energy-week", "--output", tmp_path / "taken")
    assert "taken: nothing can be written there" in err


def test_a_chain_that_is_kept_is_not_written_over(loam: Loam, tmp_path: Path) -> None:
    (tmp_path / "devnet.json").write_text("{}")
    err = loam.fail(ExitCode.USAGE, "demo", "energy-week", "--output", tmp_path, "--keep", tmp_path)
    assert "holds a chain already" in err


def test_missing_matplotlib_is_refused_before_anything_starts(
    loam: Loam, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "PLOTTER", "no_such_module")
    err = loam.fail(ExitCode.USAGE, "demo", "energy-week", "--output", tmp_path)
    assert "pip install 'loam[demo]'" in err
    assert "--no-plots" in err


def test_help_names_the_options(loam: Loam) -> None:
    text = loam.ok("demo", "energy-week", "--help")
    for option in ("--nodes", "--hours", "--first", "--speed", "--output", "--keep", "--no-plots", "--json"):
        assert option in text
    assert "energy-week" in loam.ok("demo", "--help")


# --- what is shown


def test_where_nobody_watches_a_line_comes_now_and_then() -> None:
    stream = io.StringIO()
    with Screen(stream, 30, 600, ManualClock()) as screen:
        screen.tell("the week")
        for hours in range(1, 31):
            screen.advance(hours)
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("30 hours of fifteen homes, 600 times faster: an hour takes 6 s")
    assert [line.split("  ")[1] for line in lines[2:]] == [
        f"{hours} of 30 hours are settled (day {day})"
        for hours, day in ((6, 1), (12, 1), (18, 1), (24, 1), (30, 2))
    ]


def test_the_result_tells_homes_and_verdict() -> None:
    story = make_story()
    text = show_result(story, list_checks(story, story.outcome), Path("index.html"))
    assert all(f"\n{home}  " in text for home in WEEK.homes)
    assert text.count("\nexact: ") == 3
    assert "฿1,527.40" in text
    wrong = show_result(story, (Check("balances", ("h01: 1 units, expected 2",)),), Path("x"))
    assert "NOT exact: balances\n  h01: 1 units, expected 2" in wrong


def test_the_result_is_json_for_programs() -> None:
    story = make_story()
    document = json.loads(make_result_json(story, list_checks(story, story.outcome), Path("index.html")))
    assert document["is_exact"] is True
    assert document["balances"]["h01"] == "-94367938826000"
    assert document["differences"] == []
    wrong = json.loads(make_result_json(story, (Check("x", ("y",)),), Path("x")))
    assert (wrong["is_exact"], wrong["differences"]) == (False, ["y"])
