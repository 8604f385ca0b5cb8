"""What screens read of the market and the grid, by JSON-RPC: every answer is right, bounded, and in pages."""

from typing import Any

import pytest
from msgspec import structs

from genesis.consortium import UNIT
from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.grid_types import AlertLevel, Line
from pallets.energy_trading.grid_views import GridViews, grid_api
from pallets.energy_trading.market_answers import DEPTH_MAX, PROOF_ROWS_MAX
from pallets.energy_trading.market_api import market_api
from pallets.energy_trading.market_types import (
    BOOK_ORDERS_MAX,
    LEVELS_MAX,
    ROW_PAGE,
    MarketKind,
    Row,
    Wire,
)
from pallets.energy_trading.market_views import MarketViews
from pallets.energy_trading.orders import Side
from pallets.energy_trading.price_levels import raise_level
from runtime.frame.api import PAGE_MAX
from runtime.primitives.row_tree import compute_root, verify_row
from runtime.primitives.scale import codec
from runtime.primitives.types import Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, Chain
from tests.support.energy import (
    GATE_MS,
    HORIZON,
    OPERATOR,
    PARAMETERS,
    REGULATORS,
    SLOT_MS,
    ZONE,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
    now_ms,
    pass_gate,
)
from tests.support.questions import Questions, address

Energy = Chain[EnergyChain]
BUY, SELL = Side.BUY, Side.SELL
FEED_IN, RETAIL = 22_000, 57_982
VALUE = 10**5


class Prices:
    """A grid with one price for all slots."""

    def spread_ticks(self, zone: int, slot: int) -> tuple[int, int]:
        assert zone
        assert slot
        return FEED_IN, RETAIL


def questions_of(energy: Energy) -> Questions:
    views = MarketViews(energy.pallets.market, Prices())
    return Questions(market_api(views), grid_api(GridViews(energy.pallets.grid, views)))


@pytest.fixture
def questions(energy: Energy) -> Questions:
    return questions_of(energy)


def order(energy: Energy, who: Any, slot: int, side: Side, qty: int, limit: int, zone: int = ZONE) -> None:
    energy.ok(who, "Market.submit_order", zone, slot, side, qty, limit, 0)


# --- markets and slots


def test_market_is_shown_with_the_slots_that_take_orders(energy: Energy, questions: Questions) -> None:
    (market,) = questions.ask("energy_markets")
    slot = next_slot(energy)
    assert (market["zone"], market["operator"], market["halt"]) == (ZONE, address(OPERATOR), "No")
    assert market["parameters"]["kind"] == "CallUniform"
    assert market["parameters"]["qtyMax"] == str(10**9)
    assert (market["currentSlot"], market["firstOpen"], market["lastOpen"]) == (
        slot - 1,
        slot,
        slot - 1 + HORIZON,
    )
    assert market["nextGateMs"] == str(slot * SLOT_MS - GATE_MS)
    pass_gate(energy, slot)
    (later,) = questions.ask("energy_markets")
    assert (later["firstOpen"], later["currentSlot"]) == (slot + 1, slot - 1)


