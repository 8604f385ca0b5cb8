"""The reports of a run as files: for the operator of the grid, for the regulator, and tables for anybody.

Responsible for names and shapes. Energy is in Wh, prices in ticks of 0.0001 THB per kWh, money as text in
units of 10⁻¹² THB, which JSON's numbers do not hold. Whatever a report says is in the blocks that it names.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

from apps.demo.providers import FEEDS
from apps.demo.story import Check, Story
from apps.demo.tables import add_totals
from pallets.energy_trading.units import MONEY_PER_WH_TICK

HOUR_TITLES: Final = (
    *("hour", "slot", "feed_in_ticks", "retail_ticks", "price_ticks", "traded_wh", "netted_wh"),
    *("grid_buys_wh", "grid_sells_wh", "grid_cash", "load_wh", "generated_wh", "trades_root"),
    *FEEDS,
)
HOME_TITLES: Final = (
    *("home", "load_wh", "generated_wh", "bought_wh", "sold_wh", "netted_out_wh", "netted_in_wh", "energy"),
    *(
        "fee",
        "wheeling",
        "imbalance",
        "alone",
        "retail_bill",
        "money",
        "saving",
        "certificates",
        "carried_wh",
    ),
)


def make_hours_csv(story: Story) -> str:
    """Return a row for each hour."""
    rows = [
        (
            number,
            story.passage.first_slot + number,
            hour.feed_in_ticks,
            hour.retail_ticks,
            "" if hour.price_ticks is None else hour.price_ticks,
            *(hour.traded_wh, hour.netted_wh, hour.grid_buys_wh, hour.grid_sells_wh, hour.grid_cash),
            sum(home.load_wh for home in hour.homes),
            sum(home.generated_wh for home in hour.homes),
            _show_root(trades),
            *(_show_measured(story, number, key) for key in FEEDS),
        )
        for number, (hour, trades) in enumerate(zip(story.outcome.hours, story.trades, strict=True))
    ]
    return _write_csv(HOUR_TITLES, rows)


def make_homes_csv(story: Story) -> str:
    """Return a row for each home."""
    rows = [
        (*total, total.money, total.saving, one.issued, one.remainder_wh)
        for total, one in zip(story.outcome.totals, story.certified, strict=True)
    ]
    return _write_csv(HOME_TITLES, rows)


def make_operator_report(story: Story) -> dict[str, Any]:
    """Return what the operator of the grid wants to see: flows, peaks, what was paid for wires and energy."""
    hours = story.outcome.hours
    total = add_totals("all", story.outcome.totals)
    out = [hour.grid_sells_wh for hour in hours]
    back = [hour.grid_buys_wh for hour in hours]
    return {
        "report": "operator",
        **_describe_run(story),
        "load_wh": total.load_wh,
        "generated_wh": total.generated_wh,
        "grid_sells_wh": sum(out),
        "grid_buys_wh": sum(back),
        "peak_out_wh": {"hour": out.index(max(out)), "energy_wh": max(out)},
        "peak_back_wh": {"hour": back.index(max(back)), "energy_wh": max(back)},
        "traded_wh": story.outcome.traded_wh,
        "netted_wh": story.outcome.netted_wh,
        "wheeling": str(story.settled.wheeling),
        "grid_cash": str(story.settled.grid),
        "penalties": str(story.settled.penalties),
        "substituted_readings": 0,
        "netted_days": [
            {
                "day": one.epoch,
                "block": one.block,
                "rows": one.rows,
                "root": _show_root(one),
                "net_debits": str(one.net_debits),
                "net_credits": str(one.net_credits),
            }
            for one in story.epochs
        ],
    }


def make_regulator_report(story: Story, checks: Sequence[Check]) -> dict[str, Any]:
    """Return what a regulator wants to see: volume, value and prices, what supervision recorded, and roots
    with which each figure can be checked."""
    hours = story.outcome.hours
    prices = [hour.price_ticks for hour in hours if hour.price_ticks is not None]
    value = sum(home.energy for hour in hours for home in hour.homes if home.energy > 0)
    traded_wh = story.outcome.traded_wh
    return {
        "report": "regulator",
        **_describe_run(story),
        "homes": len(story.week.homes),
        "hours_with_trade": len(prices),
        "traded_wh": traded_wh,
        "value": str(value),
        "average_price_ticks": value // (traded_wh * MONEY_PER_WH_TICK) if traded_wh else None,
        "lowest_price_ticks": min(prices, default=None),
        "highest_price_ticks": max(prices, default=None),
        "fees": str(story.settled.fees),
        "wheeling": str(story.settled.wheeling),
        "certificates_issued": sum(one.issued for one in story.certified),
        "supervision": story.supervision,
        "roots": {
            "trades": [
                {"slot": story.passage.first_slot + number, "rows": one.rows, "root": _show_root(one)}
                for number, one in enumerate(story.trades)
                if one is not None
            ],
            "netted_days": [
                {"day": one.epoch, "rows": one.rows, "root": _show_root(one)} for one in story.epochs
            ],
        },
        "checks": [
            {"of": check.name, "is_exact": check.is_exact, "differences": list(check.differences)}
            for check in checks
        ],
    }


def make_summary(story: Story, checks: Sequence[Check]) -> dict[str, Any]:
    """Return the run in one object: figures of all homes, and whether they are exact."""
    total = add_totals("all", story.outcome.totals)
    return {
        **_describe_run(story),
        "took_s": round(story.passage.took_s, 1),
        "is_exact": all(check.is_exact for check in checks),
        "differences": [one for check in checks for one in check.differences],
        "traded_wh": story.outcome.traded_wh,
        "netted_wh": story.outcome.netted_wh,
        "money": str(total.money),
        "alone": str(total.alone),
        "saving": str(total.saving),
        "balances": dict(zip(story.week.homes, map(str, story.settled.homes), strict=True)),
    }


def _describe_run(story: Story) -> dict[str, Any]:
    one = story.passage
    return {
        "chain": one.chain,
        "genesis": f"0x{one.genesis.hex()}",
        "nodes": one.nodes,
        "blocks": [one.first_block, one.last_block],
        "transactions": one.transactions,
        "slot_ms": one.slot_ms,
        "slots": [one.first_slot, one.first_slot + len(story.outcome.hours) - 1],
        "hours": len(story.outcome.hours),
    }


def _show_measured(story: Story, number: int, key: str) -> int | str:
    return story.measured[number].values.get(key, "") if story.measured else ""


def _show_root(found: Any) -> str:
    return "" if found is None else f"0x{found.root.hex()}"


def _write_csv(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(titles)
    writer.writerows(rows)
    return output.getvalue()
