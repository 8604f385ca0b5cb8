"""What the gateways are given: a row for each hour, in the units of the feeds, from the first slot on."""

import csv
from decimal import Decimal
from pathlib import Path

from apps.demo.providers import FEEDS, SCALES, TABLE_FILE, make_config, measure, write_table
from apps.demo.week import WEEK_HOURS
from apps.gateway.csv_source import load_rows
from apps.gateway.quantity import to_whole
from apps.gateway.settings import CsvSource
from genesis.oracle import DEV_QUORUM, make_feeds
from tests.apps.demo.stories import WEEK

URLS = ("ws://127.0.0.1:9944", "ws://127.0.0.1:9945")
RULES = {feed.key.decode(): feed.rules for feed in make_feeds(DEV_QUORUM)}


def test_all_values_of_the_week_are_in_the_range_of_their_feeds() -> None:
    for number in range(WEEK_HOURS):
        for key, value in measure(WEEK.hour(number)).items():
            assert RULES[key].least <= value <= RULES[key].greatest, (number, key)


def test_scales_are_the_decimals_of_the_feeds() -> None:
    assert {key: Decimal(scale) for key, scale in SCALES.items()} == {
        key: Decimal(1).scaleb(-RULES[key].decimals) for key in FEEDS
    }


def test_table_has_a_row_for_each_hour(tmp_path: Path) -> None:
    write_table(WEEK, 30, tmp_path / TABLE_FILE)
    with (tmp_path / TABLE_FILE).open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{key: int(cell) for key, cell in row.items()} for row in rows] == [
        measure(WEEK.hour(number)) for number in range(30)
    ]


def test_a_gateway_reads_from_the_table_what_was_measured(tmp_path: Path) -> None:
    write_table(WEEK, WEEK_HOURS, tmp_path / TABLE_FILE)
    config = make_config(URLS, tmp_path, "bob", 6_000_000, 6_000)
    assert config.nodes == URLS
    assert Path(config.state) == tmp_path / "bob"
    source = config.sources["week"]
    assert isinstance(source, CsvSource)
    assert (source.start_ms, source.row_ms, source.interpolate) == (6_000_000, 6_000, False)
    rows = load_rows(source, "sources.week")
    assert len(rows) == WEEK_HOURS
    for number in (0, 14, 100):
        for key, found in rows[number].found.items():
            assert isinstance(found, Decimal)
            assert to_whole(found, RULES[key].decimals) == measure(WEEK.hour(number))[key]
    assert all(config.feeds[key].confirm == 1 for key in FEEDS)
