"""Rows of a range of blocks into a file: streamed, resumed after an interruption, with a proof of each.

Responsible for the work folder beside the output, in which rows are collected, and for the output, which
gets its name only when all of it is there. Memory holds a page of blocks whatever the range.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

from apps.audit.errors import Differs, Unchecked
from apps.audit.plain import Record
from apps.audit.rows import Kind, Row, columns_of, csv_line, csv_text, json_line, rows_of
from apps.audit.spool import Spool
from apps.audit.witness import PAGE, Witness
from apps.chain.metadata import Metadata
from runtime.primitives.block import hash_header
from runtime.primitives.types import ZERO_HASH, Hash

STATE: Final = "state.json"
Advance = Callable[[int], None]


class Range(NamedTuple):
    """What is exported: blocks from one number to another, rows of a kind, proven or not."""

    genesis: Hash
    kind: Kind
    first: int
    last: int
    is_proven: bool


class Progress(NamedTuple):
    """How far an export has come: the next block, the hash of the one before it, rows and their bytes."""

    following: int
    before: Hash
    rows: int
    size: int


@asynccontextmanager
async def collect(witness: Witness, wanted: Range, folder: Path, advance: Advance) -> AsyncIterator[Spool]:
    """Lend the rows of a range, all of them collected; goes on where an earlier run ended."""
    begun = load_progress(folder, wanted)
    with Spool(folder, begun.rows, begun.size) as spool:
        await _collect_into(spool, witness, wanted, (folder, begun), advance)
        yield spool


def load_progress(folder: Path, wanted: Range) -> Progress:
    """Return how far a folder's work has come; Unchecked when it is of another export."""
    path = folder / STATE
    if not path.exists():
        return Progress(wanted.first, ZERO_HASH, 0, 0)
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        found = Progress(
            state["following"], Hash(bytes.fromhex(state["before"])), state["rows"], state["size"]
        )
        is_same = state["range"] == _describe(wanted)
    except (ValueError, KeyError, TypeError) as error:
        raise Unchecked(f"{path} is damaged: remove {folder} and begin anew") from error
    if not is_same:
        raise Unchecked(f"{folder} has begun another export: remove it, or name another file")
    return found


def find_last(folder: Path) -> int | None:
    """Return up to which block the export in a folder goes; None where none has begun."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["range"][3])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Unchecked(f"{path} is damaged: remove {folder} and begin anew") from error


def save_progress(folder: Path, wanted: Range, progress: Progress) -> None:
    """Note how far the work in a folder has come; the note is replaced as a whole."""
    state = {**progress._asdict(), "before": progress.before.hex(), "range": _describe(wanted)}
    unfinished = folder / f".{STATE}"
    unfinished.write_text(json.dumps(state), encoding="utf-8")
    unfinished.replace(folder / STATE)


def render(spool: Spool, kind: Kind, metadata: Metadata, *, is_csv: bool) -> Iterator[str]:
    """Give the lines of the output."""
    if is_csv:
        columns = columns_of(kind, metadata)
        yield csv_text(columns)
        for record in _records(spool):
            yield csv_line(columns, _row(record))
        return
    for record in _records(spool):
        yield json_line(_row(record))


def write_lines(path: Path, lines: Iterator[str]) -> None:
    """Write a file that gets its name when all of it is written."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            write_all(file, lines)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_all(file: IO[str], lines: Iterator[str]) -> None:
    """Write lines to an open file."""
    for line in lines:
        file.write(line)


async def _collect_into(
    spool: Spool, witness: Witness, wanted: Range, work: tuple[Path, Progress], advance: Advance
) -> None:
    """Add the rows that a folder's work has not come to yet."""
    folder, begun = work
    is_resumed = begun.following > wanted.first
    first = begun.following - is_resumed
    advance(begun.following - wanted.first)
    async for block in witness.events(first, wanted.last):
        number, block_hash = block.header.number, hash_header(block.header)
        if number < begun.following:
            if block_hash != begun.before:
                raise Differs(
                    f"block {number} is not the one that was exported: remove {folder} and begin anew"
                )
            continue
        for row in rows_of(wanted.kind, block):
            spool.append(row.record)
        if (number - wanted.first + 1) % PAGE == 0 or number == wanted.last:
            spool.flush()
            save_progress(folder, wanted, Progress(number + 1, block_hash, spool.length, spool.size))
            advance(number - wanted.first + 1)


def _records(spool: Spool) -> Iterator[Record]:
    for record in spool.rows():
        assert isinstance(record, dict), "rows of an export are records"
        yield record


def _row(record: Record) -> Row:
    return Row(record["block"], record["event"], record["part"], record)


def _describe(wanted: Range) -> list[object]:
    return [wanted.genesis.hex(), wanted.kind.value, wanted.first, wanted.last, wanted.is_proven]
