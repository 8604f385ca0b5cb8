"""What a devnet shows: one table of endpoints, the funded accounts, then the nodes' heights as they grow.

On a terminal the heights stand in one place; elsewhere a line comes every five seconds. It must not start
anything.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

import orjson
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from genesis.chain_spec import ChainSpec
from node.cli.banner import (
    EXPLORER_URL,
    WARNING,
    WIDTH_UNSEEN,
    lay_out_accounts,
    list_accounts,
)
from node.devnet.records import DevnetRecord, NodeRecord
from node.devnet.supervisor import STOPPING, View
from node.devnet.views import Condition, NodeView

LINE_PERIOD_S: Final = 5.0
TITLES: Final = ("Node", "Role", "RPC", "Metrics", "Log", "Peer id")
STYLES: Final[Mapping[Condition, str]] = {
    "running": "green",
    "paused": "yellow",
    "silent": "yellow",
    "starting": "yellow",
    "stopped": "red",
}


class TextView:
    """Shows a devnet to people; use it as a context manager."""

    def __init__(self, spec: ChainSpec, stream: TextIO | None = None) -> None:
        self._spec = spec
        self._console = make_console(stream or sys.stdout)
        self._live: Live | None = None
        self._shown_s: float | None = None
        self._passed_s = 0.0

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_live()

    def show_ready(self, record: DevnetRecord, took_s: float) -> None:
        """Print endpoints and accounts."""
        for line in lay_out_ready(record, self._spec, took_s, self._console.width):
            self._console.print(line, soft_wrap=True)
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="visible")
            self._live.start()

    def show_nodes(self, nodes: tuple[NodeView, ...], passed_s: float) -> None:
        """Show the heights."""
        self._passed_s = passed_s
        if self._live is not None:
            self._live.update(make_live_table(nodes, passed_s), refresh=True)
        elif self._shown_s is None or passed_s - self._shown_s >= LINE_PERIOD_S:
            self._shown_s = passed_s
            self._console.print(describe_nodes(nodes, passed_s), soft_wrap=True)

    def tell(self, text: str) -> None:
        """Print an event above the heights."""
        if text == STOPPING:
            self._end_live()
        self._console.print(Text(f"{format_time(self._passed_s)}  {text}"), soft_wrap=True)

    def _end_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


class JsonView:
    """Writes one JSON object when a devnet is ready; events go to standard error."""

    def __init__(self, spec: ChainSpec) -> None:
        self._spec = spec

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left open."""

    def show_ready(self, record: DevnetRecord, took_s: float) -> None:
        """Write endpoints and accounts."""
        document = describe_devnet(record, self._spec, took_s)
        sys.stdout.write(orjson.dumps(document).decode() + "\n")
        sys.stdout.flush()

    def show_nodes(self, nodes: tuple[NodeView, ...], passed_s: float) -> None:
        """Heights are left to the nodes' own RPC."""

    def tell(self, text: str) -> None:
        """Write an event to standard error."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def make_console(stream: TextIO) -> Console:
    """Return a console that folds nothing where nobody looks."""
    console = Console(file=stream, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH_UNSEEN
    return console


def describe_devnet(record: DevnetRecord, spec: ChainSpec, took_s: float) -> dict[str, object]:
    """Return the table and the accounts as a JSON object."""
    return {
        "chain": record.chain,
        "base_path": record.base_path,
        "ready_ms": round(took_s * 1000),
        "nodes": [describe_node(node) for node in record.nodes],
        "accounts": [account._asdict() for account in list_accounts(spec)],
    }


def describe_node(node: NodeRecord) -> dict[str, object]:
    """Return a row of the table as a JSON object."""
    return {
        "name": node.name,
        "role": node.role,
        "rpc": node.rpc_url,
        "metrics": node.metrics_url,
        "log": node.log,
        "peer_id": node.peer_id,
    }


def lay_out_ready(record: DevnetRecord, spec: ChainSpec, took_s: float, width: int) -> Iterable[Text]:
    """Yield the lines of a ready devnet: accounts, then what else shall stay in sight, and what to do
    next.
    """
    nodes = "1 node" if len(record.nodes) == 1 else f"{len(record.nodes)} nodes"
    yield Text(f"{record.chain}: {nodes}, ready after {took_s:.1f} s", style="bold")
    if accounts := list_accounts(spec):
        yield from lay_out_accounts(accounts, width)
        yield Text(WARNING, style="bold red")
    yield from lay_out_table(record.nodes, width)
    yield Text("  Explorer  ").append(EXPLORER_URL.format(port=record.nodes[0].rpc_port), style="cyan")
    yield Text("  Data      ").append(record.base_path, style="cyan")
    yield Text("From another terminal: loam devnet status, logs, kill, pause, resume, restart, stop")


def lay_out_table(nodes: Sequence[NodeRecord], width: int) -> Iterable[Text]:
    """Yield one line for each node, or three where the terminal is narrow, so that nothing is cut in two."""
    rows = [(n.name, n.role, n.rpc_url, n.metrics_url, n.log, n.peer_id) for n in nodes]
    widths = [max(map(len, column)) for column in zip(TITLES, *rows, strict=True)]
    if 2 + sum(widths) + 2 * (len(widths) - 1) <= width:
        yield Text("  " + _join(TITLES, widths), style="bold")
        yield from (Text("  " + _join(row, widths)) for row in rows)
        return
    yield Text("  " + _join(TITLES[:4], widths), style="bold")
    for row in rows:
        first = "  " + _join(row[:4], widths)
        yield Text(
            first if len(first) <= width else "  " + "\n    ".join((row[0] + "  " + row[1], *row[2:4]))
        )
        yield Text(f"    {row[4]}\n    {row[5]}", style="dim")


def describe_status(record: DevnetRecord, views: Sequence[NodeView], *, is_up: bool) -> dict[str, object]:
    """Return how a devnet stands as a JSON object; numbers are null where a node does not answer."""
    nodes = [
        {
            **describe_node(node),
            "condition": condition,
            "pid": node.process.pid if node.process is not None and condition != "stopped" else None,
            "best": None if seen is None else seen.best,
            "finalized": None if seen is None else seen.finalized,
            "peers": None if seen is None else seen.peers,
        }
        for node, condition, seen in views
    ]
    return {"chain": record.chain, "base_path": record.base_path, "is_up": is_up, "nodes": nodes}


def lay_out_status(record: DevnetRecord, views: Sequence[NodeView], *, is_up: bool) -> Iterable[Text]:
    """Yield the lines of how a devnet stands."""
    yield Text(f"{record.chain} in {record.base_path}{'' if is_up else ', which has ended'}", style="bold")
    titles = ("Node", "Role", "State", "Best", "Finalized", "Peers", "Pid", "RPC")
    rows = [
        (
            node.name,
            node.role,
            condition,
            *(("-",) * 3 if seen is None else (f"#{seen.best}", f"#{seen.finalized}", str(seen.peers))),
            str(node.process.pid) if node.process is not None and condition != "stopped" else "-",
            node.rpc_url,
        )
        for node, condition, seen in views
    ]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    yield Text("  " + _join(titles, widths), style="bold")
    for row, (_, condition, _) in zip(rows, views, strict=True):
        line = Text("  " + _join(row, widths))
        start = 2 + sum(widths[:2]) + 4
        line.stylize(STYLES[condition], start, start + len(condition))
        yield line


def make_live_table(nodes: Sequence[NodeView], passed_s: float) -> Table:
    """Return how the nodes stand."""
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2))
    table.add_column(format_time(passed_s))
    for title in ("", "best", "finalized", "peers"):
        table.add_column(title, justify="left" if not title else "right")
    for node, condition, seen in nodes:
        numbers = ("-",) * 3 if seen is None else (f"#{seen.best}", f"#{seen.finalized}", str(seen.peers))
        table.add_row(node.name, Text(condition, style=STYLES[condition]), *numbers)
    table.caption = "Ctrl-C stops all nodes"
    table.caption_justify = "left"
    return table


def describe_nodes(nodes: Sequence[NodeView], passed_s: float) -> str:
    """Return one line of how the nodes stand: best and finalized block of each, or what is wrong with it."""
    shown = (
        f"{node.name} {condition if seen is None else f'#{seen.best} (finalized #{seen.finalized})'}"
        for node, condition, seen in nodes
    )
    return f"{format_time(passed_s)}  {'  '.join(shown)}"


def format_time(passed_s: float) -> str:
    """Return seconds as minutes and seconds, with hours where there are any."""
    minutes, seconds = divmod(int(passed_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _join(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False))
    return "  ".join(padded).rstrip()
