"""The plots: prices, volumes, flows, savings, weather; each light and dark, as PNG and as SVG.

Responsible for drawing with matplotlib, which is loaded here and nowhere else. It knows no page and no chain.
Colours are those of Okabe and Ito, which people who see fewer colours tell apart, with lighter blues on dark
ground; what matters differs in shape or place, too.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from apps.demo.story import Story
from apps.demo.text import MINUS, show_share
from apps.demo.week import DAYS, HOURS_PER_DAY
from pallets.energy_trading.units import MONEY_PER_SATANG

GREEN, ORANGE, VERMILION = "#009E73", "#E69F00", "#D55E00"
TICKS_PER_BAHT: Final = 10_000
SATANG_PER_BAHT: Final = 100
WH_PER_KWH: Final = 1_000
SIZE: Final = (9.6, 3.9)
DOTS_PER_INCH: Final = 144


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of ground, text and lines."""

    name: str
    ground: str
    ink: str
    faint: str
    blue: str
    sky: str


LIGHT: Final = Theme("light", "#ffffff", "#1c2024", "#d5d9de", "#0072B2", "#56B4E9")
DARK: Final = Theme("dark", "#14181d", "#e6e9ec", "#3a424b", "#3f97dc", "#a9d9f5")


def draw_prices(story: Story, theme: Theme) -> Figure:
    """The market's price in each hour with trade, between what the grid asks and what it pays."""
    figure, axes = _begin(theme, "THB per kWh")
    hours = story.outcome.hours
    edges = list(range(len(hours) + 1))
    retail = [hour.retail_ticks / TICKS_PER_BAHT for hour in hours]
    feed_in = [hour.feed_in_ticks / TICKS_PER_BAHT for hour in hours]
    axes.stairs(retail, edges, color=VERMILION, linewidth=1.4, baseline=None, label="grid asks (retail)")
    axes.stairs(
        feed_in, edges, color=GREEN, linewidth=1.4, linestyle="--", baseline=None, label="grid pays (feed-in)"
    )
    traded = [(place + 0.5, hour) for place, hour in enumerate(hours) if hour.price_ticks is not None]
    most_wh = max((hour.traded_wh for _, hour in traded), default=1)
    axes.scatter(
        [place for place, _ in traded],
        [(hour.price_ticks or 0) / TICKS_PER_BAHT for _, hour in traded],
        s=[14 + 90 * hour.traded_wh / most_wh for _, hour in traded],
        color=theme.blue,
        edgecolors=theme.ground,
        linewidths=0.6,
        zorder=3,
        label="neighbours pay (larger: more traded)",
    )
    axes.set_ylim(0, max(retail) * 1.08)
    _mark_days(axes, story)
    _add_legend(axes, theme)
    return figure


def draw_volumes(story: Story, theme: Theme) -> Figure:
    """Where the energy that homes took came from, and below zero what the grid took from them."""
    figure, axes = _begin(theme, "kWh in the hour")
    hours = story.outcome.hours
    places = [place + 0.5 for place in range(len(hours))]
    layers = (
        ("traded in the auction", theme.blue, [hour.traded_wh / WH_PER_KWH for hour in hours]),
        ("netted among neighbours", theme.sky, [hour.netted_wh / WH_PER_KWH for hour in hours]),
        ("bought from the grid", ORANGE, [hour.grid_sells_wh / WH_PER_KWH for hour in hours]),
    )
    bottoms = [0.0] * len(hours)
    for label, color, values in layers:
        axes.bar(places, values, 0.92, bottom=bottoms, color=color, label=label)
        bottoms = [below + value for below, value in zip(bottoms, values, strict=True)]
    sold = [-hour.grid_buys_wh / WH_PER_KWH for hour in hours]
    axes.bar(places, sold, 0.92, color=GREEN, label="sold to the grid")
    axes.axhline(0, color=theme.ink, linewidth=0.8)
    _show_absolute(axes)
    _mark_days(axes, story)
    _add_legend(axes, theme)
    return figure


def draw_flows(story: Story, theme: Theme) -> Figure:
    """What all homes used, what their roofs gave, and what went from one home to another."""
    figure, axes = _begin(theme, "kWh in the hour")
    hours = story.outcome.hours
    places = [place + 0.5 for place in range(len(hours))]
    load = [sum(home.load_wh for home in hour.homes) / WH_PER_KWH for hour in hours]
    roofs = [sum(home.generated_wh for home in hour.homes) / WH_PER_KWH for hour in hours]
    through = [_measure_flow(story, place) / WH_PER_KWH for place in range(len(hours))]
    axes.fill_between(places, roofs, step="mid", color=ORANGE, alpha=0.45, linewidth=0, label="roofs give")
    axes.step(places, load, where="mid", color=theme.blue, linewidth=1.6, label="homes use")
    axes.step(
        places,
        through,
        where="mid",
        color=theme.ink,
        linewidth=1.2,
        linestyle="--",
        label="between neighbours",
    )
    axes.set_ylim(bottom=0)
    _mark_days(axes, story)
    _add_legend(axes, theme)
    return figure


