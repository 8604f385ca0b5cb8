"""Progress of long commands: a bar where a person watches, a line now and then where a log is kept.

It must not know what is counted.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_PERIOD_S = 5.0

Advance = Callable[[int], None]


@contextmanager
def show_progress(
    title: str,
    total: int | None,
    now: Callable[[], float],
    *,
    quiet: bool = False,
    stream: TextIO | None = None,
) -> Iterator[Advance]:
    """Give a function that is told how many things are done; `total` is None where nobody knows it."""
    output = stream or sys.stderr
    if quiet:
        yield lambda _: None
    elif output.isatty():
        yield from _show_bar(title, total, output)
    else:
        lines = ProgressLines(title, total, now, output)
        yield lines.advance
        lines.finish()


def _show_bar(title: str, total: int | None, output: TextIO) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=output)) as bar:
        task = bar.add_task(title, total=total, rate="?")

        def advance(done: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, rate="?" if speed is None else f"{speed:,.0f}")

        yield advance


class ProgressLines:
    """Writes `title: done of total, rate, time left` every five seconds, and at the end."""

    def __init__(self, title: str, total: int | None, now: Callable[[], float], output: TextIO) -> None:
        self._title = title
        self._total = total
        self._now = now
        self._output = output
        self._started = self._last = now()
        self._done = 0

    def advance(self, done: int) -> None:
        """Note the number done so far, and write a line when one is due."""
        self._done = done
        if self._now() - self._last >= LINE_PERIOD_S:
            self._last = self._now()
            self._write()

    def finish(self) -> None:
        """Write the last line."""
        self._write()

    def _write(self) -> None:
        passed = self._now() - self._started
        rate = self._done / passed if passed > 0 else 0.0
        text = f"{self._title}: {self._done:,}"
        if self._total is not None:
            text += f" of {self._total:,}"
        text += f", {rate:,.0f}/s"
        if self._total is not None and rate > 0 and self._done < self._total:
            text += f", {int((self._total - self._done) / rate)} s left"
        self._output.write(text + "\n")
        self._output.flush()
