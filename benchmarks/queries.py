"""What screens' questions cost a node, on values that must be read and decoded anew, as after each block.

`python -m benchmarks.queries [ORDERS]` fills the book of a slot with so many orders (4,096 unless told), each
at a price of its own, clears another slot of as many, and prints one JSON line for each question: CPU time of
this process from the parameters in JSON to the answer in JSON, the least and the median of several runs.
"""

import gc
import sys
from typing import Any, Final

from benchmarks.market import measure_ms
from benchmarks.measure import Meter, report
from node.rpc.jsonrpc import encode
from pallets.energy_trading.market_api import market_api
from pallets.energy_trading.market_types import BOOK_ORDERS_MAX
from pallets.energy_trading.market_views import MarketViews
from pallets.energy_trading.orders import Side
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, Chain
from tests.support.energy import ZONE, EnergyChain, energy_chain, next_slot, pass_gate
from tests.support.questions import Questions, address

MIDDLE: Final = 40_000
RUNS: Final = 9


class Prices:
    """A grid with one price."""

    def spread_ticks(self, zone: int, slot: int) -> tuple[int, int]:
        assert zone
        assert slot
        return 22_000, 57_982


def fill(chain: Chain[EnergyChain], people: list[AccountId], slot: int) -> None:
    """Let everybody place an order in a slot, at a price of its own; the better halves cross."""
    half = len(people) // 2
    for place, who in enumerate(people):
        side = Side.BUY if place < half else Side.SELL
        limit = MIDDLE + place - half // 2 if side is Side.BUY else MIDDLE + place - half - half // 2
        chain.ok(who, "Market.submit_order", ZONE, slot, side, 1_000, limit, 0)
        chain.state.settle()


def main() -> None:
    gc.disable()  # as the node does while it runs
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else BOOK_ORDERS_MAX
    people = [AccountId(b"trader" + number.to_bytes(26, "big")) for number in range(orders)]
    chain = energy_chain(more=people)
    market = chain.pallets.market
    cleared = next_slot(chain, 2)
    fill(chain, people, cleared)
    pass_gate(chain, cleared)
    while market.trades_root.get((ZONE, cleared)) is None:
        chain.next_block()
    opened = next_slot(chain, 3)
    fill(chain, people, opened)
    chain.ok(ALICE, "Market.submit_order", ZONE, opened + 1, Side.BUY, 1, 1, 0)
    chain.next_block()
    chain.state.abandon()
    questions = Questions(market_api(MarketViews(market, Prices())))
    asked: dict[str, tuple[Any, ...]] = {
        "energy_markets": (),
        "energy_slot": (ZONE, opened),
        "energy_slots": (ZONE, opened - 50, 100),
        "energy_orderBook": (ZONE, opened, 50),
        "energy_orders": (address(ALICE), None, 100),
        "energy_trades": (ZONE, cleared, 0, 100),
        "energy_tradeProof": (ZONE, cleared, 0),
        "energy_positions": (address(people[0]), ZONE, cleared - 50, 100),
    }
    for name, params in asked.items():
        meter = Meter()

        def ask(name: str = name, params: tuple[Any, ...] = params) -> bytes:
            chain.state.retarget(chain.backend)
            return encode(questions.answer(name, *params))

        answer = ask()
        assert len(answer) > 2, name
        ms = measure_ms(ask, RUNS)
        foreign = meter.read().foreign_cores
        report(name, orders=orders, ms=ms, answer_bytes=len(answer), foreign_cores=foreign)


if __name__ == "__main__":
    main()
