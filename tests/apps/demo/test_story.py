"""A run is exact only if every balance and every figure of every hour is; whatever differs is named."""

from typing import Any

import pytest

from apps.demo.outcome import HomeHour, HourOutcome, Outcome, list_differences
from apps.demo.replay import compute_outcome
from apps.demo.story import Story, list_checks
from apps.demo.week import WEEK_HOURS
from tests.apps.demo.stories import WEEK, make_story

COMPUTED = compute_outcome(WEEK, WEEK_HOURS)
STORY = make_story()


def differences(story: Story, computed: Outcome = COMPUTED) -> list[str]:
    return [one for check in list_checks(story, computed) for one in check.differences]


def change(outcome: Outcome, number: int, hour: HourOutcome) -> Outcome:
    return outcome._replace(hours=(*outcome.hours[:number], hour, *outcome.hours[number + 1 :]))


def test_a_whole_week_is_compared_with_the_script_too() -> None:
    assert [check.is_exact for check in list_checks(STORY, COMPUTED)] == [True] * 3


def test_a_part_is_compared_with_the_rules_alone() -> None:
    for story in (make_story(30), make_story(WEEK_HOURS - 24, WEEK.skip(24))):
        checks = list_checks(story, story.outcome)
        assert [check.is_exact for check in checks] == [True] * 2


def test_one_unit_less_for_one_home_is_found_and_named() -> None:
    balances = (STORY.settled.homes[0], STORY.settled.homes[1] - 1, *STORY.settled.homes[2:])
    found = differences(STORY._replace(settled=STORY.settled._replace(homes=balances)))
    assert len(found) == 2, "against the events, and against the script"
    assert all(one.startswith("h02: ") for one in found)


@pytest.mark.parametrize("name", ["fees", "wheeling", "grid", "penalties"])
def test_one_unit_more_in_a_pot_is_found(name: str) -> None:
    settled = STORY.settled._replace(**{name: getattr(STORY.settled, name) + 1})
    assert all(one.startswith(f"{name}: ") for one in differences(STORY._replace(settled=settled)))
    assert differences(STORY._replace(settled=settled))


@pytest.mark.parametrize("name", [name for name in HourOutcome._fields if name != "homes"])
def test_any_other_figure_of_an_hour_is_found(name: str) -> None:
    hour = STORY.outcome.hours[8]
    other: dict[str, Any] = {name: (getattr(hour, name) or 0) + 1}
    changed = hour._replace(**other)
    assert list_differences(change(STORY.outcome, 8, changed), COMPUTED)[0].startswith("hour 8: ")


@pytest.mark.parametrize("name", HomeHour._fields)
def test_any_other_figure_of_a_home_is_found_and_named(name: str) -> None:
    hour = STORY.outcome.hours[8]
    home = hour.homes[3]._replace(**{name: getattr(hour.homes[3], name) + 1})
    changed = hour._replace(homes=(*hour.homes[:3], home, *hour.homes[4:]))
    (found,) = list_differences(change(STORY.outcome, 8, changed), COMPUTED)
    assert found.startswith("hour 8: ")
    assert found.endswith("differing: h04")


def test_missing_hours_and_other_homes_are_found() -> None:
    assert list_differences(compute_outcome(WEEK, 3), COMPUTED) == ["3 hours are settled, 168 should be"]
    other = COMPUTED._replace(homes=("x", *COMPUTED.homes[1:]))
    assert list_differences(other, COMPUTED) == ["the homes are not the same"]


def test_an_hour_that_the_script_has_otherwise_is_found() -> None:
    rows = list(WEEK.expected.hours)
    rows[5] = (1, *rows[5][1:])
    week = WEEK._replace(expected=WEEK.expected._replace(hours=tuple(rows)))
    assert differences(STORY._replace(week=week)) == [
        f"hour 5: found {STORY.outcome.hours[5].row}, expected {rows[5]}"
    ]
