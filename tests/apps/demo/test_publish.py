"""The page, the plots and the reports: what they hold, that they need nothing else, and what stops them."""

import csv
import importlib.util
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from apps.demo import publish as publishing
from apps.demo.errors import DemoError
from apps.demo.page import Link, Plot, make_page
from apps.demo.publish import NoPlotter, OutputRefused, ensure_folder, ensure_plotter, publish
from apps.demo.reports import make_homes_csv, make_hours_csv, make_regulator_report
from apps.demo.story import Check, Story, list_checks
from apps.demo.tables import lay_out_homes
from tests.apps.demo.stories import WEEK, make_story

STORY = make_story()
VOID = frozenset({"meta", "img", "source", "br", "link"})


class Outline(HTMLParser):
    """Notes tags, and elements that are closed out of turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def read(page: str) -> Outline:
    outline = Outline()
    outline.feed(page)
    assert not outline.faults
    assert not outline.open
    return outline


def checks_of(story: Story) -> tuple[Check, ...]:
    return list_checks(story, story.outcome)


def page_of(story: Story, checks: tuple[Check, ...] | None = None) -> str:
    plot = Plot(b"<svg/>", b"<svg/>")
    names = ("prices", "volumes", "flows", "savings", *(["weather"] if story.measured else []))
    plots = dict.fromkeys(names, plot)
    files = [Link("homes.csv", "homes & more")]
    return make_page(
        story, checks_of(story) if checks is None else checks, plots, files, [Link("loam x", "y")]
    )


def test_page_needs_no_other_host() -> None:
    page = page_of(STORY)
    assert "http:" not in page
    assert "https:" not in page
    assert "<script" not in page
    for tag, attributes in read(page).tags:
        for name in ("src", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, name)


def test_tables_have_captions_and_headings_and_plots_have_texts() -> None:
    outline = read(page_of(STORY))
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("table") == tags.count("caption") == tags.count("thead") == 5
    assert all(attributes.get("scope") for tag, attributes in outline.tags if tag == "th")
    assert all(attributes.get("alt") for tag, attributes in outline.tags if tag == "img")
    assert tags.count("figcaption") == 5
    assert ("html", {"lang": "en"}) in outline.tags


def test_page_follows_light_and_dark() -> None:
    page = page_of(STORY)
    assert "prefers-color-scheme: dark" in page
    medias = [attributes.get("media") for tag, attributes in read(page).tags if tag == "source"]
    assert medias == ["(prefers-color-scheme: dark)"] * 5


def test_page_tells_the_figures_of_the_week() -> None:
    page = page_of(STORY)
    for text in ("฿1,527.40", "฿1,809.64", "143.6 kWh", "77 of 168 hours", "Exact.", "฿28.72", "฿4.14"):
        assert text in page
    assert all(f'<th scope="row">{home}</th>' in page for home in WEEK.homes)
    assert "homes &amp; more" in page


def test_page_says_when_something_differs_and_escapes_it() -> None:
    page = page_of(STORY, (Check("x", ("h01: <b>",)),))
    read(page)
    assert "Not exact." in page
    assert "<li>h01: &lt;b&gt;</li>" in page


def test_page_of_a_night_without_trade() -> None:
    story = make_story(3)
    page = page_of(story._replace(measured=()))
    read(page)
    assert "No bid met an offer" in page
    assert "3 hours of the week were played, from Sunday 28 May, 00:00 on." in page


def test_table_of_homes_is_as_wide_in_each_row() -> None:
    lines = lay_out_homes(STORY.outcome)
    assert len(lines) == 1 + 1 + 15 + 1 + 1
    assert len({len(line) for line in lines}) == 1


def test_tables_hold_every_home_and_hour() -> None:
    homes = list(csv.DictReader(io.StringIO(make_homes_csv(STORY))))
    assert [row["home"] for row in homes] == list(WEEK.homes)
    assert [int(row["money"]) for row in homes] == list(WEEK.expected.balances)
    hours = list(csv.DictReader(io.StringIO(make_hours_csv(STORY))))
    assert [int(row["traded_wh"]) for row in hours] == [row[1] for row in WEEK.expected.hours]
    assert hours[0]["price_ticks"] == ""
    assert re.fullmatch("0x[0-9a-f]{64}", hours[0]["trades_root"])


def test_the_regulator_sees_average_price_and_roots() -> None:
    report = make_regulator_report(STORY, checks_of(STORY))
    assert report["average_price_ticks"] == 413_992_800_100_000 // (143_601 * 10**5)
    assert len(report["roots"]["trades"]) == 168
    assert all(check["is_exact"] for check in report["checks"])
    assert make_regulator_report(make_story(3), ())["average_price_ticks"] is None


def test_everything_is_written_but_plots_where_they_are_not_wanted(tmp_path: Path) -> None:
    page = publish(STORY, checks_of(STORY), tmp_path / ".", has_plots=False)
    assert page.name == "index.html"
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "index.html",
        "homes.csv",
        "hours.csv",
        "operator.json",
        "regulator.json",
        "summary.json",
    }
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["is_exact"] is True
    assert summary["balances"]["h03"] == "191553703318000"
    outline = read(page.read_text(encoding="utf-8"))
    links = {attributes["href"] for tag, attributes in outline.tags if tag == "a"}
    assert links == names - {"index.html"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputRefused, match="taken"):
        ensure_folder(tmp_path / "taken")
    with pytest.raises(OutputRefused):
        ensure_folder(tmp_path / "taken" / "below")


def test_a_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    ensure_folder(tmp_path / "new" / "below")
    assert list((tmp_path / "new" / "below").iterdir()) == []


def test_a_page_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(OutputRefused, match=r"index\.html"):
        publish(STORY, (), tmp_path, has_plots=False)


def test_missing_matplotlib_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    ensure_plotter()
    monkeypatch.setattr(publishing, "PLOTTER", "no_such_module")
    assert importlib.util.find_spec("no_such_module") is None
    with pytest.raises(NoPlotter, match=r"pip install 'loam\[demo\]'.*--no-plots") as failure:
        ensure_plotter()
    assert isinstance(failure.value, DemoError)
