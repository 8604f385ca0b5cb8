"""`purge-chain`: removes a chain's database, after showing what would go.

Keys and the network identity stay. The signing guard, and what is known of second copies of keys, stay too on
chains of value: removing them is how a validator comes to sign twice.
"""

import secrets
import shutil
from typing import Any

import click

from node.cli.options import resolve_options, setting_options
from node.storage.directory import measure_directory

DATABASE = "db"


@click.command("purge-chain")
@click.option("-y", "yes", is_flag=True, help="Do not ask.")
@setting_options("dev", "chain", "base_path")
def purge_chain(*, yes: bool, **values: Any) -> None:
    """Remove a chain's database; keys stay."""
    config = resolve_options(values).config
    from genesis.chain_spec import load_spec  # noqa: PLC0415 (loads the pallets)
    from node.chain.remembered import GENESIS_FILE  # noqa: PLC0415 (loads codecs)
    from node.storage.lock import DirectoryLock  # noqa: PLC0415 (loads the storage)

    spec = load_spec(config.chain)
    path, guard = config.get_chain_path(spec.id) / DATABASE, config.get_guard_path(spec.id)
    if not path.exists():
        click.echo(f"Nothing to remove: {path} does not exist.", err=True)
        return
    click.echo(f"{path} holds {format_size(measure_directory(path))}.", err=True)
    if not yes:
        click.confirm(f'Are you sure to remove "{path}"?', abort=True, err=True)
    lock = DirectoryLock(path / "lock")
    doomed = path.with_name(f".purged-{secrets.token_hex(4)}")
    try:
        path.rename(doomed)  # in one step: a crash leaves the whole database or none
    finally:
        lock.release()
    path.with_name(GENESIS_FILE).unlink(missing_ok=True)
    if spec.is_dev:
        guard.unlink(missing_ok=True)
        config.get_copied_keys_path(spec.id).unlink(missing_ok=True)
    elif guard.exists():
        click.echo(
            f"The signing guard {guard} stays: it keeps this node's keys from signing twice.", err=True
        )
    shutil.rmtree(doomed)
    click.echo(f'"{path}" removed.', err=True)


def format_size(size: int) -> str:
    """Return bytes in the largest unit that leaves a number of at least one."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
