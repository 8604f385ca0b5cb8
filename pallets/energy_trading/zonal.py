"""The call auction of several zones at once, which trade over lines of limited capacity.

Responsible for the volumes, flows and zonal prices of greatest welfare: bids less offers less wheeling ·
flow. It knows the levels of each zone and the lines, no orders and no time; `fills.py` divides the levels as
in a single zone.

The rule is a minimum-cost flow with whole numbers. Energy comes from a source over the offers into the zones,
over lines from zone to zone, and over the bids into a sink. Beginning with no flow, the best remaining triple
of (offer at the head of its zone, cheapest path left over the lines, bid at the head of its zone) is accepted
as far as all three hold out, until the best one would lose. A path may go against the flow of a line and
takes its wheeling back. That is the successive shortest path method, which keeps the flow of each volume the
cheapest one for it (no cycle of negative cost is left), so the result is exact; see Ahuja, Magnanti and
Orlin, "Network Flows", 1993, section 9.7. A path back over an accepted offer or bid would touch source or
sink twice, so those are never undone. Triples that gain nothing are accepted: of all volumes of greatest
welfare it is the largest.

Distances between zones change only when a line is filled, emptied or first used, so they are kept in between;
a step costs the square of the number of zones, a change of distances its cube.

Prices. Zone z may have any price that fits what is accepted there, and over every line with capacity left the
difference is at most the wheeling, over every line that is used at least the wheeling. The least and the
greatest price of every zone that fit together follow from the distances that are left; the price lies at k
between them, rounded down, which keeps all those differences. So no line loses money: what buyers pay, less
what sellers get, less wheeling, is the congestion rent and at least zero. One zone without lines gives the
result of `clearing.py`.

A large network need not be cleared in one block: `start_zones`, `step_zones` as often as there is room, and
`finish_zones` give what `clear_zones` gives at once.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from pallets.energy_trading.clearing import find_interval, interpolate
from pallets.energy_trading.levels import (
    Ladder,
    Level,
    Margin,
    Rules,
    ensure_levels,
    to_effective_levels,
)
from pallets.energy_trading.orders import Side
from pallets.energy_trading.units import ENERGY_MAX_WH, MONEY_PER_WH_TICK, PRICE_MAX_TICKS
from runtime.primitives.arithmetic import ensure_within

ZONES_MAX: Final = 32
"""The provinces' operators and feeders of one market; distances cost its cube."""

STEPS_MAX: Final = 1 << 32
"""Of one call that is not divided."""

_UNREACHABLE: Final = 1 << 100
"""Above any sum of wheeling, also when some are added to it."""


class ZonalError(ValueError):
    """Zones and lines that make no network."""


class TooManyZones(ZonalError):
    """There are more zones than one auction takes."""


class UnknownZone(ZonalError):
    """A line begins or ends nowhere, or where it began."""


class DuplicateLine(ZonalError):
    """Two lines lead from the same zone to the same other."""


class MixedRules(ZonalError):
    """Zones that trade with each other place their price at the same k."""


class Line(NamedTuple):
    """A way for energy from one zone to another in one slot; the way back is a line of its own."""

    source: int
    target: int
    capacity_wh: int
    wheeling_ticks: int


class ZoneBook(NamedTuple):
    """The levels of a zone by limit, best first, and its rules; their wheeling is that inside the zone."""

    bids: Sequence[Level]
    offers: Sequence[Level]
    rules: Rules


class ZoneClearing(NamedTuple):
    """What one zone gets; the price is None where nothing is traded and nothing flows."""

    price: int | None
    low: int | None
    high: int | None
    bids: Margin | None
    offers: Margin | None
    bought_wh: int
    sold_wh: int


class ZonalClearing(NamedTuple):
    """Zones and flows in the order of the input; `welfare` in ticks · Wh, the rent in money.

    `steps` counts the accepted triples, to which the cost is proportional.
    """

    zones: tuple[ZoneClearing, ...]
    flows: tuple[int, ...]
    volume_wh: int
    welfare: int
    congestion_rent: int
    steps: int