@pytest.mark.parametrize("early_ms", [1, 1_000, GATE_MS])
def test_first_open_slot_is_the_first_that_takes_an_order(early_ms: int) -> None:
    energy = energy_chain(structs.replace(PARAMETERS, gate_ms=early_ms))
    questions, market = questions_of(energy), energy.pallets.market
    for _ in range(2 * SLOT_MS // 1_000):
        first = questions.ask("energy_markets")[0]["firstOpen"]
        assert market.is_gate_open(ZONE, first)
        assert not market.is_gate_open(ZONE, first - 1)
        energy.next_block()


def test_halted_market_is_shown_so(energy: Energy, questions: Questions) -> None:
    energy.ok(REGULATORS[0], "Market.halt_market", ZONE)
    assert questions.ask("energy_markets")[0]["haltVotes"] == 1
    energy.ok(OPERATOR, "Market.halt_market", ZONE)
    (market,) = questions.ask("energy_markets")
    assert (market["halt"], market["firstOpen"], market["nextGateMs"]) == ("Operator", None, None)


def test_slot_is_shown_from_its_first_order_to_its_settlement(energy: Energy, questions: Questions) -> None:
    slot = next_slot(energy, 2)
    empty = questions.ask("energy_slot", ZONE, slot)
    assert (empty["phase"], empty["orders"], empty["clearing"], empty["root"]) == ("Open", 0, None, None)
    assert (empty["startMs"], empty["gateMs"]) == (str(slot * SLOT_MS), str(slot * SLOT_MS - GATE_MS))
    order(energy, ALICE, slot, SELL, 500, 22_000)
    order(energy, BOB, slot, BUY, 500, 45_001)
    assert questions.ask("energy_slot", ZONE, slot)["orders"] == 2
    pass_gate(energy, slot)
    while questions.ask("energy_slot", ZONE, slot)["phase"] != "Cleared":
        energy.next_block()
    cleared = questions.ask("energy_slot", ZONE, slot)
    assert (cleared["clearing"]["price"], cleared["clearing"]["volume"]) == (33_500, "500")
    assert (cleared["work"], cleared["orders"], cleared["positions"]) == (None, 0, 2)
    assert cleared["root"] == "0x" + _root(energy, slot).hex()
    energy.pallets.market.on_settled(ZONE, slot)
    assert questions.ask("energy_slot", ZONE, slot)["phase"] == "Settled"


def _root(energy: Energy, slot: int) -> Hash:
    found = energy.pallets.market.trades_root.get((ZONE, slot))
    assert found is not None
    return found


def test_slots_are_listed_in_pages(energy: Energy, questions: Questions) -> None:
    first = next_slot(energy)
    page = questions.ask("energy_slots", ZONE, first, HORIZON + 1)
    assert [each["slot"] for each in page] == list(range(first, first + HORIZON + 1))
    assert [each["phase"] for each in page] == ["Open"] * HORIZON + ["Future"]
    assert len(questions.ask("energy_slots", ZONE, first, 1_000)) == PAGE_MAX
    assert questions.ask("energy_slots", ZONE, first, 0) == []
    assert len(questions.ask("energy_slots", ZONE, (1 << 32) - 2, 10)) == 2


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("energy_slot", (9, 1)),
        ("energy_slots", (9, 1, 1)),
        ("energy_orderBook", (9, 1, 1)),
        ("energy_marketStats", (9, 1, 1)),
    ],
)
def test_zone_without_a_market_is_refused(questions: Questions, name: str, params: tuple[int, ...]) -> None:
    assert questions.refused(name, *params) == "zone 9 has no market"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("energy_slot", (ZONE,)),
        ("energy_slot", (1 << 16, 1)),
        ("energy_slot", (ZONE, -1)),
        ("energy_slot", (ZONE, 1 << 32)),
        ("energy_slot", ("1", 1)),
        ("energy_orders", ("Alice", None, 1)),
        ("energy_order", ("1.5",)),
        ("energy_order", (str(1 << 64),)),
        ("energy_position", (address(ALICE), ZONE)),
    ],
)
def test_question_of_wrong_types_is_refused(
    questions: Questions, name: str, params: tuple[object, ...]
) -> None:
    assert name in questions.refused(name, *params)


# --- books and orders


def test_book_is_shown_by_its_best_prices_with_what_its_auction_would_find(
    energy: Energy, questions: Questions
) -> None:
    slot = next_slot(energy, 2)
    for who, qty, limit in ((ALICE, 300, 22_000), (BOB, 300, 30_000)):
        order(energy, who, slot, SELL, qty, limit)
    order(energy, CHARLIE, slot, BUY, 300, 45_000)
    order(energy, DAVE, slot, BUY, 10, 1_000)
    book = questions.ask("energy_orderBook", ZONE, slot, 1)
    assert book["bids"] == [{"ticks": 45_000, "qty": "300", "orders": 1}]
    assert book["offers"] == [{"ticks": 22_000, "qty": "300", "orders": 1}]
    assert (book["bidWh"], book["offerWh"]) == ("310", "600")
    assert (book["bidOrders"], book["offerOrders"]) == (2, 2)
    assert (book["bidLevels"], book["offerLevels"]) == (2, 2)
    assert book["indicative"] == {"price": 26_000, "low": 22_000, "high": 30_000, "volume": "300"}
    assert questions.ask("energy_orderBook", ZONE, slot, 0)["bids"] == []
    pass_gate(energy, slot)
    closed = questions.ask("energy_orderBook", ZONE, slot, 5)
    assert (closed["bids"], closed["indicative"], closed["bidWh"]) == ([], None, "0")


