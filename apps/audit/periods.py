"""The periods of reports as people write them, and when they begin and end in Bangkok.

Pure. The numbers are the chain's: see `pallets/compliance/periods.py`, which has the calendar.
"""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from apps.audit.errors import Unchecked
from pallets.compliance.office import start_of_day_ms
from pallets.compliance.periods import count_days, end_of_period_ms, is_period

_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)


class ReportKind(StrEnum):
    """For whom a report is; the names are those of the command line."""

    SEC = "sec"
    ERC = "erc"
    AMLO = "amlo"
    PDPA = "pdpa"


class _Form(NamedTuple):
    variant: str
    months: int
    pattern: str
    example: str


_FORMS: Final = MappingProxyType(
    {
        ReportKind.SEC: _Form("SecQuarter", 3, r"(\d{4})-Q([1-4])", "2026-Q3"),
        ReportKind.ERC: _Form("ErcMonth", 1, r"(\d{4})-(0[1-9]|1[0-2])", "2026-07"),
        ReportKind.AMLO: _Form("Amlo", 1, r"(\d{4})-(0[1-9]|1[0-2])", "2026-07"),
        ReportKind.PDPA: _Form("PdpaRopa", 12, r"(\d{4})", "2026"),
    }
)


class Period(NamedTuple):
    """A period of a kind of report: its number on the chain, and from when until before when it lasts."""

    kind: ReportKind
    number: int
    start_ms: int
    end_ms: int

    @property
    def variant(self) -> str:
        """The kind's name on the chain."""
        return _FORMS[self.kind].variant


def parse_period(kind: ReportKind, text: str) -> Period:
    """Return the period that a text names; Unchecked when it names none."""
    form = _FORMS[kind]
    found = re.fullmatch(form.pattern, text, re.ASCII)
    if found is None:
        raise Unchecked(f"a period of {kind} is written like {form.example}, got {text[:40]!r}")
    year, *rest = map(int, found.groups())
    number = year * (12 // form.months) + (rest[0] - 1 if rest else 0)
    if not is_period(number, form.months):
        raise Unchecked(f"{text} is no year that reports are of")
    return Period(
        kind, number, end_of_period_ms(number - 1, form.months), end_of_period_ms(number, form.months)
    )


def parse_day(text: str) -> int:
    """Return the number of a day since 1970 in Bangkok, given as such or as a date; Unchecked otherwise."""
    if text.isascii() and text.isdecimal() and len(text) <= 6:
        return int(text)
    found = _DAY.fullmatch(text)
    if found is None:
        raise Unchecked(f"a day is written like 2026-07-31 or as its number since 1970, got {text[:40]!r}")
    year, month, day = map(int, found.groups())
    if not 1 <= month <= 12 or not 1 <= day <= count_days(year, month + 1) - count_days(year, month):
        raise Unchecked(f"{text} is no day")
    return count_days(year, month) + day - 1


def start_of_day(day: int) -> int:
    """Return when a day begins, in milliseconds since 1970."""
    return start_of_day_ms(day)
