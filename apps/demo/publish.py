"""A run as files in a folder: the page, plots, tables and reports.

Responsible for file names, and for refusing a folder before anything is played that nothing can be written
into. Plots are drawn only where matplotlib is installed and wanted.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from apps.demo.errors import DemoError
from apps.demo.page import Link, Plot, make_page
from apps.demo.reports import (
    make_homes_csv,
    make_hours_csv,
    make_operator_report,
    make_regulator_report,
    make_summary,
)
from apps.demo.story import Check, Story

PAGE: Final = "index.html"
PLOTTER: Final = "matplotlib"
INSTALL: Final = "plots need matplotlib: pip install 'loam[demo]', or leave them out with --no-plots"


class OutputRefused(DemoError):
    """Nothing can be written into the folder."""


class NoPlotter(DemoError):
    """matplotlib is not installed."""


def ensure_folder(folder: Path) -> None:
    """Make the folder if it is missing; OutputRefused when nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputRefused(f"{folder}: nothing can be written there: {error.strerror}") from error


def ensure_plotter() -> None:
    """Raise NoPlotter unless matplotlib is there; it is not loaded, which takes a second."""
    if importlib.util.find_spec(PLOTTER) is None:
        raise NoPlotter(INSTALL)


def publish(story: Story, checks: Sequence[Check], folder: Path, *, has_plots: bool) -> Path:
    """Write everything; return the page's path. OutputRefused when a file cannot be written."""
    try:
        plots = _draw(story, folder) if has_plots else {}
        files = _write_tables(story, checks, folder)
        page = make_page(story, checks, plots, files, list_commands(story))
        path = folder / PAGE
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise OutputRefused(f"{error.filename or folder}: cannot be written: {error.strerror}") from error
    return path


def list_commands(story: Story) -> tuple[Link, ...]:
    """Return commands with which figures are checked against a chain that was kept."""
    first, last = story.passage.first_block, story.passage.last_block
    return (
        Link(
            "loam --chain DIR/chain.json --base-path DIR/alice --state-pruning archive",
            "With --keep DIR the chain stays. Start one of its nodes again:",
        ),
        Link(
            f"loam audit rows --kind trades --from {first} --to {last} --chain DIR/chain.json --format csv"
            " --output trades.csv --proofs",
            "Every trade with a proof, from events that are proven under headers which the validators "
            "certified; settlements, orders, balances and regulated events likewise:",
        ),
        Link(
            f"loam export-blocks --chain DIR/chain.json --base-path DIR/alice --from {first} --to {last}"
            " blocks.bin",
            "The blocks themselves, which any node can execute again (with the node stopped):",
        ),
    )


def _draw(story: Story, folder: Path) -> dict[str, Plot]:
    """Write the plots as PNG, and return them for the page."""
    from apps.demo import plots  # noqa: PLC0415  # matplotlib may be missing, and takes a second to load

    names = plots.list_plots(story)
    for name in names:
        plots.write_png(story, name, folder / f"{name}.png")
    return {
        name: Plot(plots.make_svg(story, name, plots.LIGHT), plots.make_svg(story, name, plots.DARK))
        for name in names
    }


def _write_tables(story: Story, checks: Sequence[Check], folder: Path) -> list[Link]:
    texts = {
        "homes.csv": (make_homes_csv(story), "each home's energy and money"),
        "hours.csv": (make_hours_csv(story), "each hour's prices, volumes and root of trades"),
        "operator.json": (_dump(make_operator_report(story)), "the grid operator's report"),
        "regulator.json": (
            _dump(make_regulator_report(story, checks)),
            "the regulator's report, with the roots",
        ),
        "summary.json": (_dump(make_summary(story, checks)), "the run in one object"),
    }
    for name, (text, _) in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [Link(name, purpose) for name, (_, purpose) in texts.items()]


def _dump(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2) + "\n"
