"""The energy market in a genesis configuration: how time is counted, zones, lines, markets and tariffs.

The section `energy` has the fields of `TIMING` with `capacityMw`, and lists: `zones` of `ZONE_COLUMNS`,
`lines` of `LINE_COLUMNS`, `markets` of [zone, object of `MARKET_FIELDS`], `tariffs` of [zone, object of
`TARIFF_FIELDS`], `issuers` of addresses. Energy is in Wh, prices in ticks of 0.0001 THB per kWh.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, TypeVar

from msgspec import structs

from genesis.config import (
    SpecError,
    as_account,
    as_flag,
    as_list,
    as_number,
    as_object,
    as_row,
    as_text,
)
from pallets.certificates.types import ISSUERS_MAX
from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.grid_types import (
    LINES_MAX,
    LOSS_MAX_PPM,
    WHEELING_MAX_TICKS,
    ZONES_MAX,
    Line,
    OperatorKind,
    Way,
    Zone,
    ZoneStatus,
)
from pallets.energy_trading.market_store import GATE_PLACES
from pallets.energy_trading.market_types import VOTERS_MAX, MarketKind, MarketParameters, is_workable
from pallets.settlement.settlement_types import Tariff, TariffKind
from pallets.settlement.slot_work import is_workable as is_workable_tariff
from runtime.primitives.arithmetic import U16_MAX, U32_MAX, U64_MAX
from runtime.primitives.scale import Struct, u32
from runtime.primitives.types import AccountId

E = TypeVar("E", bound=IntEnum)


class EnergyParameters(Struct, path="loam::energy::EnergyParameters"):
    """What never changes on a chain: the length of a slot, and how many of them what takes.

    Settlement waits for meters `deadline_slots`, takes corrections for `correction_slots`, puts the reading
    of `pattern_slots` before in the place of a missing one, and pays once in `epoch_slots`, which begin
    `epoch_offset_slots` early. A margin call is due after `margin_slots`; a slot's rows are archived
    `archive_slots` after it. Gates of neighbouring zones lie `gate_stagger_ms` apart; `regulators_needed`
    halt a market; the whole grid carries `capacity_mw`.
    """

    slot_ms: u32 = 900_000
    deadline_slots: u32 = 4
    correction_slots: u32 = 30 * 96
    pattern_slots: u32 = 7 * 96
    epoch_slots: u32 = 96
    epoch_offset_slots: u32 = 28
    margin_slots: u32 = 96
    archive_slots: u32 = 7 * 96
    gate_stagger_ms: u32 = 1_000
    regulators_needed: u32 = 3
    capacity_mw: u32 = 50_000


PRODUCTION: Final = EnergyParameters()
"""Slots of a quarter of an hour, epochs of a day of Thai time, corrections for thirty days."""
DEVNET: Final = EnergyParameters(
    slot_ms=60_000,
    correction_slots=1_440,
    pattern_slots=60,
    epoch_slots=10,
    epoch_offset_slots=0,
    margin_slots=10,
    archive_slots=60,
)
"""Slots of a minute, epochs of ten, so that a developer sees payments."""
TEST: Final = EnergyParameters(
    slot_ms=3_000,
    correction_slots=40,
    pattern_slots=8,
    epoch_slots=8,
    epoch_offset_slots=3,
    margin_slots=4,
    archive_slots=10,
    gate_stagger_ms=0,
)
"""Slots of three blocks."""

TIMING: Final = {
    "slotMs": "slot_ms",
    "deadlineSlots": "deadline_slots",
    "correctionSlots": "correction_slots",
    "patternSlots": "pattern_slots",
    "epochSlots": "epoch_slots",
    "epochOffsetSlots": "epoch_offset_slots",
    "marginSlots": "margin_slots",
    "archiveSlots": "archive_slots",
    "gateStaggerMs": "gate_stagger_ms",
    "regulatorsNeeded": "regulators_needed",
    "capacityMw": "capacity_mw",
}
"""Names in a chain spec, and of the fields that they stand for; one that is missing is as in production."""
LISTS: Final = ("zones", "lines", "markets", "tariffs", "issuers")
ZONE_COLUMNS: Final = ("id", "kind", "operator", "wheelingTicks", "lossPpm")
LINE_COLUMNS: Final = ("source", "target", "capacityWh", "wheelingTicks")
MARKET_NUMBERS: Final = {
    "kPermille": ("k_permille", U16_MAX),
    "feeBps": ("fee_bps", U16_MAX),
    "gateMs": ("gate_ms", U32_MAX),
    "horizon": ("horizon", U16_MAX),
    "qtyMin": ("qty_min", U64_MAX),
    "qtyMax": ("qty_max", U64_MAX),
    "priceMin": ("price_min", U32_MAX),
    "priceMax": ("price_max", U32_MAX),
    "priceStep": ("price_step", U32_MAX),
}
MARKET_FIELDS: Final = ("kind", "rationing", *MARKET_NUMBERS)
TARIFF_NUMBERS: Final = {
    "feedInTicks": ("feed_in_ticks", U32_MAX),
    "retailTicks": ("retail_ticks", U32_MAX),
    "tolerancePermille": ("tolerance_permille", U16_MAX),
    "toleranceMinWh": ("tolerance_min_wh", U64_MAX),
    "penaltyBps": ("penalty_bps", U16_MAX),
}
TARIFF_FIELDS: Final = ("kind", *TARIFF_NUMBERS, "hasNetting")
SLOT_MS_MIN: Final = 1_000
SLOT_MS_MAX: Final = 86_400_000
SPAN_SLOTS_MAX: Final = 1 << 20
"""The longest of the spans that are counted in slots: with slots of a second twelve days, so that a slot plus
a span is a slot's number until the year 2106."""
STAGGER_MS_MAX: Final = 60_000
SPANS: Final = (
    *("deadlineSlots", "correctionSlots", "patternSlots", "epochSlots", "epochOffsetSlots"),
    *("marginSlots", "archiveSlots"),
)