class ZonalCursor(NamedTuple):
    """How far an auction has come: Wh accepted in each zone, flows, and the accepted triples."""

    bought_wh: tuple[int, ...]
    sold_wh: tuple[int, ...]
    flows: tuple[int, ...]
    steps: int
    is_done: bool


def clear_zones(books: Sequence[ZoneBook], lines: Sequence[Line]) -> ZonalClearing:
    """Return the clearing of greatest welfare at once; raises what `start_zones` raises."""
    cursor = start_zones(books, lines)
    while not cursor.is_done:
        cursor = step_zones(books, lines, cursor, STEPS_MAX)
    return finish_zones(books, lines, cursor)


def start_zones(books: Sequence[ZoneBook], lines: Sequence[Line]) -> ZonalCursor:
    """Return the cursor before the first step.

    Raises TooManyZones, UnknownZone, DuplicateLine, MixedRules, and what `compute_clearing` raises for levels
    and rules.
    """
    _ensure_network(books, lines)
    nothing = (0,) * len(books)
    return ZonalCursor(nothing, nothing, (0,) * len(lines), 0, is_done=False)


def step_zones(
    books: Sequence[ZoneBook], lines: Sequence[Line], cursor: ZonalCursor, steps_max: int
) -> ZonalCursor:
    """Return the cursor after so many more triples, or fewer if none is left that does not lose.

    However the steps are divided, the end is the same. Going on costs the levels accepted so far and one
    measuring of distances. Books and lines are those of `start_zones`.
    """
    assert steps_max > 0, "a call makes a step"
    market = _Market(books, lines, cursor)
    taken = 0
    while taken < steps_max and market.step():
        taken += 1
    return market.to_cursor(cursor.steps + taken, is_done=taken < steps_max)


def finish_zones(books: Sequence[ZoneBook], lines: Sequence[Line], cursor: ZonalCursor) -> ZonalClearing:
    """Return prices and margins once no step is left."""
    assert cursor.is_done, "a market is priced at its optimum"
    market = _Market(books, lines, cursor)
    zones = _price_zones(books, market.demand, market.supply, market.network)
    welfare = sum(ladder.worth for ladder in market.demand) - sum(ladder.worth for ladder in market.supply)
    welfare -= sum(line.wheeling_ticks * flow for line, flow in zip(lines, cursor.flows, strict=True))
    rent = _compute_rent(zones, lines, cursor.flows)
    return ZonalClearing(zones, cursor.flows, sum(cursor.bought_wh), welfare, rent, cursor.steps)


class _Market:
    """The ladders of all zones and the lines between them, as a cursor has left them."""

    def __init__(self, books: Sequence[ZoneBook], lines: Sequence[Line], cursor: ZonalCursor) -> None:
        self.demand = [
            Ladder(to_effective_levels(book.bids, book.rules), bought_wh)
            for book, bought_wh in zip(books, cursor.bought_wh, strict=True)
        ]
        self.supply = [
            Ladder(book.offers, sold_wh) for book, sold_wh in zip(books, cursor.sold_wh, strict=True)
        ]
        self.network = _Network(len(books), lines, cursor.flows)

    def step(self) -> bool:
        """Accept the best triple; answer whether there was one that does not lose."""
        best = _find_best(self.demand, self.supply, self.network)
        if best is None:
            return False
        supply, demand = self.supply[best[0]], self.demand[best[1]]
        path = self.network.find_path(*best)
        qty_wh = min(supply.left, demand.left, self.network.measure_room(path))
        supply.take(qty_wh)
        demand.take(qty_wh)
        self.network.push(path, qty_wh)
        return True

    def to_cursor(self, steps: int, *, is_done: bool) -> ZonalCursor:
        """Return what has to be kept until the next step."""
        bought = tuple(ladder.accepted for ladder in self.demand)
        sold = tuple(ladder.accepted for ladder in self.supply)
        return ZonalCursor(bought, sold, tuple(self.network.flows), steps, is_done)


