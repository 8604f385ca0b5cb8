"""A table of real measurements replayed as if it were measured now: for demonstrations and tests.

The place in the table follows from the time alone, so a gateway that restarts goes on where it would be, and
all who replay one table agree. Between two rows values go in a straight line, unless told otherwise. The
table is read whole at the start, with limits, and a row that cannot be read is named.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from apps.clock import WallClock
from apps.gateway.config import BUILTIN, DATA
from apps.gateway.errors import ConfigFault, FaultKind, SourceFault
from apps.gateway.quantity import Scale, read_number
from apps.gateway.readings import Poll, Reading
from apps.gateway.settings import CsvSource

FILE_BYTES_MAX: Final = 64 << 20
ROWS_MAX: Final = 1_000_000
GZIP: Final = b"\x1f\x8b"
UNREADABLE: Final = (OSError, EOFError, zlib.error)


class Row(NamedTuple):
    """The numbers of one line, by feed; `line` counts from 1 with the header."""

    line: int
    found: Mapping[str, Decimal | SourceFault]


class CsvPoller:
    """Replays one table."""

    def __init__(self, source: CsvSource, rows: tuple[Row, ...], clock: WallClock) -> None:
        assert rows, "a table has a row"
        self.source = source
        self._rows = rows
        self._clock = clock

    async def poll(self) -> Poll:
        """Return the numbers of this moment."""
        now_ms = self._clock.now_ms()
        elapsed_ms = max(0, now_ms - self.source.start_ms)
        number, into_ms = divmod(elapsed_ms, self.source.row_ms)
        row = self._rows[number % len(self._rows)]
        following = self._rows[(number + 1) % len(self._rows)]
        found: dict[str, Reading | SourceFault] = {}
        for key, value in row.found.items():
            if isinstance(value, SourceFault):
                found[key] = value
                continue
            after = following.found[key]
            end = after if self.source.interpolate and isinstance(after, Decimal) else value
            found[key] = Reading(value + (end - value) * into_ms / self.source.row_ms, now_ms)
        return Poll(found)


def load_rows(source: CsvSource, place: str) -> tuple[Row, ...]:
    """Return the rows of a table; ConfigFault naming file, line and column of what cannot be read."""
    path = DATA / source.file.removeprefix(BUILTIN) if source.file.startswith(BUILTIN) else Path(source.file)
    text = _read_text(path, f"{place}.file")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=source.delimiter, strict=True)
    try:
        rows = tuple(_read_rows(reader, source, path, place))
    except csv.Error as error:
        raise ConfigFault(f"{path}:{reader.line_num}", f"no table: {error}") from error
    if not rows:
        raise ConfigFault(str(path), "has no row")
    return rows


def _read_rows(reader: Iterator[list[str]], source: CsvSource, path: Path, place: str) -> Iterator[Row]:
    header = next(reader, [])
    columns: dict[str, int] = {}
    for key, value in source.values.items():
        if header.count(value.column) != 1:
            count = "no" if value.column not in header else "more than one"
            raise ConfigFault(
                f'{place}.values."{key}".column', f"{path} has {count} column {value.column!r:.60}"
            )
        columns[key] = header.index(value.column)
    scales = {key: Scale(value.scale, value.offset) for key, value in source.values.items()}
    for line, cells in enumerate(reader, 2):
        if line > ROWS_MAX + 1:
            raise ConfigFault(str(path), f"more than {ROWS_MAX} rows")
        row = Row(line, {key: _cell(cells, columns[key], scales[key], line) for key in columns})
        faults = [one for one in row.found.values() if isinstance(one, SourceFault)]
        if faults and not source.skip_bad_rows:
            raise ConfigFault(f"{path}:{line}", f"{faults[0].detail}; skip-bad-rows leaves such rows out")
        yield row


def _cell(cells: list[str], column: int, scale: Scale, line: int) -> Decimal | SourceFault:
    if column >= len(cells):
        return SourceFault(FaultKind.BAD_ROW, f"line {line}: only {len(cells)} columns")
    try:
        return scale.apply(read_number(cells[column].strip()))
    except SourceFault as fault:
        return SourceFault(FaultKind.BAD_ROW, f"line {line}: {fault.detail}")


def _read_text(path: Path, place: str) -> str:
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP
        with gzip.open(path) if packed else path.open("rb") as stream:
            data = stream.read(FILE_BYTES_MAX + 1)
    except UNREADABLE as error:
        raise ConfigFault(place, f"{path} cannot be read: {error}") from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigFault(place, f"{path} is larger than {FILE_BYTES_MAX} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigFault(place, f"{path} is not UTF-8 text") from error
