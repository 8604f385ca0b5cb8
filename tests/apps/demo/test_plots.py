"""Plots are drawn for a week and for an hour, light and dark, and the same run gives the same bytes."""

from pathlib import Path

import pytest

from apps.demo.plots import DARK, LIGHT, list_plots, make_svg, write_png
from tests.apps.demo.stories import WEEK, make_story

NAMES = ("prices", "volumes", "flows", "savings", "weather")
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_plot_of_the_week_is_drawn_twice_alike(name: str, tmp_path: Path) -> None:
    story = make_story()
    light, dark = make_svg(story, name, LIGHT), make_svg(story, name, DARK)
    assert light == make_svg(story, name, LIGHT)
    assert light.lstrip().startswith(b"<?xml")
    assert light != dark
    assert DARK.ground.encode() in dark
    write_png(story, name, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("first", "hours"), [(0, 1), (30, 3)])
def test_a_plot_of_few_hours_is_drawn(name: str, first: int, hours: int) -> None:
    assert make_svg(make_story(hours, WEEK.skip(first)), name, LIGHT)


def test_weather_is_left_out_where_the_oracle_was_silent() -> None:
    assert list_plots(make_story(3)) == NAMES
    assert list_plots(make_story(3)._replace(measured=())) == NAMES[:-1]
