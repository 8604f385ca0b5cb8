"""The energy market: exact values, the call auction, the continuous book and congestion, against an LP
solver, a sweep over every price and published matching engines.
"""

from functools import partial

from pallets.energy_trading.book import Book, OrderNotFound, Placement
from pallets.energy_trading.clearing import Clearing
from pallets.energy_trading.fills import (
    Auction,
    PairCursor,
    Rationing,
    clear,
    compute_payment,
    pair_page,
    rank,
)
from pallets.energy_trading.levels import Order, Rules, collect_levels
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import MONEY_PER_THB, compute_fee, compute_value
from pallets.energy_trading.zonal import Line, ZonalClearing, ZoneBook, clear_zones
from runtime.primitives.types import AccountId
from tests.vectors.case import Case, Document, Entry, Plan, ensure_equal, get_entries
from tests.vectors.decimals import scale_decimal

SIDES = {"buy": Side.BUY, "sell": Side.SELL}
OTHERS = "what other engines make of the same books, for comparison"


def plan_arithmetic(document: Document) -> Plan:
    """Return one case for each product."""
    entries = get_entries(document, "cases")
    return Plan(tuple(Case(f"cases[{i}]", partial(check_product, entry)) for i, entry in enumerate(entries)))


def check_product(entry: Entry) -> None:
    """Multiply out value and fee, in units and in baht."""
    value = compute_value(entry["qty_wh"], entry["tick"])
    fee = compute_fee(entry["qty_wh"], entry["tick"], entry["fee_bps"])
    ensure_equal((str(value), str(fee)), (entry["value"], entry["fee"]), "value and fee")
    in_baht = (
        scale_decimal(entry["value_thb"], MONEY_PER_THB),
        scale_decimal(entry["fee_thb"], MONEY_PER_THB),
    )
    ensure_equal((value, fee), in_baht, "value and fee in baht")


def plan_uniform(document: Document) -> Plan:
    """Return one case for each call auction."""
    return Plan(
        tuple(Case(entry["name"], partial(check_uniform, entry)) for entry in get_entries(document, "cases"))
    )


def check_uniform(entry: Entry) -> None:
    """Clear a book with both ways of rationing; compare price, fills, trades and money."""
    rules = Rules(entry["k_permille"], entry["fee_bps"], entry["wheeling_tick"])
    bids, offers = split_sides(entry["orders"])
    expect = entry["expect"]
    auction = clear(to_orders(bids), to_orders(offers), rules, Rationing.TIME)
    shared = clear(to_orders(bids), to_orders(offers), rules, Rationing.PRO_RATA)
    for one, key in ((auction, "fills"), (shared, "fills_pro_rata")):
        ensure_equal(_name_fills(bids, offers, one), expect[key], key)
        ensure_equal(_summarize(one.clearing), _expected_summary(expect), "clearing")
    ensure_equal(_pair(bids, offers, auction, rules), expect["trades"], "trades")
    if auction.clearing is not None:
        ensure_equal(_pay(bids, offers, auction, auction.clearing.price, rules), expect["money"], "money")


def _summarize(clearing: Clearing | None) -> tuple[int | None, ...]:
    if clearing is None:
        return (0, 0, None, None, None)
    return (clearing.volume_wh, clearing.welfare, clearing.price, clearing.low, clearing.high)


def _expected_summary(expect: Entry) -> tuple[int | None, ...]:
    return tuple(expect[key] for key in ("volume_wh", "welfare_tick_wh", "price", "lo", "hi"))


def _name_fills(bids: list[Entry], offers: list[Entry], auction: Auction) -> dict[str, int]:
    fills = auction.bid_fills + auction.offer_fills
    return {order["id"]: fill for order, fill in zip(bids + offers, fills, strict=True) if fill}


def _pair(bids: list[Entry], offers: list[Entry], auction: Auction, rules: Rules) -> list[list[object]]:
    buyers = rank(Side.BUY, to_orders(bids), auction.bid_fills, rules)
    sellers = rank(Side.SELL, to_orders(offers), auction.offer_fills, rules)
    rows, _ = pair_page(buyers, sellers, PairCursor(), len(bids) + len(offers))
    return [[bids[row.bid]["id"], offers[row.offer]["id"], row.qty_wh] for row in rows]


def _pay(bids: list[Entry], offers: list[Entry], auction: Auction, price: int, rules: Rules) -> Entry:
    payments = {
        bid["id"]: compute_payment(order, fill, price, rules)
        for bid, order, fill in zip(bids, to_orders(bids), auction.bid_fills, strict=True)
        if fill
    }
    sellers = {
        offer["id"]: str(compute_value(fill, price))
        for offer, fill in zip(offers, auction.offer_fills, strict=True)
        if fill
    }
    return {
        "sellers": sellers,
        "buyers": {who: str(payment.total) for who, payment in payments.items()},
        "refund": {who: str(payment.refund) for who, payment in payments.items()},
        "total_energy": str(sum(payment.energy for payment in payments.values())),
        "total_fee": str(sum(payment.fee for payment in payments.values())),
        "total_wheeling": str(sum(payment.wheeling for payment in payments.values())),
    }


