"""What is shown while the week is played, and at its end: steps, a bar of hours, the table of homes.

Where nobody watches, a line comes for each quarter of a day instead of the bar. It must not start anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from apps.demo.reports import make_summary
from apps.demo.story import Check, Story
from apps.demo.tables import lay_out_homes
from apps.demo.text import show_kwh, show_thb, show_time
from apps.demo.week import HOURS_PER_DAY
from node.cli.devnet_screen import format_time, make_console
from node.clock import Clock
from node.devnet.records import DevnetRecord
from node.devnet.supervisor import STOPPING
from node.devnet.views import NodeView

LINE_HOURS: Final = 6


class Screen:
    """Shows a run to people; use it as a context manager."""

    def __init__(self, stream: TextIO, hours: int, speed: int, clock: Clock) -> None:
        self._console = make_console(stream)
        self._hours = hours
        self._speed = speed
        self._clock = clock
        self._started = clock.monotonic()
        self._bar = Progress(
            TextColumn("hours"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        self._task = self._bar.add_task("hours", total=hours)

    def __enter__(self) -> Screen:
        seconds = 3600 / self._speed
        self.tell(
            f"{self._hours} hours of fifteen homes, {self._speed} times faster: an hour takes {seconds:g} s"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()

    def show_ready(self, record: DevnetRecord, took_s: float) -> None:
        """Tell where the nodes are."""
        nodes = "one node answers" if len(record.nodes) == 1 else f"{len(record.nodes)} nodes answer"
        self.tell(f"{record.chain}: {nodes} after {took_s:.1f} s")
        for node in record.nodes:
            self.tell(f"  {node.name}  {node.rpc_url}  {node.log}")

    def show_nodes(self, nodes: tuple[NodeView, ...], passed_s: float) -> None:
        """Nodes are shown only when one fails, which ends the run."""

    def tell(self, text: str) -> None:
        """Print a step with the time since the start."""
        if text == STOPPING:
            self._end_bar()
        passed = format_time(self._clock.monotonic() - self._started)
        self._console.print(Text(f"{passed}  {text}"), soft_wrap=True)

    def advance(self, hours: int) -> None:
        """Show how many hours are settled."""
        if self._console.is_terminal:
            self._bar.start()
            self._bar.update(self._task, completed=hours)
        elif hours % LINE_HOURS == 0 or hours == self._hours:
            day = (hours - 1) // HOURS_PER_DAY + 1
            self.tell(f"{hours} of {self._hours} hours are settled (day {day})")

    def _end_bar(self) -> None:
        if self._bar.live.is_started:  # a bar that never began would leave an empty line
            self._bar.stop()


def show_result(story: Story, checks: Sequence[Check], page: Path) -> str:
    """Return the table of homes, the community's figures, and whether they are exact."""
    outcome = story.outcome
    lines = [
        "",
        *lay_out_homes(outcome),
        "",
        f"traded {show_kwh(outcome.traded_wh)} kWh, netted {show_kwh(outcome.netted_wh)} kWh;"
        f" together {show_thb(outcome.money)} instead of {show_thb(outcome.alone)};"
        f" fees {show_thb(story.settled.fees)}, wheeling {show_thb(story.settled.wheeling)}",
        f"{story.passage.transactions:,} transactions in blocks #{story.passage.first_block} to"
        f" #{story.passage.last_block}, {show_time(story.passage.took_s)}",
    ]
    for check in checks:
        lines.append(f"{'exact' if check.is_exact else 'NOT exact'}: {check.name}")
        lines += [f"  {one}" for one in check.differences]
    return "\n".join([*lines, f"page: {page.resolve()}"])


def make_result_json(story: Story, checks: Sequence[Check], page: Path) -> str:
    """Return the run as one JSON object."""
    return orjson.dumps({**make_summary(story, checks), "page": str(page.resolve())}).decode()
