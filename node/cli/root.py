"""The command `loam`: without a subcommand it starts the node, as Substrate does.

Subcommands are listed here with their one-line help and loaded when they are used, so that `--help` is quick.
"""

import difflib
import importlib
import signal
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import click

from node import __version__
from node.cli.options import make_setting_options, resolve_options
from node.config import ExitCode, Resolved
from node.config.descriptions import SETTINGS
from node.config.settings import KEYS
from node.config.sources import render_config

# Name → module, attribute, one line of help.
COMMANDS = {
    "audit": ("node.cli.audit", "audit", "Check a chain and its reports from its blocks alone."),
    "benchmark": ("node.cli.benchmark", "benchmark", "Measure this machine."),
    "build-spec": ("node.cli.spec", "build_spec", "Print a chain specification, plain or raw."),
    "chain-info": ("node.cli.blocks", "chain_info", "Show what the database holds."),
    "check-block": ("node.cli.blocks", "check_block", "Execute one stored block again."),
    "completions": ("node.cli.completions", "completions", "Print the completion script of a shell."),
    "config": ("node.cli.check_config", "config", "Check a configuration."),
    "db": ("node.cli.db", "db", "Verify, compact, inspect or back up the database."),
    "demo": ("node.cli.demo", "demo", "Play a week of an energy market of real homes."),
    "devnet": ("node.cli.devnet", "devnet", "Run a network of several nodes on this machine."),
    "export-blocks": ("node.cli.blocks", "export_blocks", "Write blocks to a file."),
    "export-chain-spec": ("node.cli.spec", "export_chain_spec", "The same as build-spec."),
    "gateway": ("node.cli.gateway", "gateway", "Answer the oracle's feeds for a provider."),
    "import-blocks": ("node.cli.blocks", "import_blocks", "Import blocks from a file."),
    "key": ("node.cli.key", "key", "Generate, inspect and use keys."),
    "purge-chain": ("node.cli.purge", "purge_chain", "Remove a chain's database."),
    "revert": ("node.cli.blocks", "revert", "Take the chain back by a number of blocks."),
    "vault": ("node.cli.vault", "vault", "Keep personal data off the chain, and erase them for good."),
}
# Options that take several values at once: `--bootnodes A B C`.
ADDRESS_OPTIONS = {
    f"--{KEYS[name]}" for name in ("listen_addr", "public_addr", "bootnodes", "reserved_nodes")
}
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
EPILOG = (
    "Every setting is a flag, a key of the configuration file (rpc-port = 9944) and an environment variable"
    " (LOAM_RPC_PORT); flags beat variables, variables beat the file."
)


class RootGroup(click.Group):
    """Loads subcommands on use, shows options by section, suggests the nearest command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Return the names of all subcommands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (as above)
        """Load one subcommand."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand, or say which one may have been meant."""
        name = args[0]
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"No such command {name[:60]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Let options of addresses take several values, as scripts made for Substrate give them."""
        return super().parse_args(ctx, list(_spread_addresses(args)))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List options by section, then the commands."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                sections.setdefault(_get_section(param), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


def _spread_addresses(args: Iterable[str]) -> Iterable[str]:
    option, is_first = None, False
    for arg in args:
        if option is not None and not is_first and arg.startswith("/"):
            yield option
        elif arg in ADDRESS_OPTIONS:
            option, is_first = arg, True
            yield arg
            continue
        elif not is_first:
            option = None
        is_first = False
        yield arg


def _get_section(param: click.Parameter) -> str:
    name = "dev_account" if param.name and param.name.startswith("account_") else param.name or ""
    return SETTINGS[name].section if name in SETTINGS else "Program"


def _start(ctx: click.Context, *, print_config: bool, **values: Any) -> int | None:
    given = [
        param for param in values if ctx.get_parameter_source(param) is click.core.ParameterSource.COMMANDLINE
    ]
    if ctx.invoked_subcommand is not None:
        if given or print_config:
            raise click.UsageError(f"Give options after the command: loam {ctx.invoked_subcommand} …", ctx)
        return None
    resolved = resolve_options(values)
    if print_config:
        from node.cli.start import check_settings  # noqa: PLC0415 (loaded when it is needed)

        check_settings(resolved.config)
        click.echo(render_config(resolved), nl=False)
        return None
    return _start_node(resolved)


def _start_node(resolved: Resolved) -> int:
    """Run the node; a signal while it is still starting ends it as one does later."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop_starting)
    from node.cli.start import start  # noqa: PLC0415 (loads the node)

    return start(resolved)


def _stop_starting(*_: object) -> NoReturn:
    # No KeyboardInterrupt: CPython may end the process with that signal although it was handled.
    sys.exit(ExitCode.OK)


root = RootGroup(
    name="loam",
    help="Loam: a Substrate-style blockchain node. Without a command it starts the node.",
    epilog=EPILOG,
    callback=click.pass_context(_start),
    invoke_without_command=True,
    no_args_is_help=False,
    subcommand_metavar="[COMMAND]",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        *make_setting_options(SETTINGS),
        click.Option(
            ["--print-config"], is_flag=True, help="Print the settings in force and where each comes from."
        ),
    ],
)
root = click.version_option(__version__, "-V", "--version", prog_name="loam")(root)