def plan_cda(document: Document) -> Plan:
    """Return one case for each sequence of orders."""
    return Plan(
        tuple(Case(entry["name"], partial(check_book, entry)) for entry in get_entries(document, "cases"))
    )


def check_book(entry: Entry) -> None:
    """Place and cancel in turn; compare all trades and what waits at the end.

    Whoever places an order is an account of its own. Cancelling what is traded already changes nothing.
    """
    book = Book()
    names: list[str] = []
    trades: list[list[object]] = []
    for step in get_entries(entry, "ops"):
        if step["op"] == "cancel":
            number = names.index(step["id"])
            try:
                book.cancel(number, _account(number))
            except OrderNotFound:
                ensure_equal(book.get(number), None, f"order {step['id']}")
            continue
        number = len(names)
        names.append(step["id"])
        order = Placement(number, _account(number), SIDES[step["side"]], step["qty"], step["price"])
        trades += [
            [names[taker], names[maker], qty_wh, ticks] for taker, maker, qty_wh, ticks in book.place(order)
        ]
    ensure_equal(trades, entry["expect"]["trades"], "trades")
    waiting = {"bids": _list_levels(book, Side.BUY, names), "asks": _list_levels(book, Side.SELL, names)}
    ensure_equal(waiting, entry["expect"]["book"], "book")


def _account(number: int) -> AccountId:
    return AccountId(number.to_bytes(32, "big"))


def _list_levels(book: Book, side: Side, names: list[str]) -> list[list[object]]:
    levels: dict[int, list[list[object]]] = {}
    for order in book.waiting(side):
        levels.setdefault(order.limit_ticks, []).append([names[order.number], order.qty_wh])
    return [[ticks, orders] for ticks, orders in levels.items()]


def plan_zonal(document: Document) -> Plan:
    """Return one case for each network."""
    return Plan(
        tuple(Case(entry["name"], partial(check_zonal, entry)) for entry in get_entries(document, "cases"))
    )


def check_zonal(entry: Entry) -> None:
    """Clear the zones; the flows are feasible, conserve energy and have the solver's welfare."""
    zones, expect = entry["zones"], entry["expect"]
    books = [_to_zone_book([one for one in entry["orders"] if one["zone"] == zone]) for zone in zones]
    lines = [
        Line(zones.index(line["from"]), zones.index(line["to"]), line["cap"], line["wheeling_tick"])
        for line in entry["lines"]
    ]
    found = clear_zones(books, lines)
    ensure_equal(found.welfare, expect["max_welfare_tick_wh"], "welfare")
    ensure_equal(found.volume_wh, expect["max_volume_at_optimum"], "volume")
    isolated = clear_zones(books, [])
    ensure_equal(isolated.welfare, expect["isolated_welfare_tick_wh"], "welfare without lines")
    for flow, (least, most) in zip(found.flows, expect["flow_range_at_optimum"], strict=True):
        ensure_equal(least <= flow <= most, True, f"flow {flow} within {least} to {most}")
    _ensure_conserved(found, lines)


def _ensure_conserved(found: ZonalClearing, lines: list[Line]) -> None:
    for number, zone in enumerate(found.zones):
        flows = list(zip(lines, found.flows, strict=True))
        arriving = sum(flow for line, flow in flows if line.target == number)
        leaving = sum(flow for line, flow in flows if line.source == number)
        ensure_equal(zone.bought_wh - zone.sold_wh, arriving - leaving, f"import of zone {number}")


def _to_zone_book(orders: list[Entry]) -> ZoneBook:
    bids, offers = split_sides(orders)
    return ZoneBook(
        collect_levels(Side.BUY, to_orders(bids)), collect_levels(Side.SELL, to_orders(offers)), Rules()
    )


def plan_peers(document: Document) -> Plan:
    """Return one case for each book on which other engines were run."""
    entries = get_entries(document, "cases")
    skipped = {"gsy_*, pymarket_huang, max_volume_any_pairs": OTHERS}
    return Plan(tuple(Case(entry["name"], partial(check_peer_book, entry)) for entry in entries), skipped)


def check_peer_book(entry: Entry) -> None:
    """Clear the book; the welfare is the solver's, and no engine reaches more."""
    bids, offers = split_sides(entry["orders"])
    clearing = clear(to_orders(bids), to_orders(offers), Rules(), Rationing.TIME).clearing
    volume_wh, welfare, *prices = _summarize(clearing)
    ensure_equal(welfare, entry["welfare_max"], "welfare")
    uniform = entry["uniform"]
    expected = [uniform["volume"], uniform["price"], uniform["lo"], uniform["hi"]]
    ensure_equal([volume_wh, *prices], expected, "clearing")
    best = max(entry["gsy_pay_as_bid_welfare"], entry["gsy_pay_as_clear_welfare"])
    ensure_equal(best <= entry["welfare_max"], True, "no engine is better than the solver")


def split_sides(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return bids and offers, each in the order of arrival."""
    bids = [entry for entry in entries if SIDES[entry["side"]] is Side.BUY]
    offers = [entry for entry in entries if SIDES[entry["side"]] is Side.SELL]
    return bids, offers


def to_orders(entries: list[Entry]) -> list[Order]:
    """Return the orders of one side."""
    return [Order(entry["qty"], entry["price"]) for entry in entries]
