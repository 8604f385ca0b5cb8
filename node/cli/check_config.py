"""`config check`: would the node start with this file, environment and chain specification."""

from pathlib import Path
from typing import Any

import click

from node.cli.options import resolve_options, setting_options
from node.config import ConfigError, render_config


@click.group("config")
def config() -> None:
    """Check a configuration."""


@config.command("check")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--show", is_flag=True, help="Print the settings in force and where each comes from.")
@setting_options("dev", "chain", "base_path")
def check(file: Path | None, *, show: bool, **values: Any) -> None:
    """Check everything that a start would read.

    That is FILE (or --config), the environment and the chain specification; exit code 3 if something is
    wrong.
    """
    if file is not None:
        if values["config_file"] is not None:
            raise click.UsageError("Give the file once.")
        values["config_file"] = file
    resolved = resolve_options(values)
    from genesis.chain_spec import load_spec  # noqa: PLC0415 (loads the pallets)
    from node.cli.start import check_settings  # noqa: PLC0415 (as above)

    check_settings(resolved.config)
    spec = load_spec(resolved.config.chain)
    if resolved.config.mock_signatures and not spec.is_dev:
        raise ConfigError(f"mock-signatures is for development chains, and {spec.name} is none")
    if show:
        click.echo(render_config(resolved), nl=False)
    click.echo(f"The configuration is right; the chain is {spec.name} ({spec.id}).", err=True)
