"""Settlement, tariffs, certificates and pools, against short scripts of the same rules, and a week of real
homes.

The week reads the homes' meters from `data/homes17_week_hourly.csv`, whatever file the expected balances
come from.
"""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pallets.certificates.issuance import Claims, claim
from pallets.energy_trading.fills import Auction, Rationing, clear, compute_payment
from pallets.energy_trading.levels import Order, Rules
from pallets.energy_trading.units import MONEY_PER_THB, compute_value
from pallets.investment import revenue
from pallets.settlement.imbalance import Delivery, Terms, settle
from pallets.settlement.tariff import (
    OFF_PEAK_TICKS,
    ON_PEAK_TICKS,
    PEAK_END_HOUR,
    PEAK_FIRST_HOUR,
    RESIDENTIAL_1_1,
    SATURDAY,
    Bill,
    compute_block_bill,
    compute_tou_bill,
)
from tests.vectors.case import Case, Document, Entry, MalformedFile, Plan, ensure_equal, get_entries
from tests.vectors.decimals import scale_decimal

HOMES = Path(__file__).parent / "data" / "homes17_week_hourly.csv"
ROW = ("deviation_wh", "netted_wh", "grid_wh", "imbalance_cash", "excess_wh", "penalty", "net")
SATANG_PER_THB = 100
TICKS_PER_THB = 10_000
WH_PER_KWH = 1_000


def plan_settlement(document: Document) -> Plan:
    """Return one case for each slot."""
    return Plan(
        tuple(Case(entry["name"], partial(check_slot, entry)) for entry in get_entries(document, "cases"))
    )


def check_slot(entry: Entry) -> None:
    """Settle a slot; compare every row and the sums."""
    names = ("fit", "ret", "tol_pm", "tol_min", "pen_bps", "netting")
    terms = Terms(*(entry["params"][name] for name in names))
    accounts, expect = entry["accounts"], entry["expect"]
    rows, end = settle(
        terms, [Delivery(*(one[key] for key in ("buy", "sell", "imp", "exp"))) for one in accounts]
    )
    for account, row, expected in zip(accounts, rows, expect["rows"], strict=True):
        found = {"id": account["id"]} | {
            key: str(getattr(row, key)) if isinstance(expected[key], str) else getattr(row, key)
            for key in ROW
        }
        ensure_equal(found, expected, f"row of {account['id']}")
    sums = {
        "netted_total_wh": end.netted_wh,
        "netting_price": terms.netting_ticks,
        "grid_buys_wh": end.grid_buys_wh,
        "grid_sells_wh": end.grid_sells_wh,
        "grid_cash": str(end.grid_cash),
        "penalty_pot": str(end.penalty_pot),
    }
    ensure_equal(sums | {"rows": expect["rows"]}, expect, "sums")
    ensure_equal(sum(row.net for row in rows) + end.grid_cash + end.penalty_pot, 0, "all cash")


def plan_tariff(document: Document) -> Plan:
    """Return one case for each bill."""
    entries = get_entries(document, "cases")
    return Plan(tuple(Case(f"cases[{i}]", partial(check_bill, entry)) for i, entry in enumerate(entries)))


def check_bill(entry: Entry) -> None:
    """Compute a bill by blocks, or by time of use where the entry has both uses."""
    surcharge = scale_decimal(entry["ft"], TICKS_PER_THB)
    service = scale_decimal(entry["service"], MONEY_PER_THB)
    if "kwh" in entry:
        bill = compute_block_bill(
            scale_decimal(entry["kwh"], WH_PER_KWH), RESIDENTIAL_1_1, surcharge, service
        )
    else:
        uses = [scale_decimal(entry[key], WH_PER_KWH) for key in ("on_peak_kwh", "off_peak_kwh")]
        bill = compute_tou_bill(uses[0], uses[1], surcharge, service)
    expected = [
        scale_decimal(entry[key], MONEY_PER_THB)
        for key in ("energy", "ft_amount", "subtotal", "vat", "total_exact")
    ]
    ensure_equal(_list_parts(bill), expected, "bill")
    ensure_equal(bill.total_satang, scale_decimal(entry["total_2dp"], SATANG_PER_THB), "total on paper")


def _list_parts(bill: Bill) -> list[int]:
    return [bill.energy, bill.surcharge, bill.subtotal, bill.vat, bill.total]


