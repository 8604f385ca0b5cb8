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


def clear_zones(books: Sequence[ZoneBook], lines: Sequence[Line]) -> ZonalClearing:
    """Return the clearing of greatest welfare.

    Raises TooManyZones, UnknownZone, DuplicateLine, MixedRules, and what `compute_clearing` raises for levels
    and rules.
    """
    _ensure_network(books, lines)
    demand = [Ladder(to_effective_levels(book.bids, book.rules)) for book in books]
    supply = [Ladder(book.offers) for book in books]
    network = _Network(len(books), lines)
    volume_wh = welfare = steps = 0
    while (best := _find_best(demand, supply, network)) is not None:
        gain, source, target = best
        path = network.find_path(source, target)
        qty_wh = min(supply[source].left, demand[target].left, network.measure_room(path))
        supply[source].take(qty_wh)
        demand[target].take(qty_wh)
        network.push(path, qty_wh)
        volume_wh += qty_wh
        welfare += gain * qty_wh
        steps += 1
    zones = _price_zones(books, demand, supply, network)
    rent = _compute_rent(zones, lines, network.flows)
    return ZonalClearing(zones, tuple(network.flows), volume_wh, welfare, rent, steps)


def _ensure_network(books: Sequence[ZoneBook], lines: Sequence[Line]) -> None:
    if len(books) > ZONES_MAX:
        raise TooManyZones(f"{len(books)} zones, the limit is {ZONES_MAX}")
    for book in books:
        book.rules.checked()
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
) -> tuple[int, int, int] | None:
    """Return gain for each Wh, offer zone and bid zone of the best triple; None where each would lose.

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
    return None if source < 0 else (-(-best // count), source, target)


class _Network:
    """The lines, what flows over them, and the distances that are left.

    A distance is wheeling · zones + lines, so that of equally cheap paths the one of fewest lines is the
    shorter, and a round trip that costs nothing is still no gain.
    """

    def __init__(self, zones: int, lines: Sequence[Line]) -> None:
        self.zones = zones
        self.flows = [0] * len(lines)
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