def _ensure_network(books: Sequence[ZoneBook], lines: Sequence[Line]) -> None:
    if len(books) > ZONES_MAX:
        raise TooManyZones(f"{len(books)} zones, the limit is {ZONES_MAX}")
    for book in books:
        book.rules.ensure_valid()
        ensure_levels(Side.BUY, book.bids)
        ensure_levels(Side.SELL, book.offers)
    if len({book.rules.k_permille for book in books}) > 1:
        raise MixedRules("zones of one auction have different k")
    zones = range(len(books))
    for source, target, capacity_wh, wheeling_ticks in lines:
        if source not in zones or target not in zones or source == target:
            raise UnknownZone(f"no line leads from {source} to {target} among {len(books)} zones")
        ensure_within(capacity_wh, ENERGY_MAX_WH)
        ensure_within(wheeling_ticks, PRICE_MAX_TICKS)
    if len({(line.source, line.target) for line in lines}) < len(lines):
        raise DuplicateLine("two lines lead the same way")


def _find_best(
    demand: Sequence[Ladder], supply: Sequence[Ladder], network: "_Network"
) -> tuple[int, int] | None:
    """Return the offer's zone and the bid's zone of the best triple; None where each would lose.

    Of equal gains that of fewest lines is taken, and then the first.
    """
    count = network.zones
    bids = [(zone, head * count) for zone, ladder in enumerate(demand) if (head := ladder.head) is not None]
    best, source, target = -count, -1, -1
    for zone, ladder in enumerate(supply):
        if (head := ladder.head) is None:
            continue
        offer, distances = head * count, network.distances[zone]
        for other, bid in bids:
            gain = bid - offer - distances[other]
            if gain > best:
                best, source, target = gain, zone, other
    return None if source < 0 else (source, target)


class _Network:
    """The lines, what flows over them, and the distances that are left.

    A distance is wheeling · zones + lines, so that of equally cheap paths the one of fewest lines is the
    shorter, and a round trip that costs nothing is still no gain.
    """

    def __init__(self, zones: int, lines: Sequence[Line], flows: Sequence[int]) -> None:
        self.zones = zones
        self.flows = list(flows)
        self.lines = lines
        self.distances: list[list[int]] = []
        self._first: list[list[int]] = []
        self._arcs: dict[tuple[int, int], int] = {}
        self._measure()

    def find_path(self, source: int, target: int) -> list[int]:
        """Return the arcs of the shortest path: line n forward is n, against its flow is ~n."""
        path = []
        while source != target:
            step = self._first[source][target]
            path.append(self._arcs[source, step])
            source = step
        return path

    def measure_room(self, path: Sequence[int]) -> int:
        """Return how much more the path takes."""
        return min((self._room(arc) for arc in path), default=ENERGY_MAX_WH)

    def push(self, path: Sequence[int], qty_wh: int) -> None:
        """Send energy along the path and measure anew where that opens or closes an arc."""
        is_changed = False
        for arc in path:
            is_changed |= self._room(~arc) == 0
            self.flows[max(arc, ~arc)] += qty_wh if arc >= 0 else -qty_wh
            is_changed |= self._room(arc) == 0
        if is_changed:
            self._measure()

    def wheeling_from(self, zone: int) -> list[int | None]:
        """Return what the cheapest path from a zone to each costs; None where there is none."""
        return [self._to_wheeling(distance) for distance in self.distances[zone]]

    def wheeling_to(self, zone: int) -> list[int | None]:
        """Return what the cheapest path to a zone from each costs; None where there is none."""
        return [self._to_wheeling(row[zone]) for row in self.distances]

    def _to_wheeling(self, distance: int) -> int | None:
        return None if distance >= _UNREACHABLE else distance // self.zones

    def _room(self, arc: int) -> int:
        return self.lines[arc].capacity_wh - self.flows[arc] if arc >= 0 else self.flows[~arc]

    def _measure(self) -> None:
        """Find all distances by Floyd and Warshall's method; there is no negative cycle."""
        count = self.zones
        distances = [[_UNREACHABLE] * count for _ in range(count)]
        first = [list(range(count)) for _ in range(count)]
        for zone in range(count):
            distances[zone][zone] = 0
        self._arcs = {}
        for number, (source, target, _, wheeling) in enumerate(self.lines):
            if self._room(number) > 0:
                self._open(distances, (source, target), number, wheeling * count + 1)
            if self.flows[number] > 0:
                self._open(distances, (target, source), ~number, 1 - wheeling * count)
        for via in range(count):
            _relax(distances, first, via)
        self.distances, self._first = distances, first

    def _open(self, distances: list[list[int]], ends: tuple[int, int], arc: int, cost: int) -> None:
        source, target = ends
        if cost < distances[source][target]:
            distances[source][target] = cost
            self._arcs[ends] = arc


