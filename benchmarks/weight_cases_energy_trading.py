"""What the pallets of the energy market are measured on, in the dearest state that a weight must cover.

The chain is the small one of the market's tests, over WATT as an asset with holds.
"""

from typing import Any

from msgspec import structs

from benchmarks.weight_scene import Act, Cases, RecordingBackend, Scene
from genesis.consortium import UNIT
from pallets.energy_trading.block_work import ARCHIVE_ENTRIES
from pallets.energy_trading.grid_types import (
    CURTAILMENTS_MAX,
    SLOTS_AT_ONCE_MAX,
    AlertLevel,
    Line,
    OperatorKind,
    Zone,
    ZoneStatus,
    wheeling_pot_of,
)
from pallets.energy_trading.market import BATCH_MAX
from pallets.energy_trading.market_types import (
    BOOK_ORDERS_MAX,
    CONTRACT_SLOTS_MAX,
    HORIZON_MAX,
    OPEN_ORDERS_MAX,
    PAGE_ORDERS,
    ROW_PAGE,
    ZONES_MAX,
    Halt,
    Limits,
    NewOrder,
    Phase,
    Wire,
)
from pallets.energy_trading.orders import Side
from runtime.frame.dispatch import ROOT, Origin, Weight
from runtime.frame.fungible import Preservation
from runtime.primitives.types import AccountId
from tests.support import market
from tests.support.chain import ALICE, BOB, FERDIE, Chain
from tests.support.energy import (
    GRID_FUND,
    MARKET_POT,
    OFFICER,
    OPERATOR,
    PARAMETERS,
    REGULATORS,
    TREASURY_POT,
    EnergyChain,
    World,
    energy_chain,
    next_slot,
)

CASES = Cases()
LEVELS = 1_000
STEPS = 200
NO_IDLE = Weight(1, 0)
WIDE = structs.replace(PARAMETERS, horizon=HORIZON_MAX, fee_bps=100)
ZONE = Zone(OperatorKind.PEA, OPERATOR, 0, 0, ZoneStatus.InService)
Energy = Chain[EnergyChain]


def ensure(is_so: object) -> None:
    """AssertionError unless a measured act did what it was to do."""
    assert is_so


def trader(number: int) -> AccountId:
    return AccountId(b"trader" + number.to_bytes(26, "big"))


def ring(capacity: int, zones: int = ZONES_MAX) -> tuple[Wire, ...]:
    """Return lines from each zone to the next and back."""
    ways = [(one, one % zones + 1) for one in range(1, zones + 1)]
    both = sorted(dict.fromkeys([*ways, *((target, source) for source, target in ways)]))
    return tuple(Wire(*way, capacity, 7) for way in both)


def stage(scene: Scene, zones: int = 1, traders: int = 0, wires: tuple[Wire, ...] = ()) -> Energy:
    """Put the market's chain on the scene, with so many zones and traders, and without idle time."""
    numbers = range(1, zones + 1)
    world = World(
        dict.fromkeys(numbers, 5),
        dict.fromkeys(numbers, OPERATOR),
        wires=wires,
        uses_grid=True,
        uses_assets=True,
    )
    scene.backend = RecordingBackend()
    people = [trader(number) for number in range(traders)]
    chain = energy_chain(WIDE, world, more=people, hook_weight=NO_IDLE, backend=scene.backend)
    scene.chain = chain  # type: ignore[assignment]  # another composition that is driven in the same way
    return chain


def endow(chain: Energy, pot: AccountId) -> None:
    chain.pallets.asset.transfer(BOB, pot, UNIT, Preservation.PRESERVE)


def submit(chain: Energy, who: AccountId, slot: int, order: tuple[Side, int, int], zone: int = 1) -> None:
    chain.ok(who, "Market.submit_order", zone, slot, *order, 0)
    chain.state.settle()


def clear(chain: Energy, slot: int) -> None:
    """Close the gate of a slot and fill its orders."""
    life = chain.pallets.market.life
    ensure(life.close_gate((1, slot)))
    while chain.pallets.market.work_queue.get(1):
        life.work((1, slot), ROW_PAGE)


def act(scene: Scene, chain: Energy, origin: Origin | AccountId, name: str, *args: Any) -> Act:
    """Return the making of a call of the market's chain."""
    return scene.dispatch(origin, chain.call(name, *args))


# --- hooks


