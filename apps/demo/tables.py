"""The homes as a table of text, for a terminal.

It must not know a terminal's width: a table is as wide as it has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from apps.demo.outcome import HomeTotal, Outcome
from apps.demo.text import show_baht, show_kwh, show_share

TITLES: Final = (
    *("home", "used kWh", "roof kWh", "bought", "sold", "netted in", "netted out"),
    *("result THB", "alone THB", "saving THB", "of retail"),
)


def lay_out_homes(outcome: Outcome) -> list[str]:
    """Return the lines of the table: a row for each home, and their sum."""
    rows = [_make_row(total) for total in outcome.totals]
    rows.append(_make_row(add_totals("all", outcome.totals)))
    widths = [max(map(len, column)) for column in zip(TITLES, *rows, strict=True)]
    lines = [_join(row, widths) for row in (TITLES, *rows)]
    rule = "-" * max(map(len, lines))
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def add_totals(name: str, totals: Sequence[HomeTotal]) -> HomeTotal:
    """Return the sum of several homes under a name."""
    return HomeTotal(name, *(sum(column) for column in zip(*(total[1:] for total in totals), strict=True)))


def _make_row(total: HomeTotal) -> tuple[str, ...]:
    return (
        total.name,
        *(show_kwh(energy_wh) for energy_wh in total[1:5]),
        show_kwh(total.netted_in_wh),
        show_kwh(total.netted_out_wh),
        show_baht(total.money),
        show_baht(total.alone),
        show_baht(total.saving, signed=True),
        show_share(total.saving, total.retail_bill),
    )


def _join(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
    return "  ".join((f"{first.strip():<{widths[0]}}", *rest))