@dataclass(frozen=True, slots=True)
class GenesisEnergy:
    """What the market of a chain starts with, by zone; `issuers` issue certificates."""

    zones: tuple[tuple[int, Zone], ...] = ()
    lines: tuple[tuple[Way, Line], ...] = ()
    markets: tuple[tuple[int, MarketParameters], ...] = ()
    tariffs: tuple[tuple[int, Tariff], ...] = ()
    issuers: tuple[AccountId, ...] = ()


NO_ZONES: Final = GenesisEnergy()


# --- reading


def parse_parameters(section: Any, path: str) -> EnergyParameters:
    """Return how time is counted; SpecError naming the place when it is wrong."""
    parts = as_object(section, path, (*TIMING, *LISTS))
    found = structs.replace(
        PRODUCTION,
        **{
            field: as_number(parts[name], f"{path}.{name}", U32_MAX)
            for name, field in TIMING.items()
            if name in parts
        },
    )
    ensure_parameters(found, path)
    return found


def ensure_parameters(found: EnergyParameters, path: str) -> None:
    """Raise a SpecError that names the place unless a chain can count time like this."""
    for name in ("deadlineSlots", "correctionSlots", "epochSlots", "marginSlots", "regulatorsNeeded"):
        _ensure(getattr(found, TIMING[name]) >= 1, f"{path}.{name}", "at least 1")
    for name in SPANS:
        is_short = getattr(found, TIMING[name]) <= SPAN_SLOTS_MAX
        _ensure(is_short, f"{path}.{name}", f"at most {SPAN_SLOTS_MAX} slots")
    _ensure(found.regulators_needed <= VOTERS_MAX, f"{path}.regulatorsNeeded", f"at most {VOTERS_MAX}")
    _ensure(found.gate_stagger_ms <= STAGGER_MS_MAX, f"{path}.gateStaggerMs", "at most a minute")
    _ensure(SLOT_MS_MIN <= found.slot_ms <= SLOT_MS_MAX, f"{path}.slotMs", "a second to a day")
    _ensure(found.capacity_mw >= 1, f"{path}.capacityMw", "at least 1")
    _ensure(found.epoch_offset_slots < found.epoch_slots, f"{path}.epochOffsetSlots", "less than an epoch")
    is_kept = 1 <= found.pattern_slots <= found.correction_slots
    _ensure(is_kept, f"{path}.patternSlots", "at least 1, and no more than correctionSlots")
    is_settled = found.archive_slots > found.deadline_slots
    _ensure(is_settled, f"{path}.archiveSlots", "more than deadlineSlots")