def test_book_that_does_not_cross_has_no_price_yet(energy: Energy, questions: Questions) -> None:
    slot = next_slot(energy, 2)
    assert questions.ask("energy_orderBook", ZONE, slot, 5)["indicative"] is None
    order(energy, ALICE, slot, SELL, 300, 50_000)
    order(energy, BOB, slot, BUY, 300, 45_000)
    assert questions.ask("energy_orderBook", ZONE, slot, 5)["indicative"] is None


def test_full_book_is_shown_to_the_greatest_depth_and_no_deeper(energy: Energy, questions: Questions) -> None:
    market, slot = energy.pallets.market, next_slot(energy, 2)
    order(energy, ALICE, slot, SELL, 1, 1)
    half = LEVELS_MAX // 2
    for side, first, step in ((BUY, 100_000, -1), (SELL, 90_000, 1)):
        levels = b""
        for place in range(half):
            levels = raise_level(levels, side, first + step * place, 10)
        market.levels.put((ZONE, slot, side), levels)
    book = questions.ask("energy_orderBook", ZONE, slot, 1_000_000)
    assert (len(book["bids"]), len(book["offers"])) == (DEPTH_MAX, DEPTH_MAX)
    assert len(book["bids"]) + len(book["offers"]) <= PAGE_MAX
    assert book["bidLevels"] == book["bidOrders"] == half
    assert book["indicative"]["volume"] == str(10 * half)
    market.levels.remove((ZONE, slot, BUY))
    market.levels.put((ZONE, slot, SELL), raise_level(b"", SELL, 1, 1))


def test_orders_are_shown_with_what_is_held_for_them(energy: Energy, questions: Questions) -> None:
    slot = next_slot(energy, 2)
    order(energy, ALICE, slot, BUY, 500, 45_000)
    order(energy, ALICE, slot + 1, SELL, 100, 30_000)
    order(energy, BOB, slot, SELL, 1, 90_000)
    first, second = questions.ask("energy_orders", address(ALICE), None, 10)
    assert (first["order"], first["side"], first["escrow"]) == ("0", "BUY", str(500 * 45_000 * VALUE))
    assert (second["side"], second["escrow"], second["isChangeable"]) == ("SELL", "0", True)
    assert questions.ask("energy_order", "0") == questions.ask("energy_order", 0) == first
    assert questions.ask("energy_orders", address(ALICE), None, 1) == [first]
    assert questions.ask("energy_orders", address(ALICE), "0", 1) == [second]
    assert questions.ask("energy_orders", address(ALICE), "1", 1) == []
    assert questions.ask("energy_orders", address(FERDIE), None, 10) == []
    assert questions.ask("energy_order", "99") is None


def test_page_of_orders_has_so_many_and_not_more(energy: Energy, questions: Questions) -> None:
    slot = next_slot(energy, 1)
    for number in range(PAGE_MAX + 1):
        order(energy, ALICE, slot + number % 4, BUY, 1, 1)
    page = questions.ask("energy_orders", address(ALICE), None, 1_000)
    assert len(page) == PAGE_MAX
    assert len(questions.ask("energy_orders", address(ALICE), page[-1]["order"], 1_000)) == 1


def test_contract_is_shown_to_whoever_knows_its_number(energy: Energy, questions: Questions) -> None:
    slot = next_slot(energy, 2)
    energy.ok(ALICE, "Market.propose_bilateral", BOB, ZONE, (slot, slot + 1), SELL, 100, 30_000)
    (contract,) = questions.ask("energy_contracts", address(ALICE))
    assert (contract["contract"], contract["terms"]["buyer"]) == (0, address(BOB))
    assert questions.ask("energy_contract", 0) == contract
    assert questions.ask("energy_contract", 1) is None
    assert questions.ask("energy_contracts", address(BOB)) == []


# --- trades


def cleared(energy: Energy) -> int:
    slot = next_slot(energy, 2)
    for who, side, qty, limit in (
        (ALICE, SELL, 300, 22_000),
        (BOB, SELL, 300, 26_000),
        (CHARLIE, BUY, 400, 45_000),
    ):
        order(energy, who, slot, side, qty, limit)
    pass_gate(energy, slot)
    while energy.pallets.market.trades_root.get((ZONE, slot)) is None:
        energy.next_block()
    return slot


