"""`devnet`: a network of several nodes on this machine, and what can be done to it from another terminal.

It must not know how the nodes are run; node/devnet does.
"""

import asyncio
import difflib
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import click
import orjson

from node.cli.devnet_screen import (
    JsonView,
    TextView,
    describe_status,
    lay_out_status,
    make_console,
)
from node.clock import SystemClock
from node.config import UsageError
from node.devnet.chains import VALIDATORS_MAX
from node.devnet.control import Control, read_tail
from node.devnet.launching import Wishes, choose_chain, run_devnet
from node.devnet.manifest import read_manifest
from node.devnet.observing import Observer
from node.devnet.planning import FULL_MAX, FirstPorts
from node.devnet.processes import is_alive
from node.devnet.readiness import DevnetFailed
from node.devnet.records import DevnetRecord, NodeRecord
from node.devnet.restarting import restart_node
from node.devnet.state_file import StateFile, find_state
from node.devnet.views import NodeView, look

PORT = click.IntRange(1, 65535)
LOG_LINES_DEFAULT: Final = 20
FOLLOW_S: Final = 0.2
EPILOG = "Without a command it is `loam devnet up`, with the options above."


class DevnetGroup(click.Group):
    """Takes `up` where no other command is named, and shows its options."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Insert `up` before options that are not the group's own."""
        first = args[0] if args else "-"
        if first.startswith("-") and first not in ctx.help_option_names:
            args = ["up", *args]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        if args[0] not in self.commands:
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"No such command {args[0][:60]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, then the options of `up`."""
        self.format_commands(ctx, formatter)
        records = [record for param in up.params if (record := param.get_help_record(ctx)) is not None]
        with formatter.section("Options of up"):
            formatter.write_dl(records)


@click.group("devnet", cls=DevnetGroup, epilog=EPILOG)
def devnet() -> None:
    """Run a network of several nodes on this machine."""


