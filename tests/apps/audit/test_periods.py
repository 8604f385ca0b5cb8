"""Periods and days are written as people write them, and are the chain's."""

import pytest

from apps.audit.errors import Unchecked
from apps.audit.periods import _FORMS, ReportKind, parse_day, parse_period, start_of_day
from pallets.compliance.office import day_of
from pallets.compliance.periods import YEAR_MAX, YEAR_MIN, end_of_period_ms
from pallets.compliance.reports_types import MONTHS
from pallets.compliance.reports_types import ReportKind as ChainKind
from tests.apps.audit.scene import DAY
from tests.support.node_chain import START_MS


def test_kinds_and_their_months_are_those_of_the_chain() -> None:
    assert {form.variant: form.months for form in _FORMS.values()} == {
        kind.name: months for kind, months in MONTHS.items()
    }
    assert len(_FORMS) == len(ChainKind)


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        (ReportKind.SEC, "2026-Q3", 4 * 2026 + 2),
        (ReportKind.SEC, "2020-Q1", 4 * 2020),
        (ReportKind.ERC, "2026-12", 12 * 2026 + 11),
        (ReportKind.AMLO, "2026-01", 12 * 2026),
        (ReportKind.PDPA, "2026", 2026),
        (ReportKind.PDPA, str(YEAR_MAX), YEAR_MAX),
    ],
)
def test_a_period_has_the_number_and_the_end_that_the_chain_counts(
    kind: ReportKind, text: str, number: int
) -> None:
    period = parse_period(kind, text)
    months = MONTHS[ChainKind[period.variant]]
    assert (period.number, period.end_ms) == (number, end_of_period_ms(number, months))
    assert period.start_ms == end_of_period_ms(number - 1, months)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ReportKind.SEC, "2026-Q5"),
        (ReportKind.SEC, "2026-07"),
        (ReportKind.SEC, "2026"),
        (ReportKind.ERC, "2026-13"),
        (ReportKind.ERC, "2026-00"),
        (ReportKind.ERC, "2026-7"),
        (ReportKind.AMLO, "2026-Q1"),
        (ReportKind.PDPA, "26"),
        (ReportKind.PDPA, "๒๐๒๖"),
        (ReportKind.PDPA, str(YEAR_MIN - 1)),
        (ReportKind.PDPA, str(YEAR_MAX + 1)),
        (ReportKind.PDPA, ""),
    ],
)
def test_what_names_no_period_is_refused(kind: ReportKind, text: str) -> None:
    with pytest.raises(Unchecked):
        parse_period(kind, text)


@pytest.mark.parametrize("text", ["2025-01-01", str(DAY)])
def test_a_day_is_a_date_in_bangkok_or_a_number(text: str) -> None:
    assert parse_day(text) == DAY == day_of(START_MS)
    assert start_of_day(DAY) <= START_MS < start_of_day(DAY + 1)


def test_leap_days_are_days() -> None:
    assert parse_day("2028-03-01") - parse_day("2028-02-28") == 2


@pytest.mark.parametrize(
    "text", ["2025-02-29", "2025-13-01", "2025-00-01", "2025-01-00", "2025-1-1", "today", "-1", "", "1234567"]
)
def test_what_names_no_day_is_refused(text: str) -> None:
    with pytest.raises(Unchecked):
        parse_day(text)