def plan_certificates(document: Document) -> Plan:
    """Return one case for each device."""
    return Plan(
        tuple(Case(entry["name"], partial(check_device, entry)) for entry in get_entries(document, "cases"))
    )


def check_device(entry: Entry) -> None:
    """Claim slot after slot; compare what is issued and carried."""
    claims = Claims()
    total_wh = 0
    for step in get_entries(entry, "steps"):
        issued, claims = claim(claims, step["slot"], step["slot"], step["generated_wh"])
        total_wh += step["generated_wh"]
        expected = (step["minted"], step["remainder_wh"])
        ensure_equal((issued, claims.remainder_wh), expected, f"slot {step['slot']}")
    ensure_equal((claims.issued, total_wh), (entry["issued"], entry["total_wh"]), "sums")


def plan_pool(document: Document) -> Plan:
    """Return one case for each pool."""
    return Plan(
        tuple(Case(entry["name"], partial(check_pool, entry)) for entry in get_entries(document, "cases"))
    )


def check_pool(entry: Entry) -> None:
    """Fund, earn, claim and move shares in turn; compare each step and the end."""
    pool = revenue.Pool()
    holdings: dict[str, revenue.Holding] = {}
    expect = entry["expect"]
    for place, (event, expected) in enumerate(
        zip(get_entries(entry, "events"), expect["steps"], strict=True)
    ):
        pool, found = perform(pool, holdings, event)
        ensure_equal(found, expected, f"step {place}")
    ensure_equal({who: str(one.shares) for who, one in holdings.items()}, expect["shares"], "shares")
    sums = (str(pool.undistributed), str(pool.paid))
    ensure_equal(sums, (expect["undistributed"], expect["paid"]), "undistributed and paid")


def perform(
    pool: revenue.Pool, holdings: dict[str, revenue.Holding], event: Entry
) -> tuple[revenue.Pool, dict[str, str]]:
    """Apply one event of a pool and return what the file tells of it."""
    who, amount = event.get("who", ""), int(event.get("amount", "0"))
    holding = holdings.get(who, revenue.Holding())
    match event["op"]:
        case "revenue":
            pool = revenue.add_revenue(pool, amount)
            return pool, {"acc": str(pool.due_per_share), "carry": str(pool.carry)}
        case "fund":
            paid, pool, holdings[who] = revenue.add_shares(pool, holding, amount)
            return pool, {"claimed": str(paid)}
        case "claim":
            paid, pool, holdings[who] = revenue.claim(pool, holding)
            return pool, {"claimed": str(paid)}
        case "transfer":
            taker = holdings.get(event["to"], revenue.Holding())
            claims, pool, (giver, taker) = revenue.move_shares(pool, holding, taker, amount)
            holdings[who], holdings[event["to"]] = giver, taker
            return pool, {"claimed_from": str(claims[0]), "claimed_to": str(claims[1])}
        case unknown:
            raise ValueError(f"unknown event {unknown!r}")


class Hour(NamedTuple):
    """One hour of the series: is it on peak, and each home's load and generation in Wh."""

    is_on_peak: bool
    uses: dict[str, tuple[int, int]]

    def net_wh(self, home: str) -> int:
        """What a home takes; below zero what it gives."""
        load, generation = self.uses[home]
        return load - generation


def read_hours() -> dict[int, Hour]:
    """Return the hours of the series by their number."""
    with HOMES.open(encoding="ascii", newline="") as file:
        rows = [{key: int(value) for key, value in row.items()} for row in csv.DictReader(file)]
    homes = sorted({key[:3] for key in rows[0] if key.startswith("h") and key[1:3].isdigit()})
    hours = {}
    for row in rows:
        is_workday = 0 < row["day_type"] <= SATURDAY
        on_peak = is_workday and PEAK_FIRST_HOUR <= row["hour_ending"] - 1 < PEAK_END_HOUR
        uses = {home: (row[f"{home}_load_wh"], row[f"{home}_pv_wh"]) for home in homes}
        hours[row["idx"]] = Hour(on_peak, uses)
    return hours


def plan_week(document: Document) -> Plan:
    """Return one case: the whole week, as its balances have one sum."""
    if not {"params", "slots", "final_balance"} <= document.keys():
        raise MalformedFile("has no week with balances")
    return Plan((Case("week", partial(check_week, document)),))