base_path_option = click.option(
    "-d",
    "--base-path",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory of the devnet; the latest one by default.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
name_argument = click.argument("name")


@devnet.command("up")
@click.option(
    "-n", "--validators", type=click.IntRange(1, VALIDATORS_MAX), metavar="N", help="Validators. [4]"
)
@click.option(
    "--full", type=click.IntRange(0, FULL_MAX), default=0, metavar="N", help="Full nodes besides. [0]"
)
@click.option("--chain", metavar="NAME|FILE", help="Chain whose authorities' keys everybody knows. [local]")
@click.option(
    "--manifest",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of nodes, perturbations and duration.",
)
@click.option(
    "-d",
    "--base-path",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory to keep; without one, a temporary one that is removed at the end.",
)
@click.option("--port", type=PORT, metavar="PORT", help="Port for peers of the first node. [30333 or above]")
@click.option("--rpc-port", type=PORT, metavar="PORT", help="RPC port of the first node. [9944 or above]")
@click.option(
    "--prometheus-port", type=PORT, metavar="PORT", help="Metrics port of the first node. [9615 or above]"
)
@click.option("-l", "--log", metavar="FILTER", help="Log filter of every node, as that of the node itself.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when all nodes answer.")
def up(*, as_json: bool, manifest: Path | None, **values: Any) -> None:
    """Start the nodes, show where they are reached and how they grow, until Ctrl-C.

    The nodes' processes end with this one. Exit code 11 when a node ends by itself or does not answer.
    """
    wishes = _make_wishes(manifest, values)
    chain, nodes = choose_chain(wishes)
    with _explained(), JsonView(chain.spec) if as_json else TextView(chain.spec) as view:
        run_devnet(chain, nodes, wishes, view, SystemClock())


@devnet.command("status")
@base_path_option
@json_option
def status(*, base_path: Path | None, as_json: bool) -> None:
    """Show how the nodes stand."""
    record = find_state(base_path).load()
    is_up = is_alive(record.supervisor)
    views = _look(record)
    if as_json:
        click.echo(orjson.dumps(describe_status(record, views, is_up=is_up)))
        return
    console = make_console(sys.stdout)
    for line in lay_out_status(record, views, is_up=is_up):
        console.print(line, soft_wrap=True)


@devnet.command("logs")
@click.argument("name", required=False)
@base_path_option
@click.option(
    "-n", "--lines", type=click.IntRange(0), default=LOG_LINES_DEFAULT, help="Last lines of each. [20]"
)
@click.option("-f", "--follow", is_flag=True, help="Go on until Ctrl-C.")
@json_option
def logs(*, name: str | None, base_path: Path | None, lines: int, follow: bool, as_json: bool) -> None:
    """Print the logs of one node, or of all with their names."""
    record = find_state(base_path).load()
    nodes = record.nodes if name is None else (record.get_node(name),)
    width = max(len(node.name) for node in nodes)
    with suppress(KeyboardInterrupt):
        for node, line in _read_logs(nodes, lines, follow=follow):
            if as_json:
                click.echo(orjson.dumps({"node": node.name, "line": line}))
            else:
                click.echo(line if name is not None else f"{node.name:<{width}}  {line}")


@devnet.command("stop")
@click.argument("name", required=False)
@base_path_option
@json_option
def stop(*, name: str | None, base_path: Path | None, as_json: bool) -> None:
    """End one node in order, or the whole devnet."""
    control = _make_control(find_state(base_path))
    if name is None:
        record = control.stop_all()
        _answer("stopped", f"The devnet in {record.base_path} has ended.", as_json=as_json)
    else:
        node = control.stop(name)
        _answer("stopped", f"{node.name} has ended.", as_json=as_json)


@devnet.command("kill")
@name_argument
@base_path_option
@json_option
def kill(*, name: str, base_path: Path | None, as_json: bool) -> None:
    """End a node as a crash would."""
    node = _make_control(find_state(base_path)).kill(name)
    _answer(
        "killed",
        f"{node.name} was killed; start it again with: loam devnet restart {node.name}",
        as_json=as_json,
    )


@devnet.command("pause")
@name_argument
@base_path_option
@json_option
def pause(*, name: str, base_path: Path | None, as_json: bool) -> None:
    """Let a node stand still, its sockets open."""
    node = _make_control(find_state(base_path)).pause(name)
    _answer(
        "paused",
        f"{node.name} stands still; let it go on with: loam devnet resume {node.name}",
        as_json=as_json,
    )


@devnet.command("resume")
@name_argument
@base_path_option
@json_option
def resume(*, name: str, base_path: Path | None, as_json: bool) -> None:
    """Let a paused node go on."""
    node = _make_control(find_state(base_path)).resume(name)
    _answer("running", f"{node.name} goes on.", as_json=as_json)


@devnet.command("restart")
@name_argument
@base_path_option
@json_option
def restart(*, name: str, base_path: Path | None, as_json: bool) -> None:
    """Start a node again with the same arguments, ending it before that where it runs."""
    with _explained():
        node = restart_node(find_state(base_path), name, SystemClock())
    _answer("running", f"{node.name} runs again.", as_json=as_json)


@contextmanager
def _explained() -> Iterator[None]:
    """Print the end of a failed node's log before the error."""
    try:
        yield
    except DevnetFailed as error:
        for line in error.lines:
            click.echo(f"  {line}", err=True)
        raise


def _make_wishes(manifest: Path | None, values: dict[str, Any]) -> Wishes:
    if manifest is not None:
        for name in ("validators", "full", "chain"):
            if values[name]:
                raise UsageError(f"--manifest says which nodes there are; leave out --{name}")
    log = values["log"]
    return Wishes(
        validators=values["validators"],
        full=values["full"],
        chain=values["chain"],
        manifest=None if manifest is None else read_manifest(manifest),
        base_path=values["base_path"],
        first_ports=FirstPorts(values["port"], values["rpc_port"], values["prometheus_port"]),
        node_arguments=() if log is None else ("--log", log),
    )


def _look(record: DevnetRecord) -> tuple[NodeView, ...]:
    async def ask() -> tuple[NodeView, ...]:
        async with Observer() as observer:
            return await look(record.nodes, observer)

    return asyncio.run(ask())


def _make_control(state: StateFile) -> Control:
    return Control(state, SystemClock())


def _answer(condition: str, sentence: str, *, as_json: bool) -> None:
    click.echo(orjson.dumps({"condition": condition}) if as_json else sentence)


def _read_logs(nodes: Sequence[NodeRecord], lines: int, *, follow: bool) -> Iterator[tuple[NodeRecord, str]]:
    """Yield the last lines of each log, then every new one as it comes where somebody follows."""
    tails = [(node, Path(node.log)) for node in nodes]
    ends = {}
    for node, path in tails:
        ends[node.name] = path.stat().st_size if path.exists() else 0
        yield from ((node, line) for line in read_tail(path, lines))
    rest: dict[str, bytes] = {}
    while follow:
        time.sleep(FOLLOW_S)
        for node, path in tails:
            if not path.exists():
                return  # the devnet was temporary, and is gone
            with path.open("rb") as file:
                file.seek(ends[node.name])
                data = rest.get(node.name, b"") + file.read()
                ends[node.name] = file.tell()
            *whole, rest[node.name] = data.split(b"\n")
            yield from ((node, line.decode(errors="replace")) for line in whole)