def test_trades_are_listed_with_a_root_under_which_each_is_proven(
    energy: Energy, questions: Questions
) -> None:
    slot = cleared(energy)
    trades = questions.ask("energy_trades", ZONE, slot, 0, 10)
    root = _root(energy, slot)
    assert (trades["count"], trades["root"]) == (3, "0x" + root.hex())
    assert [(row["place"], row["who"], row["qty"], row["price"]) for row in trades["rows"]] == [
        (0, address(CHARLIE), "400", 26_000),
        (1, address(ALICE), "300", 26_000),
        (2, address(BOB), "100", 26_000),
    ]
    assert questions.ask("energy_trades", ZONE, slot, 1, 1)["rows"] == trades["rows"][1:2]
    assert questions.ask("energy_trades", ZONE, slot, 3, 10)["rows"] == []
    for row in trades["rows"]:
        proof = questions.ask("energy_tradeProof", ZONE, slot, row["place"])
        siblings = [Hash(bytes.fromhex(each[2:])) for each in proof["siblings"]]
        raw = bytes.fromhex(proof["row"][2:])
        assert verify_row(root, proof["count"], row["place"], raw, siblings)
        assert not verify_row(root, proof["count"], (row["place"] + 1) % 3, raw, siblings)
        decoded = codec(Row).decode(raw)
        assert (address(decoded.who), str(decoded.qty)) == (row["who"], row["qty"])
    assert "none at place 3" in questions.refused("energy_tradeProof", ZONE, slot, 3)


def test_rows_that_are_not_all_written_are_not_proven(energy: Energy, questions: Questions) -> None:
    slot = next_slot(energy, 2)
    assert "not all written" in questions.refused("energy_tradeProof", ZONE, slot, 0)
    assert questions.ask("energy_trades", ZONE, slot, 0, 10) == {
        "zone": ZONE,
        "slot": slot,
        "root": None,
        "count": 0,
        "rows": [],
    }