def draw_savings(story: Story, theme: Theme) -> Figure:
    """By how much each home is better off than alone, in baht and of what it would have paid."""
    totals = sorted(story.outcome.totals, key=lambda total: total.saving)
    figure, axes = _begin(theme, None, height=4.6)
    savings = [total.saving / MONEY_PER_SATANG / SATANG_PER_BAHT for total in totals]
    axes.barh([total.name for total in totals], savings, 0.72, color=theme.blue)
    for place, (total, saving) in enumerate(zip(totals, savings, strict=True)):
        text = f"{saving:.2f}  ({show_share(total.saving, total.retail_bill)})"
        axes.annotate(
            text,
            (max(saving, 0.0), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=theme.ink,
        )
    axes.set_xlim(min(0.0, *savings) * 1.05, max(max(savings) * 1.22, 0.1))
    axes.set_xlabel("saving in THB, and in percent of the retail bill")
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=theme.faint, linewidth=0.7)
    return figure


def draw_weather(story: Story, theme: Theme) -> Figure:
    """Temperature and irradiance as the oracle had them, one value for each hour."""
    figure = Figure(figsize=SIZE, layout="constrained", facecolor=theme.ground)
    above, below = figure.subplots(2, 1, sharex=True)
    places = [place + 0.5 for place in range(len(story.measured))]
    for axes, label in ((above, "temperature, °C"), (below, "irradiance, W/m²")):
        _dress(axes, theme, label)
    temperature = [_read(story, place, "weather/temperature", 100) for place in range(len(places))]
    irradiance = [_read(story, place, "weather/irradiance", 10) for place in range(len(places))]
    above.step(places, temperature, where="mid", color=VERMILION, linewidth=1.4)
    below.fill_between(places, irradiance, step="mid", color=ORANGE, alpha=0.6, linewidth=0)
    below.set_ylim(bottom=0)
    _mark_days(below, story)
    return figure


PLOTS: Final[Mapping[str, Callable[[Story, Theme], Figure]]] = MappingProxyType(
    {
        "prices": draw_prices,
        "volumes": draw_volumes,
        "flows": draw_flows,
        "savings": draw_savings,
        "weather": draw_weather,
    }
)


def list_plots(story: Story) -> tuple[str, ...]:
    """Return the names of the plots that a run has figures for."""
    return tuple(name for name in PLOTS if name != "weather" or story.measured)


def write_png(story: Story, name: str, path: Path) -> None:
    """Draw a plot into a PNG file."""
    with _settings():
        figure = PLOTS[name](story, LIGHT)
        figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def make_svg(story: Story, name: str, theme: Theme) -> bytes:
    """Return a plot as SVG; the same run gives the same bytes."""
    output = io.BytesIO()
    with _settings():
        PLOTS[name](story, theme).savefig(output, format="svg", metadata={"Date": None, "Creator": None})
    return output.getvalue()


@contextmanager
def _settings() -> Iterator[None]:
    with mpl.rc_context(
        {"font.family": "DejaVu Sans", "font.size": 9.5, "svg.hashsalt": "loam", "svg.fonttype": "path"}
    ):
        yield


def _measure_flow(story: Story, place: int) -> int:
    """Return the Wh that went from one home to another in an hour: the lesser of what all took and gave."""
    homes = story.outcome.hours[place].homes
    taken = sum(max(home.net_wh, 0) for home in homes)
    given = sum(max(-home.net_wh, 0) for home in homes)
    return min(taken, given)


def _read(story: Story, place: int, feed: str, scale: int) -> float:
    value = story.measured[place].values.get(feed)
    return float("nan") if value is None else value / scale


def _begin(theme: Theme, label: str | None, height: float = SIZE[1]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(SIZE[0], height), layout="constrained", facecolor=theme.ground)
    axes = figure.subplots()
    _dress(axes, theme, label)
    return figure, axes


def _dress(axes: Axes, theme: Theme, label: str | None) -> None:
    axes.set_facecolor(theme.ground)
    axes.grid(axis="y", color=theme.faint, linewidth=0.7)
    axes.set_axisbelow(True)
    for name, spine in axes.spines.items():
        spine.set_visible(name in {"left", "bottom"})
        spine.set_color(theme.faint)
    axes.tick_params(colors=theme.ink, which="both", length=3, color=theme.faint)
    axes.xaxis.label.set_color(theme.ink)
    axes.yaxis.label.set_color(theme.ink)
    if label is not None:
        axes.set_ylabel(label)


def _mark_days(axes: Axes, story: Story) -> None:
    """Put the days' names under their noons and a tick at each midnight; of a part of the week, the hours."""
    hours = len(story.outcome.hours)
    axes.set_xlim(0, hours)
    if story.week.skipped or hours < HOURS_PER_DAY:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(f"hours from {story.week.name_hour(0)} on")
        return
    days = -(-hours // HOURS_PER_DAY)
    axes.set_xticks(
        [day * HOURS_PER_DAY for day in range(days + 1) if day * HOURS_PER_DAY <= hours], labels=[]
    )
    noons = [min(day * HOURS_PER_DAY + HOURS_PER_DAY // 2, hours) for day in range(days)]
    axes.set_xticks(noons, labels=[_shorten(DAYS[day]) for day in range(days)], minor=True)
    axes.tick_params(axis="x", which="minor", length=0, pad=6)


def _shorten(day: str) -> str:
    name, date, month = day.split()
    return f"{name[:3]} {date} {month[:3]}"


def _show_absolute(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", MINUS))


def _add_legend(axes: Axes, theme: Theme) -> None:
    legend = axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, fontsize=8.5, borderaxespad=0.2
    )
    for text in legend.get_texts():
        text.set_color(theme.ink)