@CASES.add("MARKET_LOOK")
def look(scene: Scene) -> Act:
    work = stage(scene, ZONES_MAX).pallets.market.work
    return lambda: ensure(work.begin().ref_time >= 0)


@CASES.add("MARKET_CLOSE_GATE", LEVEL=LEVELS)
def close_gate(scene: Scene, count: int) -> Act:
    chain = stage(scene, ZONES_MAX, 64, ring(0))
    slot = next_slot(chain, 20)
    for number in range(max(2, count)):
        side = Side(number % 2)
        submit(chain, trader(number % 64), slot, (side, 100, 20_000 + number))
    life = chain.pallets.market.life
    return lambda: ensure(life.close_gate((1, slot)))


@CASES.add("MARKET_PRICE_ZONES", LEVEL=LEVELS, STEP=STEPS)
def price_zones(scene: Scene, levels: int, steps: int) -> Act:
    chain = stage(scene, ZONES_MAX, 2 * ZONES_MAX, ring(10**9))
    slot, market = next_slot(chain, 20), chain.pallets.market
    for number in range(max(2 * ZONES_MAX, levels, 2 * steps)):
        zone, side = number % ZONES_MAX + 1, Side(number // ZONES_MAX % 2)
        price = 60_000 - number if side is Side.BUY else 20_000 + number
        submit(chain, trader(2 * zone - 1 - side), slot, (side, 100, price), zone)
    for zone in range(1, ZONES_MAX + 1):
        chain.ok(ROOT, "Market.set_market", zone, structs.replace(WIDE, gate_ms=86_400_000))
    ensure(market.life.close_gate((1, slot)))
    market.coupling_queue.kill()
    return lambda: ensure(market.life.price_group((1, slot), steps + 1) <= steps + 1)


@CASES.add("MARKET_ARCHIVE")
def archive(scene: Scene) -> Act:
    chain = stage(scene, 1, ARCHIVE_ENTRIES)
    slot, market = next_slot(chain, 20), chain.pallets.market
    for number in range(ARCHIVE_ENTRIES):
        side = Side(number % 2)
        submit(chain, trader(number), slot, (side, 100, 30_000 if side is Side.SELL else 50_000))
    clear(chain, slot)
    page = market.trades.get((1, slot, 0))
    for number in range(BOOK_ORDERS_MAX // ROW_PAGE):
        market.trades.put((1, slot, number), page)
    market.on_settled(1, slot)
    for position in market.iterate(1, slot, None, ARCHIVE_ENTRIES):
        market.take_receivable(1, slot, position.who)
    book = market.books.get((1, slot))
    assert book is not None, "it was cleared"
    market.books.put((1, slot), structs.replace(book, phase=Phase.Archived))
    return lambda: ensure(market.life.archive((1, slot), ARCHIVE_ENTRIES))


# --- who trades


@CASES.add("MARKET_REGISTER_PARTICIPANT")
def register_participant(scene: Scene) -> Act:
    chain = stage(scene)
    chain.ok(ALICE, "Balances.transfer_keep_alive", FERDIE, 10 * UNIT)
    return act(scene, chain, FERDIE, "Market.register_participant")


@CASES.add("MARKET_LEAVE")
def leave(scene: Scene) -> Act:
    return act(scene, stage(scene), ALICE, "Market.leave")


@CASES.add("MARKET_SET_LIMITS")
def set_limits(scene: Scene) -> Act:
    return act(scene, stage(scene), OFFICER, "Market.set_limits", ALICE, Limits(1, 2, 3))


# --- orders


def crowded(scene: Scene) -> tuple[Energy, int]:
    """A book with many prices and a page that is nearly full, and a buyer with many open orders."""
    chain = stage(scene, 1, 5)
    slot = next_slot(chain, 20)
    for number in range(PAGE_ORDERS - 1):
        submit(chain, trader(number % 5), slot, (Side.BUY, 100, 30_000 + number))
    for number in range(OPEN_ORDERS_MAX - 2):
        submit(chain, ALICE, slot + 1 + number % 50, (Side.BUY, 100, 30_000))
    return chain, slot


@CASES.add("MARKET_SUBMIT_ORDER")
def submit_order(scene: Scene) -> Act:
    chain, slot = crowded(scene)
    return act(scene, chain, ALICE, "Market.submit_order", 1, slot, Side.BUY, 100, 30_050, 0)


@CASES.add("MARKET_SUBMIT_ORDERS", ORDER=BATCH_MAX)
def submit_orders(scene: Scene, count: int) -> Act:
    # In the whole composition: of each seller the real Compliance and Collateral are asked.
    scene.backend = RecordingBackend()
    scene.chain = chain = market.market_chain(1, backend=scene.backend)
    who = market.home(0)
    market.join(chain, who)
    slot = market.current_slot(chain) + 2
    orders = tuple(NewOrder(market.ZONE, slot + n, Side.SELL, 100, 30_000 + n) for n in range(count))
    return scene.dispatch(who, chain.call("Market.submit_orders", orders))


@CASES.add("MARKET_AMEND_ORDER")
def amend_order(scene: Scene) -> Act:
    chain, slot = crowded(scene)
    submit(chain, ALICE, slot, (Side.BUY, 100, 30_050))
    number = chain.pallets.market.next_order_id.get() - 1
    return act(scene, chain, ALICE, "Market.amend_order", number, 200, 30_060)


@CASES.add("MARKET_CANCEL_ORDER")
def cancel_order(scene: Scene) -> Act:
    chain, slot = crowded(scene)
    submit(chain, ALICE, slot, (Side.BUY, 100, 30_050))
    number = chain.pallets.market.next_order_id.get() - 1
    return act(scene, chain, ALICE, "Market.cancel_order", number)


@CASES.add("MARKET_CANCEL_ALL", ORDER=OPEN_ORDERS_MAX)
def cancel_all(scene: Scene, count: int) -> Act:
    chain = stage(scene)
    slot = next_slot(chain, 20)
    for number in range(max(1, count)):
        submit(chain, ALICE, slot + number % 100, (Side.BUY, 100, 30_000 + number))
    return act(scene, chain, ALICE, "Market.cancel_all", 1, None)


@CASES.add("MARKET_CLAIM")
def claim(scene: Scene) -> Act:
    chain = stage(scene)
    endow(chain, MARKET_POT)
    chain.pallets.market.unclaimed.put(ALICE, UNIT)
    return act(scene, chain, ALICE, "Market.claim")


@CASES.add("MARKET_STEP_CLEARING", ORDER=ROW_PAGE)
def step_clearing(scene: Scene, count: int) -> Act:
    chain = stage(scene, 1, 2 * PAGE_ORDERS)
    slot, market = next_slot(chain, 20), chain.pallets.market
    for number in range(2 * PAGE_ORDERS):
        side = Side(number % 2)
        submit(chain, trader(number), slot, (side, 100, 30_000 if side is Side.SELL else 50_000))
    ensure(market.life.close_gate((1, slot)))
    return lambda: ensure(market.life.work((1, slot), count + 1) > 0)


# --- contracts


@CASES.add("MARKET_PROPOSE_BILATERAL")
def propose_bilateral(scene: Scene) -> Act:
    chain = stage(scene)
    slots = (next_slot(chain, 20), next_slot(chain, 20 + CONTRACT_SLOTS_MAX - 1))
    return act(scene, chain, ALICE, "Market.propose_bilateral", BOB, 1, slots, Side.SELL, 100, 100)


def contract(chain: Energy, count: int) -> int:
    slots = (next_slot(chain, 20), next_slot(chain, 20 + max(1, count) - 1))
    chain.ok(ALICE, "Market.propose_bilateral", BOB, 1, slots, Side.SELL, 100, 100)
    return chain.pallets.market.next_contract_id.get() - 1


@CASES.add("MARKET_ACCEPT_BILATERAL", SLOT=CONTRACT_SLOTS_MAX)
def accept_bilateral(scene: Scene, count: int) -> Act:
    chain = stage(scene)
    return act(scene, chain, BOB, "Market.accept_bilateral", contract(chain, count))


@CASES.add("MARKET_TERMINATE_BILATERAL", SLOT=CONTRACT_SLOTS_MAX)
def terminate_bilateral(scene: Scene, count: int) -> Act:
    chain = stage(scene)
    number = contract(chain, count)
    chain.ok(BOB, "Market.accept_bilateral", number)
    return act(scene, chain, BOB, "Market.terminate_bilateral", number)


# --- markets


@CASES.add("MARKET_HALT_MARKET")
def halt_market(scene: Scene) -> Act:
    chain = stage(scene)
    for ahead in range(2, HORIZON_MAX):
        submit(chain, ALICE, next_slot(chain, ahead), (Side.BUY, 100, 100))
    return act(scene, chain, OPERATOR, "Market.halt_market", 1)


@CASES.add("MARKET_RESUME_MARKET")
def resume_market(scene: Scene) -> Act:
    chain = stage(scene)
    chain.ok(OPERATOR, "Market.halt_market", 1)
    chain.pallets.market.halt_votes.put((1, False), REGULATORS[:2])
    market = chain.pallets.market.store.get_market(1)
    chain.pallets.market.markets.put(1, structs.replace(market, halt=Halt.Regulators))
    return act(scene, chain, REGULATORS[2], "Market.resume_market", 1)


@CASES.add("MARKET_SET_MARKET")
def set_market(scene: Scene) -> Act:
    chain = stage(scene, ZONES_MAX - 1)
    endow(chain, wheeling_pot_of(ZONES_MAX))
    chain.ok(ROOT, "Grid.set_zone", ZONES_MAX, ZONE)
    return act(scene, chain, ROOT, "Market.set_market", ZONES_MAX, WIDE)


@CASES.add("MARKET_COLLECT_FEES")
def collect_fees(scene: Scene) -> Act:
    chain = stage(scene)
    endow(chain, TREASURY_POT)
    return act(scene, chain, ROOT, "Market.collect_fees", ALICE, UNIT)


# --- grid


@CASES.add("GRID_WAIT")
def wait(scene: Scene) -> Act:
    chain = stage(scene, ZONES_MAX)
    grid = chain.pallets.grid

    def run() -> None:
        chain.pallets.world.load = 850
        grid.on_initialize(0)
        ensure(grid.load_level.get() is AlertLevel.Advisory)

    return run


@CASES.add("GRID_SET_ZONE")
def set_zone(scene: Scene) -> Act:
    chain = stage(scene, ZONES_MAX - 1)
    endow(chain, wheeling_pot_of(ZONES_MAX))
    return act(scene, chain, ROOT, "Grid.set_zone", ZONES_MAX, ZONE)


@CASES.add("GRID_SET_LINE")
def set_line(scene: Scene) -> Act:
    chain = stage(scene, ZONES_MAX, wires=ring(7))
    return act(scene, chain, ROOT, "Grid.set_line", 1, 3, Line(100, 7))


@CASES.add("GRID_SET_CAPACITY", SLOT=SLOTS_AT_ONCE_MAX)
def set_capacity(scene: Scene, count: int) -> Act:
    chain = stage(scene, 2, wires=ring(7, zones=2))
    slots = tuple(next_slot(chain, 20 + number) for number in range(count))
    return act(scene, chain, OPERATOR, "Grid.set_capacity", 1, 2, slots, 100)


@CASES.add("GRID_RAISE_ALERT")
def raise_alert(scene: Scene) -> Act:
    chain = stage(scene)
    for ahead in range(2, HORIZON_MAX):
        submit(chain, ALICE, next_slot(chain, ahead), (Side.BUY, 100, 100))
    return act(scene, chain, OPERATOR, "Grid.raise_alert", 1, AlertLevel.Emergency)


@CASES.add("GRID_CLEAR_ALERT")
def clear_alert(scene: Scene) -> Act:
    chain = stage(scene)
    chain.ok(OPERATOR, "Grid.raise_alert", 1, AlertLevel.Advisory)
    return act(scene, chain, OPERATOR, "Grid.clear_alert", 1)


@CASES.add("GRID_CLAIM_RENT")
def claim_rent(scene: Scene) -> Act:
    chain = stage(scene)
    endow(chain, GRID_FUND)
    return act(scene, chain, ROOT, "Grid.claim_rent", ALICE, UNIT)


def crowded_queue(chain: Energy, count: int) -> None:
    for number in range(count):
        chain.ok(OPERATOR, "Grid.curtail", 1, next_slot(chain, 20 + number), 500)


@CASES.add("GRID_CURTAIL")
def curtail(scene: Scene) -> Act:
    chain = stage(scene)
    crowded_queue(chain, CURTAILMENTS_MAX - 1)
    return act(scene, chain, OPERATOR, "Grid.curtail", 1, next_slot(chain, 10), 500)


@CASES.add("GRID_LIFT")
def lift(scene: Scene) -> Act:
    chain = stage(scene)
    crowded_queue(chain, CURTAILMENTS_MAX)
    return act(scene, chain, OPERATOR, "Grid.lift", 1, next_slot(chain, 20))