def parse_energy(section: Any, path: str) -> GenesisEnergy:
    """Return what the market starts with; SpecError naming the place when it is wrong."""
    parts = as_object(section, path, (*TIMING, *LISTS))
    zones = as_list(parts.get("zones", []), f"{path}.zones", _zone)
    known = _distinct([number for number, _ in zones], f"{path}.zones")
    _ensure(len(zones) <= ZONES_MAX, f"{path}.zones", f"at most {ZONES_MAX}")
    lines = as_list(parts.get("lines", []), f"{path}.lines", _line)
    _distinct([way for way, _ in lines], f"{path}.lines")
    _ensure(len(lines) <= LINES_MAX, f"{path}.lines", f"at most {LINES_MAX}")
    for place, (way, _) in enumerate(lines):
        _ensure(all(end in known for end in way), f"{path}.lines[{place}]", "two zones of this chain")
    markets = as_list(parts.get("markets", []), f"{path}.markets", _market)
    _ensure_gates(markets, parse_parameters(section, path), path)
    tariffs = as_list(parts.get("tariffs", []), f"{path}.tariffs", _tariff)
    for name, listed in (
        ("markets", [zone for zone, _ in markets]),
        ("tariffs", [zone for zone, _ in tariffs]),
    ):
        _distinct(listed, f"{path}.{name}")
        for place, zone in enumerate(listed):
            _ensure(zone in known, f"{path}.{name}[{place}][0]", "a zone of this chain")
    issuers = as_list(parts.get("issuers", []), f"{path}.issuers", as_account)
    _ensure(len(issuers) <= ISSUERS_MAX, f"{path}.issuers", f"at most {ISSUERS_MAX}")
    _distinct(list(issuers), f"{path}.issuers")
    return GenesisEnergy(zones, lines, markets, tariffs, issuers)


def _ensure_gates(
    markets: tuple[tuple[int, MarketParameters], ...], timing: EnergyParameters, path: str
) -> None:
    """Raise a SpecError for a market that would never be open: its gates close before its horizon."""
    for place, (zone, rules) in enumerate(markets):
        early_ms = rules.gate_ms + zone % GATE_PLACES * timing.gate_stagger_ms
        is_open = early_ms < rules.horizon * timing.slot_ms
        _ensure(is_open, f"{path}.markets[{place}][1].gateMs", "a gate within the horizon")


def _ensure(is_so: bool, path: str, wanted: str) -> None:  # noqa: FBT001  # what is asked
    if not is_so:
        raise SpecError(f"{path}: expected {wanted}")


K = TypeVar("K")


def _distinct(keys: list[K], path: str) -> dict[K, None]:
    found = dict.fromkeys(keys)
    _ensure(len(found) == len(keys), path, "nothing twice")
    return found


def _zone(value: Any, path: str) -> tuple[int, Zone]:
    number, kind, operator, wheeling, loss_ppm = as_row(value, path, ZONE_COLUMNS)
    return as_number(number, f"{path}[0]", U16_MAX), Zone(
        _choice(OperatorKind, kind, f"{path}[1]"),
        as_account(operator, f"{path}[2]"),
        as_number(wheeling, f"{path}[3]", WHEELING_MAX_TICKS),
        as_number(loss_ppm, f"{path}[4]", LOSS_MAX_PPM),
        ZoneStatus.InService,
    )


