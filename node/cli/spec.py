"""`build-spec` and `export-chain-spec`: a chain specification as JSON on standard output, and nothing else
there.

The raw form fixes the genesis state itself, so it gives the same genesis hash for ever.
"""

from typing import Any

import click
import orjson

from node.cli.options import resolve_options, setting_options

RAW_HELP = "Print the genesis state itself, which never changes with a release."


def print_spec(*, raw: bool, disable_default_bootnode: bool, **values: Any) -> None:
    """Print the chain specification of --chain as JSON."""
    config = resolve_options(values).config
    from genesis.chain_spec import load_spec  # noqa: PLC0415 (loads the pallets)

    document = load_spec(config.chain).to_json(raw=raw)
    if disable_default_bootnode:
        document["bootNodes"] = []
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def _make_command(name: str) -> click.Command:
    options = [
        click.option("--raw", is_flag=True, help=RAW_HELP),
        click.option("--disable-default-bootnode", is_flag=True, help="Leave the list of boot nodes empty."),
        setting_options("dev", "chain", "log"),
    ]

    def function(**values: Any) -> None:
        print_spec(**values)

    for decorate in reversed(options):
        function = decorate(function)
    return click.command(name, help=print_spec.__doc__)(function)


build_spec = _make_command("build-spec")
export_chain_spec = _make_command("export-chain-spec")