@pytest.mark.parametrize(
    "count", [1, ROW_PAGE - 1, ROW_PAGE, ROW_PAGE + 1, 3 * ROW_PAGE, 5 * ROW_PAGE + 7, BOOK_ORDERS_MAX]
)
def test_rows_of_many_pages_are_counted_listed_and_proven(
    energy: Energy, questions: Questions, count: int
) -> None:
    market, slot = energy.pallets.market, next_slot(energy)
    rows = [Row(place, ALICE, BUY, place, 1, 1, 1, 1) for place in range(count)]
    for page in range(0, count, ROW_PAGE):
        market.trades.put((ZONE, slot, page // ROW_PAGE), tuple(rows[page : page + ROW_PAGE]))
    root = compute_root([codec(Row).encode(row) for row in rows])
    market.trades_root.put((ZONE, slot), root)
    last = questions.ask("energy_trades", ZONE, slot, max(0, count - 100), 1_000)
    assert (last["count"], len(last["rows"])) == (count, min(count, PAGE_MAX))
    assert [row["order"] for row in last["rows"]] == [str(one) for one in range(max(0, count - 100), count)]
    proof = questions.ask("energy_tradeProof", ZONE, slot, count // 2)
    siblings = [Hash(bytes.fromhex(each[2:])) for each in proof["siblings"]]
    assert verify_row(root, count, count // 2, bytes.fromhex(proof["row"][2:]), siblings)
    for page in range(0, count, ROW_PAGE):
        market.trades.remove((ZONE, slot, page // ROW_PAGE))


def test_row_of_more_rows_than_the_limit_is_not_proven(energy: Energy, questions: Questions) -> None:
    market, slot = energy.pallets.market, next_slot(energy)
    full = (Row(0, ALICE, BUY, 1, 1, 1, 1, 1),) * ROW_PAGE
    pages = PROOF_ROWS_MAX // ROW_PAGE
    for page in range(pages + 1):
        market.trades.put((ZONE, slot, page), full)
    market.trades_root.put((ZONE, slot), Hash(bytes(32)))
    assert "too many" in questions.refused("energy_tradeProof", ZONE, slot, 0)
    market.trades.remove((ZONE, slot, pages))
    assert questions.ask("energy_tradeProof", ZONE, slot, 0)["count"] == PROOF_ROWS_MAX
    for page in range(pages):
        market.trades.remove((ZONE, slot, page))


# --- accounts and sums


def test_position_is_shown_with_what_it_saves(energy: Energy, questions: Questions) -> None:
    slot = cleared(energy)
    buyer = questions.ask("energy_position", address(CHARLIE), ZONE, slot)
    assert (buyer["boughtWh"], buyer["soldWh"], buyer["price"]) == ("400", "0", 26_000)
    assert buyer["saving"] == str(400 * (RETAIL - 26_000) * VALUE)
    seller = questions.ask("energy_position", address(ALICE), ZONE, slot)
    assert (seller["side"], seller["soldWh"], seller["energy"]) == ("SELL", "300", str(300 * 26_000 * VALUE))
    assert seller["saving"] == str(300 * (26_000 - FEED_IN) * VALUE)
    assert questions.ask("energy_position", address(EVE), ZONE, slot) is None
    listed = questions.ask("energy_positions", address(ALICE), ZONE, slot - 5, 10)
    assert listed == [seller]
    assert questions.ask("energy_positions", address(ALICE), ZONE, slot + 1, 10) == []


def test_fee_and_wheeling_are_taken_off_what_a_buyer_saves() -> None:
    world = World(wheeling={ZONE: 5_000})
    energy = energy_chain(structs.replace(PARAMETERS, fee_bps=100), world)
    questions, slot = questions_of(energy), next_slot(energy, 2)
    order(energy, ALICE, slot, SELL, 100, 40_000)
    order(energy, BOB, slot, BUY, 100, 45_400)
    pass_gate(energy, slot)
    while energy.pallets.market.trades_root.get((ZONE, slot)) is None:
        energy.next_block()
    found = questions.ask("energy_position", address(BOB), ZONE, slot)
    charges = 100 * 40_000 * 100 * 10 + 100 * 5_000 * VALUE
    assert (found["price"], found["charges"]) == (40_000, str(charges))
    assert found["saving"] == str(100 * (RETAIL - 40_000) * VALUE - charges)


def test_position_without_a_trade_has_no_price(energy: Energy, questions: Questions) -> None:
    slot = next_slot(energy, 2)
    order(energy, ALICE, slot, BUY, 10, 40_000)
    found = questions.ask("energy_position", address(ALICE), ZONE, slot)
    assert (found["price"], found["openWh"], found["saving"]) == (None, "10", "0")


def test_trader_is_known_by_limits_orders_and_escrow(energy: Energy) -> None:
    views, slot = MarketViews(energy.pallets.market, Prices()), next_slot(energy, 2)
    order(energy, ALICE, slot, BUY, 500, 45_000)
    trader = views.view_trader(ALICE)
    assert trader.limits is not None
    assert (trader.registration_deposit, trader.open_orders) == (UNIT, 1)
    assert trader.escrow == trader.ordered_today == 500 * 45_000 * VALUE
    energy.pallets.market.unclaimed.put(FERDIE, 7)
    stranger = views.view_trader(FERDIE)
    assert (stranger.limits, stranger.open_orders, stranger.unclaimed) == (None, 0, 7)
    energy.pallets.market.unclaimed.remove(FERDIE)
    own = energy.pallets.market.open_orders.get(ALICE)
    energy.pallets.market.open_orders.put(ALICE, structs.replace(own, day=1))
    assert views.view_trader(ALICE).ordered_today == 0


def test_days_with_trade_are_listed(energy: Energy, questions: Questions) -> None:
    slot = cleared(energy)
    today = energy.pallets.market.store.day_of(slot * SLOT_MS)
    (day,) = questions.ask("energy_marketStats", ZONE, today - 50, 100)
    assert (day["day"], day["slots"], day["volume"], day["priceMean"]) == (today, 1, "400", 26_000)
    assert now_ms(energy) - 86_400_000 < int(day["startMs"]) <= now_ms(energy)
    assert questions.ask("energy_marketStats", ZONE, today - 100, 1_000) == []
    assert questions.ask("energy_marketStats", ZONE, today + 1, 100) == []


def test_continuous_book_is_shown_without_a_foreseen_price() -> None:
    energy = energy_chain(structs.replace(PARAMETERS, kind=MarketKind.Continuous, rationing=Rationing.TIME))
    questions, slot = questions_of(energy), next_slot(energy, 2)
    order(energy, ALICE, slot, SELL, 300, 22_000)
    order(energy, BOB, slot, BUY, 100, 22_000)
    book = questions.ask("energy_orderBook", ZONE, slot, 5)
    assert (book["offers"], book["indicative"]) == ([{"ticks": 22_000, "qty": "200", "orders": 1}], None)
    assert questions.ask("energy_slot", ZONE, slot)["clearing"]["volume"] == "100"
    trades = questions.ask("energy_trades", ZONE, slot, 0, 10)
    assert (trades["count"], trades["root"]) == (2, None)


# --- the grid


def coupled_chain() -> Energy:
    world = World(
        wheeling={1: 0, 2: 0},
        operators={1: OPERATOR, 2: OPERATOR},
        wires=(Wire(1, 2, 50, 100),),
        uses_grid=True,
    )
    return energy_chain(PARAMETERS, world)


def test_zones_lines_flows_and_rent_are_shown() -> None:
    energy = coupled_chain()
    questions, slot = questions_of(energy), next_slot(energy, 2)
    first, second = questions.ask("energy_zones")
    assert (first["zone"], first["kind"], first["operator"]) == (1, "PEA", address(OPERATOR))
    assert (second["zone"], second["status"], second["alert"]) == (2, "InService", "Normal")
    order(energy, ALICE, slot, SELL, 100, 20_000, zone=1)
    order(energy, BOB, slot, BUY, 100, 40_000, zone=2)
    before = questions.ask("energy_flows", slot, 0, 10)
    assert (before["count"], before["lines"][0]["energy"], before["rent"]) == (1, "0", "0")
    pass_gate(energy, slot)
    while questions.ask("energy_slot", 2, slot)["phase"] != "Cleared":
        assert questions.ask("energy_slot", 2, slot)["coupled"] == [1, 2]
        energy.next_block()
    flows = questions.ask("energy_flows", slot, 0, 10)
    assert flows["lines"] == [{"source": 1, "target": 2, "capacity": "50", "energy": "50", "wheeling": 100}]
    assert int(flows["rent"]) > 0
    assert questions.ask("energy_flows", slot, 1, 10)["lines"] == []


def test_capacity_of_a_slot_stands_in_its_flows() -> None:
    energy = coupled_chain()
    questions, slot = questions_of(energy), next_slot(energy, 2)
    energy.ok(OPERATOR, "Grid.set_capacity", 1, 2, (slot,), 7)
    assert questions.ask("energy_flows", slot, 0, 10)["lines"][0]["capacity"] == "7"
    assert questions.ask("energy_flows", slot + 1, 0, 10)["lines"][0]["capacity"] == "50"


def test_alerts_and_curtailments_are_shown() -> None:
    energy = coupled_chain()
    questions, slot = questions_of(energy), next_slot(energy, 2)
    assert questions.ask("energy_alerts") == {"load": "Normal", "alerts": [], "curtailments": []}
    energy.ok(OPERATOR, "Grid.raise_alert", 2, AlertLevel.Advisory)
    energy.ok(OPERATOR, "Grid.curtail", 1, slot, 500)
    alerts = questions.ask("energy_alerts")
    assert alerts["alerts"] == [{"zone": 2, "level": "Advisory", "sinceMs": str(now_ms(energy))}]
    assert alerts["curtailments"] == [{"slot": slot, "zone": 1, "permille": 500}]
    assert questions.ask("energy_zones")[1]["alert"] == "Advisory"
    assert questions.ask("energy_flows", slot, 0, 0)["curtailments"] == alerts["curtailments"]
    assert questions.ask("energy_flows", slot + 1, 0, 0)["curtailments"] == []


def test_what_a_screen_lives_on_can_be_watched(questions: Questions) -> None:
    watched = {name for name in questions.methods.names() if "_subscribe" in name}
    assert watched == {
        f"energy_subscribe{name}"
        for name in ("Alerts", "Flows", "Order", "OrderBook", "Orders", "Position", "Slot")
    }


def test_page_of_lines_has_so_many_and_not_more() -> None:
    energy = coupled_chain()
    questions, grid = questions_of(energy), energy.pallets.grid
    ways = tuple((1, target) for target in range(2, PAGE_MAX + 3))
    for way in ways:
        grid.lines.put(way, Line(5, 0))
    grid.ways.put(ways)
    page = questions.ask("energy_flows", 1, 0, 10_000)
    assert (len(page["lines"]), page["count"]) == (PAGE_MAX, PAGE_MAX + 1)
    assert len(questions.ask("energy_flows", 1, PAGE_MAX, 10_000)["lines"]) == 1