def _line(value: Any, path: str) -> tuple[Way, Line]:
    source, target, capacity, wheeling = as_row(value, path, LINE_COLUMNS)
    way = (as_number(source, f"{path}[0]", U16_MAX), as_number(target, f"{path}[1]", U16_MAX))
    _ensure(way[0] != way[1], path, "two zones")
    numbers = (
        as_number(capacity, f"{path}[2]", U64_MAX),
        as_number(wheeling, f"{path}[3]", WHEELING_MAX_TICKS),
    )
    return way, Line(*numbers)


def _market(value: Any, path: str) -> tuple[int, MarketParameters]:
    zone, fields = _rules(value, path, MARKET_FIELDS)
    found = MarketParameters(
        kind=_choice(MarketKind, fields.get("kind"), f"{path}[1].kind"),
        rationing=_choice(Rationing, fields.get("rationing"), f"{path}[1].rationing"),
        **_numbers(MARKET_NUMBERS, fields, f"{path}[1]"),
    )
    _ensure(is_workable(found), f"{path}[1]", "rules by which a market can work")
    return zone, found


def _tariff(value: Any, path: str) -> tuple[int, Tariff]:
    zone, fields = _rules(value, path, TARIFF_FIELDS)
    found = Tariff(
        kind=_choice(TariffKind, fields.get("kind"), f"{path}[1].kind"),
        has_netting=as_flag(fields.get("hasNetting"), f"{path}[1].hasNetting"),
        **_numbers(TARIFF_NUMBERS, fields, f"{path}[1]"),
    )
    _ensure(is_workable_tariff(found), f"{path}[1]", "a tariff that can work")
    return zone, found


def _rules(value: Any, path: str, names: tuple[str, ...]) -> tuple[int, dict[str, Any]]:
    """Return a zone and the fields of its rules."""
    zone, rules = as_row(value, path, ("zone", "rules"))
    return as_number(zone, f"{path}[0]", U16_MAX), as_object(rules, f"{path}[1]", names)


def _numbers(known: dict[str, tuple[str, int]], fields: dict[str, Any], path: str) -> dict[str, int]:
    """Return the numbers of rules by the names that the pallets have for them."""
    return {
        field: as_number(fields.get(name), f"{path}.{name}", most) for name, (field, most) in known.items()
    }


def _choice(kind: type[E], value: Any, path: str) -> E:
    known = {each.name: each for each in kind}
    name = as_text(value, path)
    if name not in known:
        raise SpecError(f"{path}: expected one of {', '.join(known)}")
    return known[name]


# --- writing


def make_energy_section(
    parameters: EnergyParameters,
    zones: Iterable[tuple[int, OperatorKind, str, int, int]] = (),
    markets: Iterable[tuple[int, MarketParameters]] = (),
    tariffs: Iterable[tuple[int, Tariff]] = (),
    issuers: Iterable[str] = (),
) -> dict[str, Any]:
    """Return the section of a genesis configuration; zones as `ZONE_COLUMNS`, operators and issuers by
    address."""
    return {
        **{name: getattr(parameters, field) for name, field in TIMING.items()},
        "zones": [[number, kind.name, *others] for number, kind, *others in zones],
        "lines": [],
        "markets": [[zone, describe_market(rules)] for zone, rules in markets],
        "tariffs": [[zone, describe_tariff(rules)] for zone, rules in tariffs],
        "issuers": list(issuers),
    }


def describe_market(rules: MarketParameters) -> dict[str, Any]:
    """Return the rules of a market as a chain spec writes them."""
    numbers = {name: getattr(rules, field) for name, (field, _) in MARKET_NUMBERS.items()}
    return {"kind": rules.kind.name, "rationing": rules.rationing.name, **numbers}


def describe_tariff(rules: Tariff) -> dict[str, Any]:
    """Return a tariff as a chain spec writes it."""
    numbers = {name: getattr(rules, field) for name, (field, _) in TARIFF_NUMBERS.items()}
    return {"kind": rules.kind.name, **numbers, "hasNetting": rules.has_netting}
