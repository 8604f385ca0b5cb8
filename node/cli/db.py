"""`db`: verify, compact, inspect and back up the database of a stopped node.

It must not repair anything: a repaired LevelDB can hold wrong values that pass every later check.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import orjson

from genesis.chain_spec import load_spec
from node.chain.opening import holds_chain, is_body_right
from node.cli.blocks import chain_options, describe_absence, progress_option
from node.cli.options import resolve_options
from node.cli.progress import show_progress
from node.cli.purge import format_size
from node.clock import SystemClock
from node.config import ConfigError, ExitCode, StartError, UsageError
from node.storage.blocks import BlockStore
from node.storage.columns import Column
from node.storage.directory import measure_directory
from node.storage.leveldb import LOCK_NAME, LevelDbKeyValue
from node.storage.lock import DirectoryLock
from node.storage.marker import sync_directory
from node.storage.verify import walk
from runtime.primitives.block import decode_header
from runtime.primitives.tree import Tree

COLUMN_NAMES = {
    getattr(Column, name): name.lower() for name in vars(Column) if name.isupper() and name != "ALL"
}


@click.group("db")
def db() -> None:
    """Verify, compact, inspect or back up the database of a stopped node."""


@db.command("verify")
@progress_option
@chain_options
def verify(*, no_progress: bool, **values: Any) -> None:
    """Check every block and the state.

    Blocks are checked by hash, the state by its root; exit code 4 if anything is wrong.
    """
    path = find_database(values)
    if not holds_chain(path):
        raise ConfigError(describe_absence(path))
    with open_database(path) as kv:
        store = BlockStore(kv)
        finalized = store.finalized()
        faults = 0
        with show_progress(
            "Verified", finalized.number + 1, SystemClock().monotonic, quiet=no_progress
        ) as advance:
            for number, fault in walk(store, 0, finalized.number, is_body_right):
                if fault is not None:
                    faults += 1
                    click.echo(fault, err=True)
                advance(number + 1)
        header = store.header(finalized.hash)
        root = Tree.from_items(store.state_iter()).root
        if header is not None and decode_header(header).state_root != root:
            faults += 1
            click.echo(f"the state has not the root that block {finalized.number} names", err=True)
        store.close()
    if faults:
        raise StartError(f"the database is damaged: {faults} faults", ExitCode.DATABASE_CORRUPT)
    first = f"0 and {store.first_block}" if store.first_block else "0"
    click.echo(f"Blocks {first} to {finalized.number} and the state 0x{root.hex()} are whole.")


@db.command("compact")
@chain_options
def compact(**values: Any) -> None:
    """Rewrite the database without deleted values."""
    path = find_database(values)
    before = measure_directory(path)
    with open_database(path) as store:
        store.compact()
    click.echo(f"{path}: {format_size(before)} before, {format_size(measure_directory(path))} now.")


@db.command("inspect")
@click.option("--count", is_flag=True, help="Count the entries too, which reads the whole database.")
@chain_options
def inspect(*, count: bool, **values: Any) -> None:
    """Show as JSON what the database takes on disk, by column."""
    path = find_database(values)
    with open_database(path) as store:
        columns: dict[str, dict[str, int]] = {}
        for prefix, name in COLUMN_NAMES.items():
            stop = bytes([prefix[0] + 1])
            columns[name] = {"approximate_bytes": store.approximate_size(prefix, stop)}
            if count:
                columns[name]["entries"] = sum(1 for _ in store.keys(prefix, stop))
        document = {
            "path": str(path),
            "genesis_hash": f"0x{store.genesis.hex()}",
            "writes": store.sequence,
            "bytes": measure_directory(path),
            "columns": columns,
        }
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


@db.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@chain_options
def backup(target: Path, **values: Any) -> None:
    """Copy the database.

    The copy goes to the new directory TARGET and is opened once; keys are not copied.
    """
    path = find_database(values)
    if target.exists():
        raise UsageError(f"{target} exists; a backup never overwrites")
    unfinished = target.with_name(f".{target.name}-{secrets.token_hex(4)}")
    lock = DirectoryLock(path / LOCK_NAME)
    try:
        shutil.copytree(path, unfinished, ignore=shutil.ignore_patterns(LOCK_NAME))
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    finally:
        lock.release()
    with open_database(unfinished) as store:
        genesis = store.genesis.hex()
    sync_tree(unfinished)
    unfinished.rename(target)
    sync_directory(target.absolute().parent)
    click.echo(f"{target}: {format_size(measure_directory(target))} of the chain with genesis 0x{genesis}.")


def find_database(values: dict[str, Any]) -> Path:
    """Return the database directory that a command's options name; ConfigError where there is none."""
    config = resolve_options(values).config
    path = config.get_chain_path(load_spec(config.chain).id) / "db"
    if not path.is_dir():
        raise ConfigError(describe_absence(path))
    return path


@contextmanager
def open_database(path: Path) -> Iterator[LevelDbKeyValue]:
    """Open a database whichever chain it is of."""
    store = LevelDbKeyValue(path, None, create=False)
    try:
        yield store
    finally:
        store.close()


def sync_tree(directory: Path) -> None:
    """Make every file below a directory durable."""
    for folder, _, files in os.walk(directory):
        for name in files:
            descriptor = os.open(Path(folder) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_directory(Path(folder))
