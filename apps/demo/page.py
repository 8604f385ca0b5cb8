"""The page: what came of the week for people to read, in one HTML file that needs nothing else.

Responsible for the words and the tables; plots come in as bytes. Tables have captions and headings for those
who hear them, plots have texts; colours follow the reader's choice of light or dark. It knows no chain.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from apps.demo.outcome import HomeTotal
from apps.demo.story import Check, Story
from apps.demo.tables import add_totals
from apps.demo.text import show_baht, show_grid, show_kwh, show_price, show_share, show_thb, show_time
from apps.demo.week import DAYS

STYLE: Final = Path(__file__).parent / "page.css"
HOUR_MS: Final = 3_600_000


class Plot(NamedTuple):
    """A plot in both colourings, as SVG."""

    light: bytes
    dark: bytes


class Link(NamedTuple):
    """A file beside the page, or a command to check with, and what it is for."""

    text: str
    purpose: str


TITLES: Final = {
    "prices": "Prices",
    "volumes": "Volumes",
    "flows": "Flows",
    "savings": "Savings",
    "weather": "Weather",
}


def make_page(
    story: Story,
    checks: Sequence[Check],
    plots: Mapping[str, Plot],
    files: Sequence[Link],
    commands: Sequence[Link],
) -> str:
    """Return the page; plots are shown in their order, by name."""
    parts = (
        _open(story, checks),
        _figures(story, plots),
        _homes(story),
        _money(story),
        _certificates(story),
        _reports(story, files, commands),
        _passage(story),
        _origins(),
    )
    body = "\n".join(parts)
    title = "Energy week: fifteen homes on a chain of their own"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE.read_text(encoding='utf-8')}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _open(story: Story, checks: Sequence[Check]) -> str:
    outcome = story.outcome
    total = add_totals("all", outcome.totals)
    neighbours_wh = outcome.traded_wh + outcome.netted_wh
    taken_wh = neighbours_wh + sum(hour.grid_sells_wh for hour in outcome.hours)
    tiles = (
        ("Together, instead of alone", show_thb(total.money), f"alone {show_thb(total.alone)}"),
        (
            "Saved by the community",
            show_thb(total.saving),
            f"{show_share(total.saving, abs(total.alone))} of the net bill",
        ),
        (
            "Traded in the auction",
            f"{show_kwh(outcome.traded_wh)} kWh",
            f"in {sum(hour.price_ticks is not None for hour in outcome.hours)} of {len(outcome.hours)} hours",
        ),
        (
            "From neighbours",
            f"{show_kwh(neighbours_wh)} kWh",
            f"{show_share(neighbours_wh, taken_wh)} of what homes took from outside",
        ),
    )
    listed = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)} <small>{escape(more)}</small></dd></div>"
        for name, value, more in tiles
    )
    return (
        f"<h1>A week of fifteen homes on a chain of their own</h1>\n<p>{_tell_span(story)} Homes sold the "
        "surplus of their roofs to one another in hourly auctions, their meters signed what flowed, and a "
        "blockchain of their own settled it: every figure on this page comes from its blocks.</p>\n"
        f'{_verdict(checks)}\n<dl class="tiles">{listed}</dl>'
    )


def _tell_span(story: Story) -> str:
    if story.is_whole_week:
        return f"A whole week was played, from {DAYS[0]} to {DAYS[-1]}."
    hours = len(story.outcome.hours)
    return f"{hours} hours of the week were played, from {story.week.name_hour(0)} on."


def _verdict(checks: Sequence[Check]) -> str:
    if all(check.is_exact for check in checks):
        names = "; ".join(check.name for check in checks)
        return (
            '<div class="verdict" role="status"><strong>Exact.</strong> '
            f"To the last of twelve decimals agree: {escape(names)}.</div>"
        )
    found = "".join(f"<li>{escape(one)}</li>" for check in checks for one in check.differences)
    return f'<div class="verdict bad" role="alert"><strong>Not exact.</strong><ul>{found}</ul></div>'


def _figures(story: Story, plots: Mapping[str, Plot]) -> str:
    return "\n".join(_figure(name, plot, _explain(story, name)) for name, plot in plots.items())


def _figure(name: str, plot: Plot, sentence: str) -> str:
    light, dark = (_inline(data) for data in plot)
    return (
        f'<h2 id="{name}">{TITLES[name]}</h2>\n<figure><picture>'
        f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(sentence, quote=True)}"></picture>'
        f"<figcaption>{escape(sentence)}</figcaption></figure>"
    )


def _inline(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _explain(story: Story, name: str) -> str:
    outcome = story.outcome
    match name:
        case "prices":
            prices = [hour.price_ticks for hour in outcome.hours if hour.price_ticks is not None]
            if not prices:
                return (
                    "No bid met an offer, so there is no price between what the grid asks and what it pays."
                )
            return (
                f"Where bids met offers, neighbours paid {show_price(min(prices))} to "
                f"{show_price(max(prices))} THB per kWh, between what the grid pays and what it asks. With "
                "more sun than demand the price is the feed-in price, with less it is what buyers can afford "
                "after wheeling and fee."
            )
        case "volumes":
            return (
                f"Of what homes took from outside, {show_kwh(outcome.traded_wh)} kWh had been traded the day "
                f"before, {show_kwh(outcome.netted_wh)} kWh were exchanged among neighbours when the hour "
                "was settled, and the rest came from the grid; below zero is what the grid took."
            )
        case "flows":
            return (
                "What all homes used and what all roofs gave in each hour. The dashed line is what went from "
                "a home with too much to one with too little: it is high in the morning and late afternoon, "
                "when some homes have sun to spare and others do not."
            )
        case "savings":
            totals = outcome.totals
            least, most = min(total.saving for total in totals), max(total.saving for total in totals)
            return (
                f"Each home is better off than alone with the grid, by {show_thb(least)} to "
                f"{show_thb(most)}; in brackets, of what it would have paid the grid at retail."
                if least >= 0
                else f"Against the grid alone homes did better by {show_thb(least)} to {show_thb(most)}; in "
                "brackets, of what each would have paid the grid at retail."
            )
        case _:
            providers = min(one.providers for one in story.measured)
            return (
                f"Weather as the oracle had it: medians of at least {providers} providers, one value for "
                "each hour. Irradiance is diffuse and direct together."
            )


def _homes(story: Story) -> str:
    heads = (
        *("Home", "Used", "Roof", "Bought", "Sold", "Netted in", "Netted out"),
        *("Result, ฿", "Alone, ฿", "Saving, ฿", "of retail"),
    )
    totals = story.outcome.totals
    rows = [_home_row(total) for total in totals]
    return '<h2 id="homes">Home by home</h2>\n' + _table(
        "Energy in kWh. The result is what the home received, or paid where it is below zero: trades, fee, "
        "wheeling and settlement together. Alone is the same home with the grid only; the last column is the "
        "saving in percent of what it would have paid the grid then.",
        heads,
        rows,
        _home_row(add_totals("All", totals)),
    )


def _home_row(total: HomeTotal) -> tuple[str, ...]:
    energies = (*total[1:5], total.netted_in_wh, total.netted_out_wh)
    return (
        total.name,
        *(show_kwh(energy_wh) for energy_wh in energies),
        *(show_baht(total.money), show_baht(total.alone), show_baht(total.saving, signed=True)),
        show_share(total.saving, total.retail_bill),
    )


def _money(story: Story) -> str:
    settled, outcome = story.settled, story.outcome
    traded = sum(home.energy for hour in outcome.hours for home in hour.homes if home.energy > 0)
    rows = (
        ("homes", show_thb(sum(settled.homes), signed=True), "trades, settlement, fee and wheeling"),
        ("grid", show_thb(settled.grid, signed=True), "sold at retail, less bought at the feed-in price"),
        ("market fees", show_thb(settled.fees, signed=True), "1 % of every purchase, for the treasury"),
        ("wheeling", show_thb(settled.wheeling, signed=True), "for the wires of the street"),
        ("penalties", show_thb(settled.penalties, signed=True), "none are charged here"),
    )
    total = sum(settled.homes) + sum(settled[1:])
    return (
        f'<h2 id="money">Where the money went</h2>\n<p>Neighbours paid one another {show_thb(traded)} in '
        "auctions. What all received and paid sums to zero: no baht came from nowhere or went nowhere.</p>\n"
        + _table(
            "Balances at the end less those at the beginning, in WATT; one WATT stands for one baht.",
            ("Who", "Change", "For"),
            rows,
            ("Sum", show_thb(total), ""),
            text_columns=(2,),
        )
    )


def _certificates(story: Story) -> str:
    rows = [
        (name, str(one.issued), show_kwh(one.remainder_wh), show_grid(fee))
        for name, one, fee in zip(story.week.homes, story.certified, story.grid_fees, strict=True)
    ]
    return '<h2 id="certificates">Certificates and transaction fees</h2>\n' + _table(
        "A certificate stands for 1 MWh from a roof. One week of one roof does not make one, so the chain "
        "carries what was generated towards the next. Transactions are paid in GRID, never in baht.",
        ("Home", "Certificates", "kWh carried", "Fees in GRID"),
        rows,
        None,
    )


def _reports(story: Story, files: Sequence[Link], commands: Sequence[Link]) -> str:
    rows = [
        (
            str(one.epoch),
            str(one.rows),
            show_thb(one.net_debits),
            show_thb(one.net_credits),
            f"#{one.block}",
            f"<code>0x{one.root.hex()}</code>",
        )
        for one in story.epochs
    ]
    counts = [(name, str(count)) for name, count in story.supervision.items()]
    parts = [
        '<h2 id="reports">Reports and how to check them</h2>\n<p>All payments of a day are made as one. The '
        "root commits to every row, so that a row is proven without showing the others.</p>",
        _table(
            "Netted days.",
            ("Epoch", "Rows", "Paid in", "Paid out", "Block", "Root of the rows"),
            rows,
            None,
            text_columns=(5,),
            is_html=True,
        ),
        _table("What the pallets of supervision recorded.", ("Event", "Times"), counts, None),
        "<ul>"
        + "".join(
            f'<li><a href="{escape(one.text, quote=True)}">{escape(one.text)}</a>: {escape(one.purpose)}</li>'
            for one in files
        )
        + "</ul>",
    ]
    parts += [f"<p>{escape(one.purpose)}</p>\n<pre>{escape(one.text)}</pre>" for one in commands]
    return "\n".join(parts)


def _passage(story: Story) -> str:
    one = story.passage
    nodes = "one node" if one.nodes == 1 else f"{one.nodes} validators"
    return (
        f'<h2 id="run">How it ran</h2>\n<p>The chain {escape(one.chain)} '
        f"(genesis <code>0x{one.genesis.hex()}</code>) was kept by {nodes} on one machine. An hour of the "
        f"week lasted {one.slot_ms / 1000:g} s there, {HOUR_MS // one.slot_ms:,} times faster than in "
        f"Fontana; orders, readings, clearing and settlement are the same. Blocks #{one.first_block} to "
        f"#{one.last_block} hold {one.transactions:,} transactions and took {show_time(one.took_s)}.</p>\n"
        "<p>Orders for an hour were placed as soon as the same hour of the day before was measured, by each "
        "home with its own key. Each home has two meters, one for what it uses and one for its roof; each "
        "signs its readings with a key of its own.</p>"
    )


def _origins() -> str:
    return (
        '<h2 id="data">Where the measurements come from</h2>\n<p>Load and generation are of real homes in '
        "Fontana, California, from the CityLearn Challenge 2022 data (MIT licence). The days of the week "
        "fit 2017. Prices are Thai: a time-of-use tariff of 5.7982 and 2.6369 THB per kWh and a "
        "feed-in price of 2.20. So the figures show how the market works, not what a Thai street would "
        "save.</p>"
    )


def _table(
    caption: str,
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    foot: Sequence[str] | None,
    *,
    text_columns: Sequence[int] = (),
    is_html: bool = False,
) -> str:
    """Return a table; the first cell of a row is its heading. Cells are text unless they are HTML already."""

    def lay_out(row: Sequence[str]) -> str:
        cells = [cell if is_html else escape(cell) for cell in row]
        others = (
            f'<td class="text">{cell}</td>' if place in text_columns else f"<td>{cell}</td>"
            for place, cell in enumerate(cells[1:], 1)
        )
        return f'<tr><th scope="row">{cells[0]}</th>{"".join(others)}</tr>'

    head = "".join(
        f'<th scope="col"{" class=text" if place in text_columns else ""}>{escape(name)}</th>'
        for place, name in enumerate(heads)
    )
    end = "" if foot is None else f"<tfoot>{lay_out(foot)}</tfoot>"
    body = "".join(lay_out(row) for row in rows)
    return (
        f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody>{end}</table></div>"
    )
