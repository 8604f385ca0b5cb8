"""`demo`: a week of real homes on a network of its own, from empty accounts to a page with the results.

Responsible for starting the network and handing its addresses to the program that plays. It must not know
how the week is played.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from apps.audit.witness import Trust
from apps.clock import SystemClock as ProgramClock
from apps.demo.play import play
from apps.demo.proof import prove
from apps.demo.publish import ensure_folder, ensure_plotter, publish
from apps.demo.replay import compute_outcome
from apps.demo.story import Check, Story, list_checks
from apps.demo.week import WEEK_HOURS, Week, load_week
from node.cli.audit_trust import load_trust
from node.cli.demo_chain import make_demo_chain
from node.cli.demo_screen import Screen, make_result_json, show_result
from node.clock import SystemClock
from node.config import ExitCode, UsageError
from node.devnet.chains import SPEC_FILE, VALIDATORS_MAX
from node.devnet.launching import Wishes, run_devnet
from node.devnet.planning import FirstPorts, list_wishes
from node.devnet.records import DevnetRecord
from node.devnet.state_file import StateFile
from node.telemetry.levels import LogFilter, parse_filters
from node.telemetry.logs import LogStyle, configure_logs

PORT: Final = click.IntRange(1, 65535)
SPEED_DEFAULT: Final = 600
SPEED_MIN, SPEED_MAX = 60, 1800
OUTPUT_DEFAULT: Final = "energy-week"
NODES_DEFAULT: Final = 4
GATEWAYS: Final = "gateways"
LOG_FILE: Final = "gateways.log"


@dataclass(slots=True)
class _Player:
    """Plays the week on a devnet that is ready, and keeps what came of it."""

    week: Week
    hours: int
    screen: Screen
    story: Story | None = None
    proof: Check | None = None

    async def run(self, record: DevnetRecord) -> None:
        """Play on the nodes of a devnet; the gateways log into a file beside their own."""
        urls, clock = [node.rpc_url for node in record.nodes], ProgramClock()
        folder = record.get_path() / GATEWAYS
        folder.mkdir(exist_ok=True)
        with (folder / LOG_FILE).open("a", encoding="utf-8") as stream:
            configure_logs(
                LogFilter(parse_filters(())),
                LogStyle("console", color=False),
                now_ms=clock.now_ms,
                monotonic=clock.monotonic,
                stream=stream,
            )
            self.story = await play(urls, self.week, self.hours, folder, self.screen, clock)
            self.screen.tell("every event of the blocks is proven")
            trust = await asyncio.to_thread(_load_trust, record.get_path() / SPEC_FILE)
            self.proof = await prove(urls[0], trust, self.story, clock)


def _load_trust(path: Path) -> Trust:
    known = load_trust(str(path))
    return Trust(known.genesis, known.authorities, metadata=known.metadata)


@click.group("demo")
def demo() -> None:
    """Show what a chain is good for, on a network of its own."""


@demo.command("energy-week")
@click.option(
    "-n",
    "--nodes",
    type=click.IntRange(1, VALIDATORS_MAX),
    default=NODES_DEFAULT,
    metavar="N",
    help=f"Validators. [{NODES_DEFAULT}]",
)
@click.option(
    "--hours",
    type=click.IntRange(1, WEEK_HOURS),
    metavar="N",
    help=f"Hours of the week to play. [{WEEK_HOURS}, or what --first leaves]",
)
@click.option(
    "--first",
    type=click.IntRange(0, WEEK_HOURS - 1),
    default=0,
    metavar="N",
    help="Hours of the week to leave out before. [0]",
)
@click.option(
    "--speed",
    type=click.IntRange(SPEED_MIN, SPEED_MAX),
    default=SPEED_DEFAULT,
    metavar="N",
    help=f"How much faster time passes. [{SPEED_DEFAULT}: an hour in 6 s]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=OUTPUT_DEFAULT,
    metavar="DIR",
    help=f"Directory of the page and the reports. [{OUTPUT_DEFAULT}]",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory in which the chain stays; without one it is removed at the end.",
)
@click.option("--port", type=PORT, metavar="PORT", help="Port for peers of the first node.")
@click.option("--rpc-port", type=PORT, metavar="PORT", help="RPC port of the first node.")
@click.option("--prometheus-port", type=PORT, metavar="PORT", help="Metrics port of the first node.")
@click.option("--no-plots", is_flag=True, help="Leave the plots out, which need matplotlib.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def energy_week(  # noqa: PLR0913  # one for each option
    *,
    nodes: int,
    hours: int | None,
    first: int,
    speed: int,
    output: Path,
    keep: Path | None,
    port: int | None,
    rpc_port: int | None,
    prometheus_port: int | None,
    no_plots: bool,
    as_json: bool,
) -> int:
    """Let fifteen real homes trade for a week, and check the result to the last unit.

    Exit code 1 when it is not exact or was stopped, 11 when a node ends by itself.
    """
    if keep is not None and StateFile(keep).exists():
        raise UsageError(f"{keep} holds a chain already; choose another directory for --keep")
    ensure_folder(output)
    if not no_plots:
        ensure_plotter()
    hours = WEEK_HOURS - first if hours is None else hours
    if first + hours > WEEK_HOURS:
        raise UsageError(f"the week has {WEEK_HOURS} hours: --first and --hours go beyond it")
    week, clock = load_week().skip(first), SystemClock()
    chain = make_demo_chain(week, nodes, hours, speed, clock.now_ms())
    wishes = Wishes(
        validators=nodes,
        base_path=keep,
        first_ports=FirstPorts(port, rpc_port, prometheus_port),
        node_arguments=("--state-pruning", "archive"),
    )
    with Screen(sys.stderr if as_json else sys.stdout, hours, speed, clock) as screen:
        player = _Player(week, hours, screen)
        run_devnet(chain, list_wishes(chain, 0), wishes, screen, clock, player.run)
    if player.story is None or player.proof is None:
        click.echo("Stopped before the end; nothing was written.", err=True)
        return ExitCode.ERROR
    return _finish(player.story, player.proof, output, has_plots=not no_plots, as_json=as_json)


def _finish(story: Story, proof: Check, output: Path, *, has_plots: bool, as_json: bool) -> int:
    checks = (*list_checks(story, compute_outcome(story.week, len(story.outcome.hours))), proof)
    page = publish(story, checks, output, has_plots=has_plots)
    click.echo(make_result_json(story, checks, page) if as_json else show_result(story, checks, page))
    return ExitCode.OK if all(check.is_exact for check in checks) else ExitCode.ERROR
