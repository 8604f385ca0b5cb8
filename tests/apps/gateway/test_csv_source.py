"""A table is replayed by time alone, and a row that cannot be read is named."""

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.gateway import csv_source
from apps.gateway.csv_source import CsvPoller, load_rows
from apps.gateway.errors import ConfigFault, FaultKind, SourceFault
from apps.gateway.readings import Reading
from apps.gateway.settings import CsvSource, CsvValue
from tests.support.gateway import KEY, NOW_MS, HandClock

TABLE = "when,price\n0,4.00\n1,5.00\n2,3.00\n"
ROW_MS = 1_000


def table(path: Path, text: str | bytes = TABLE, **changes: Any) -> CsvSource:
    file = path / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    settings: dict[str, Any] = {"row_ms": ROW_MS, "values": {KEY: CsvValue("price")}}
    return CsvSource(str(file), **(settings | changes))


async def replay(source: CsvSource, *moments_ms: int) -> list[Any]:
    clock = HandClock()
    poller = CsvPoller(source, load_rows(source, "sources.t"), clock)
    found = []
    for moment_ms in moments_ms:
        clock.moment_ms = moment_ms
        one = (await poller.poll()).found[KEY]
        found.append(one if isinstance(one, SourceFault) else one.number)
    return found


async def test_values_go_from_row_to_row_in_straight_lines_and_over_again(tmp_path: Path) -> None:
    found = await replay(table(tmp_path), 0, 250, 1_000, 1_500, 2_000, 2_500, 3_000)
    assert found == [Decimal(text) for text in ("4", "4.25", "5", "4", "3", "3.5", "4")]


async def test_without_interpolation_a_value_stands_until_the_next_row(tmp_path: Path) -> None:
    found = await replay(table(tmp_path, interpolate=False), 0, 999, 1_000, 2_999, 3_000)
    assert found == [4, 4, 5, 3, 4]


async def test_the_replay_begins_where_it_is_told_to(tmp_path: Path) -> None:
    source = table(tmp_path, start_ms=NOW_MS, interpolate=False)
    assert await replay(source, NOW_MS - 5, NOW_MS, NOW_MS + 1_000) == [4, 4, 5]


async def test_a_replayed_value_was_measured_now(tmp_path: Path) -> None:
    source = table(tmp_path, interpolate=False)
    poll = await CsvPoller(source, load_rows(source, "t"), HandClock()).poll()
    assert poll.found == {KEY: Reading(Decimal([4, 5, 3][NOW_MS // ROW_MS % 3]), NOW_MS)}


async def test_gzip_quotes_other_delimiters_and_marks_of_byte_order_are_read(tmp_path: Path) -> None:
    text = '\ufeffwhen;"price"\r\n0;"4.00"\r\n'
    packed = gzip.compress(text.encode())
    assert await replay(table(tmp_path, packed, delimiter=";"), 0) == [4]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", "''"),
        ("x", "'x'"),
        ("nan", "'nan'"),
        ("1e99", "beyond"),
        ("4,5,6", "line 3"),
        ("1e39999", "'1e39999'"),
    ],
)
def test_a_bad_row_is_named_by_line(tmp_path: Path, cell: str, message: str) -> None:
    source = table(tmp_path, f"when,price\n0,4\n1,{cell}\n" if "," not in cell else "when,price\n0,4\n1\n")
    with pytest.raises(ConfigFault) as caught:
        load_rows(source, "sources.t")
    assert f"{tmp_path}/t.csv:3: line 3" in str(caught.value)
    assert message in str(caught.value)


async def test_bad_rows_that_may_be_skipped_are_faults_while_they_last(tmp_path: Path) -> None:
    found = await replay(table(tmp_path, "price\n4\nx\n2\n", skip_bad_rows=True), 500, 1_000, 2_000)
    assert (found[0], found[2]) == (4, 2)
    assert found[1].kind is FaultKind.BAD_ROW
    assert "line 3" in found[1].detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no column 'price'"),
        (b"when\n0\n", "no column 'price'"),
        (b"price,price\n0,1\n", "more than one column 'price'"),
        (b"when,price\n", "has no row"),
        (b'price\n"4\n', "no table"),
        (b'price\n"4"x\n', "no table"),
        (b"\xff\xfe", "not UTF-8"),
        (b"\x1f\x8b\x00", "cannot be read"),
        (gzip.compress(b"price\n4\n", mtime=0)[:-6], "cannot be read"),
    ],
    ids=lambda one: repr(one[:20]),
)
def test_a_file_that_is_no_table_of_the_column_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(ConfigFault) as caught:
        load_rows(table(tmp_path, text), "sources.t")
    assert message in str(caught.value)


def test_a_file_that_is_missing_or_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigFault, match=r"^sources.t.file: .*cannot be read"):
        load_rows(CsvSource(str(tmp_path / "none"), 1), "sources.t")
    monkeypatch.setattr(csv_source, "FILE_BYTES_MAX", len(TABLE))
    assert load_rows(table(tmp_path), "t")
    with pytest.raises(ConfigFault, match="larger than"):
        load_rows(table(tmp_path, gzip.compress(TABLE.encode() + b"\n")), "t")


def test_more_rows_than_the_limit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "ROWS_MAX", 3)
    assert len(load_rows(table(tmp_path), "t")) == 3
    with pytest.raises(ConfigFault, match="more than 3 rows"):
        load_rows(table(tmp_path, TABLE + "3,1\n"), "t")