def _relax(distances: list[list[int]], first: list[list[int]], via: int) -> None:
    """Shorten every distance that is less by way of one zone."""
    onward = distances[via]
    reached = [(zone, length) for zone, length in enumerate(onward) if length < _UNREACHABLE]
    for zone, row in enumerate(distances):
        there = row[via]
        if there >= _UNREACHABLE or zone == via:
            continue
        firsts = first[zone]
        for other, length in reached:
            if there + length < row[other]:
                row[other] = there + length
                firsts[other] = firsts[via]


def _price_zones(
    books: Sequence[ZoneBook], demand: Sequence[Ladder], supply: Sequence[Ladder], network: _Network
) -> tuple[ZoneClearing, ...]:
    own = [find_interval(*ladders) for ladders in zip(demand, supply, strict=True)]
    is_crossed = [False] * len(books)
    for line, flow in zip(network.lines, network.flows, strict=True):
        if flow > 0:
            is_crossed[line.source] = is_crossed[line.target] = True
    zones = []
    for zone, book in enumerate(books):
        bids = demand[zone].margin(Side.BUY, book.rules)
        offers = supply[zone].margin(Side.SELL, book.rules)
        low, high = _bound(own, network, zone)
        price = None
        if bids or offers or is_crossed[zone]:
            assert low is not None, "energy that moves has an offer behind it"
            assert high is not None, "energy that moves has a bid before it"
            price = interpolate(low, high, book.rules.k_permille)
        bought, sold = demand[zone].accepted, supply[zone].accepted
        zones.append(ZoneClearing(price, low, high, bids, offers, bought, sold))
    return tuple(zones)


def _bound(
    own: Sequence[tuple[int | None, int | None]], network: _Network, zone: int
) -> tuple[int | None, int | None]:
    """Return the least and the greatest price of a zone that fit its own orders and all other zones."""
    lows = [
        low - distance
        for (low, _), distance in zip(own, network.wheeling_from(zone), strict=True)
        if low is not None and distance is not None
    ]
    highs = [
        high + distance
        for (_, high), distance in zip(own, network.wheeling_to(zone), strict=True)
        if high is not None and distance is not None
    ]
    return max(lows, default=None), min(highs, default=None)


def _compute_rent(zones: Sequence[ZoneClearing], lines: Sequence[Line], flows: Sequence[int]) -> int:
    rent = 0
    for line, flow in zip(lines, flows, strict=True):
        here, there = zones[line.source].price, zones[line.target].price
        if flow and here is not None and there is not None:
            assert there - here >= line.wheeling_ticks, "a line that is used pays its wheeling"
            rent += flow * (there - here - line.wheeling_ticks)
    return rent * MONEY_PER_WH_TICK