def check_week(document: Document) -> None:
    """Trade, deliver and settle hour after hour; compare each hour and every balance at the end."""
    week = Week(document["params"], list(document["final_balance"]))
    hours = read_hours()
    for expected in document["slots"]:
        ensure_equal(week.run_hour(hours, expected[0]), expected, f"hour {expected[0]}")
    ensure_equal(
        {home: str(cash) for home, cash in week.balances.items()}, document["final_balance"], "balances"
    )
    sums = (week.fees, week.wheeling, week.grid, week.penalties)
    expected_sums = tuple(int(document[key]) for key in ("fees", "wheeling", "grid", "penalties"))
    ensure_equal(sums, expected_sums, "fees, wheeling, grid and penalties")
    ensure_equal(sum(week.balances.values()) + sum(sums), 0, "all cash")
    ensure_equal(week.traded_wh, document["traded_wh"], "traded")
    ensure_equal(
        {home: one.issued for home, one in week.claims.items()}, document["certificates"], "certificates"
    )
    ensure_equal(week.generation_wh, document["generation_wh"], "generation")
    alone = {home: str(cash) for home, cash in week.alone.items()}
    ensure_equal(alone, document["no_p2p_balance"], "balances without a market")


class Week:
    """Balances and sums of a community that trades by yesterday's need and settles by today's."""

    def __init__(self, params: Entry, homes: Sequence[str]) -> None:
        self.homes = homes
        self.rules = Rules(params["k_permille"], params["fee_bps"], params["wheeling_tick"])
        self.feed_in = params["feed_in_tick"]
        self.balances = dict.fromkeys(homes, 0)
        self.alone = dict.fromkeys(homes, 0)
        self.generation_wh = dict.fromkeys(homes, 0)
        self.claims = dict.fromkeys(homes, Claims())
        self.fees = self.wheeling = self.grid = self.penalties = self.traded_wh = 0

    def run_hour(self, hours: dict[int, Hour], number: int) -> list[int | None]:
        """Trade and settle one hour; return number, price, and Wh traded, netted, bought and sold by the
        grid.
        """
        hour, yesterday = hours[number], hours[number - 24]
        retail = ON_PEAK_TICKS if hour.is_on_peak else OFF_PEAK_TICKS
        buyers = [home for home in self.homes if yesterday.net_wh(home) > 0]
        sellers = [home for home in self.homes if yesterday.net_wh(home) < 0]
        bids = [Order(yesterday.net_wh(home), retail) for home in buyers]
        offers = [Order(-yesterday.net_wh(home), self.feed_in) for home in sellers]
        auction = clear(bids, offers, self.rules, Rationing.PRO_RATA)
        bought = dict(zip(buyers, auction.bid_fills, strict=True))
        sold = dict(zip(sellers, auction.offer_fills, strict=True))
        price = self._pay(auction, bids, buyers, sold)
        deliveries = [
            Delivery(
                bought.get(home, 0), sold.get(home, 0), max(hour.net_wh(home), 0), max(-hour.net_wh(home), 0)
            )
            for home in self.homes
        ]
        rows, end = settle(Terms(self.feed_in, retail, 0, 0, 0, has_netting=True), deliveries)
        for home, row in zip(self.homes, rows, strict=True):
            self.balances[home] += row.net
            self._count_alone(home, hour, retail)
            generated = hour.uses[home][1]
            self.generation_wh[home] += generated
            _, self.claims[home] = claim(self.claims[home], number, number, generated)
        self.grid += end.grid_cash
        self.penalties += end.penalty_pot
        traded = sum(bought.values())
        self.traded_wh += traded
        return [number, price, traded, end.netted_wh, end.grid_buys_wh, end.grid_sells_wh]

    def _pay(
        self, auction: Auction, bids: list[Order], buyers: list[str], sold: dict[str, int]
    ) -> int | None:
        if auction.clearing is None:
            return None
        price = auction.clearing.price
        for home, order, fill in zip(buyers, bids, auction.bid_fills, strict=True):
            payment = compute_payment(order, fill, price, self.rules)
            self.balances[home] -= payment.total
            self.fees += payment.fee
            self.wheeling += payment.wheeling
        for home, fill in sold.items():
            self.balances[home] += compute_value(fill, price)
        return price

    def _count_alone(self, home: str, hour: Hour, retail: int) -> None:
        need = hour.net_wh(home)
        self.alone[home] -= compute_value(need, retail) if need > 0 else -compute_value(-need, self.feed_in)
