"""The energy market in a chain spec: what a preset writes is read again, slots are the chain's, mistakes are
named, and the template of a production chain works once it is filled in."""

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from msgspec import structs

from genesis.chain_spec import ENERGY_KEY, ChainSpec, load_spec, parse_spec
from genesis.config import FILL_IN, SpecError, merge_patch
from genesis.consortium import ConsortiumParameters, compose, make_version
from genesis.energy import DEFAULT_TARIFF
from genesis.energy_section import (
    DEVNET,
    PRODUCTION,
    SPANS,
    TEST,
    TIMING,
    EnergyParameters,
    describe_tariff,
    make_energy_section,
    parse_energy,
    parse_parameters,
)
from genesis.presets import DEV_MARKET
from genesis.production import MEMBERS
from pallets.core.members import MemberClass
from pallets.energy_trading.grid_types import Line, OperatorKind, Zone, ZoneStatus
from pallets.settlement.settlement import Settlement
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from runtime.primitives.scale import codec
from runtime.primitives.ss58 import encode_address
from tests.support.chain import ALICE, EVE

Json = Any
ADDRESS = encode_address(ALICE, 42)
ZONES = [(1, OperatorKind.MEA, ADDRESS, 5_000, 10), (2, OperatorKind.PEA, ADDRESS, 0, 0)]


def section() -> dict[str, Json]:
    """Return a section with two zones, a line, a market and a tariff."""
    made = make_energy_section(TEST, ZONES, [(1, DEV_MARKET)], [(2, DEFAULT_TARIFF)], [ADDRESS])
    made["lines"] = [[1, 2, 500, 10_700]]
    again: dict[str, Json] = json.loads(json.dumps(made))
    return again


def test_section_of_a_preset_is_read_as_it_was_meant() -> None:
    assert parse_parameters(section(), "energy") == TEST
    found = parse_energy(section(), "energy")
    first = Zone(OperatorKind.MEA, ALICE, 5_000, 10, ZoneStatus.InService)
    assert found.zones == ((1, first), (2, Zone(OperatorKind.PEA, ALICE, 0, 0, ZoneStatus.InService)))
    assert found.lines == (((1, 2), Line(500, 10_700)),)
    assert found.markets == ((1, DEV_MARKET),)
    assert found.tariffs == ((2, DEFAULT_TARIFF),)
    assert found.issuers == (ALICE,)


def test_what_a_section_does_not_say_is_as_in_production() -> None:
    assert parse_parameters({}, "energy") == PRODUCTION
    assert parse_parameters({"slotMs": 60_000}, "energy") == structs.replace(PRODUCTION, slot_ms=60_000)


def test_slots_are_a_quarter_of_an_hour_in_production_a_minute_on_devnets_three_blocks_in_tests() -> None:
    assert (PRODUCTION.slot_ms, DEVNET.slot_ms, TEST.slot_ms) == (900_000, 60_000, 3_000)
    assert EnergyParameters(900_000, 4, 2_880, 672, 96, 28, 96, 672, 1_000, 3, 50_000) == PRODUCTION
    day = PRODUCTION.epoch_slots * PRODUCTION.slot_ms
    assert (day, PRODUCTION.epoch_offset_slots * PRODUCTION.slot_ms) == (86_400_000, 7 * 3_600_000)
    assert sorted(TIMING.values()) == sorted(EnergyParameters.__struct_fields__)


MARKET, TARIFF = ("markets", 0, 1), ("tariffs", 0, 1)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        (("surprise",), 1, "energy.surprise"),
        (("slotMs",), 999, "energy.slotMs: expected a second to a day"),
        (("slotMs",), 86_400_001, "energy.slotMs"),
        (("slotMs",), "60", "energy.slotMs"),
        (("slotMs",), True, "energy.slotMs"),
        (("deadlineSlots",), 0, "energy.deadlineSlots"),
        (("epochSlots",), 0, "energy.epochSlots"),
        (("epochOffsetSlots",), 8, "energy.epochOffsetSlots"),
        (("patternSlots",), 0, "energy.patternSlots"),
        (("patternSlots",), 41, "energy.patternSlots"),
        (("archiveSlots",), 4, "energy.archiveSlots"),
        *(((name,), (1 << 20) + 1, f"energy.{name}") for name in SPANS),
        (("regulatorsNeeded",), 0, "energy.regulatorsNeeded"),
        (("regulatorsNeeded",), 101, "energy.regulatorsNeeded: expected at most 100"),
        (("gateStaggerMs",), 60_001, "energy.gateStaggerMs: expected at most a minute"),
        (("capacityMw",), 0, "energy.capacityMw"),
        (("zones",), {}, "energy.zones"),
        (("zones", 0), [1, "MEA"], "energy.zones[0]: expected [id, kind, operator, wheelingTicks, lossPpm]"),
        (("zones", 0, 0), 1 << 16, "energy.zones[0][0]"),
        (("zones", 0, 1), "TVA", "energy.zones[0][1]: expected one of MEA, PEA, EGAT"),
        (("zones", 0, 2), "x", "energy.zones[0][2]"),
        (("zones", 0, 3), 1_000_001, "energy.zones[0][3]"),
        (("zones", 0, 4), 1_000_001, "energy.zones[0][4]"),
        (("zones", 0, 0), 2, "energy.zones: expected nothing twice"),
        (("zones",), [[n, "MEA", ADDRESS, 0, 0] for n in range(33)], "energy.zones: expected at most 32"),
        (("lines", 0), [1, 1, 1, 1], "energy.lines[0]: expected two zones"),
        (("lines", 0, 1), 3, "energy.lines[0]: expected two zones of this chain"),
        (("lines", 0, 2), -1, "energy.lines[0][2]"),
        (("markets", 0, 0), 3, "energy.markets[0][0]: expected a zone of this chain"),
        ((*MARKET, "kind"), "Bazaar", "energy.markets[0][1].kind"),
        ((*MARKET, "rationing"), None, "energy.markets[0][1].rationing"),
        ((*MARKET, "feeBps"), 1_001, "energy.markets[0][1]: expected rules by which a market can work"),
        ((*MARKET, "kPermille"), 1_001, "energy.markets[0][1]: expected rules by which a market can work"),
        ((*MARKET, "gateMs"), 96 * 3_000, "energy.markets[0][1].gateMs: expected a gate within the horizon"),
        ((*MARKET, "feeBps"), None, "energy.markets[0][1].feeBps"),
        ((*MARKET, "surprise"), 1, "energy.markets[0][1].surprise"),
        ((*TARIFF, "kind"), "Free", "energy.tariffs[0][1].kind"),
        ((*TARIFF, "feedInTicks"), 26_370, "energy.tariffs[0][1]: expected a tariff that can work"),
        ((*TARIFF, "hasNetting"), 1, "energy.tariffs[0][1].hasNetting"),
        ((*TARIFF, "penaltyBps"), -1, "energy.tariffs[0][1].penaltyBps"),
        (("issuers",), [ADDRESS, ADDRESS], "energy.issuers: expected nothing twice"),
        (("issuers",), ["0x" + f"{n:064x}" for n in range(17)], "energy.issuers: expected at most 16"),
    ],
)
def test_wrong_value_is_refused_with_its_place(path: tuple[object, ...], value: Json, place: str) -> None:
    made: Json = section()
    part = made
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    parse = parse_parameters if path[0] in TIMING else parse_energy
    with pytest.raises(SpecError) as refused:
        parse(made, "energy")
    assert place in str(refused.value)


def test_zone_of_the_largest_number_and_the_longest_spans_are_taken() -> None:
    made: Json = section()
    made["zones"][1][0] = made["lines"][0][1] = made["tariffs"][0][0] = 65_535
    made["markets"].append([65_535, made["markets"][0][1] | {"gateMs": 96 * 3_000 - 1}])
    assert [zone for zone, _ in parse_energy(made, "energy").markets] == [1, 65_535]
    assert parse_parameters({"marginSlots": 1 << 20}, "energy").margin_slots == 1 << 20


def test_lines_are_bounded() -> None:
    ways = [[source, target, 1, 1] for source in range(12) for target in range(12) if source != target]
    made: Json = {"zones": [[number, "MEA", ADDRESS, 0, 0] for number in range(12)], "lines": ways[:128]}
    assert len(parse_energy(made, "energy").lines) == 128
    with pytest.raises(SpecError, match=r"energy\.lines: expected at most 128"):
        parse_energy(made | {"lines": ways[:129]}, "energy")


def test_tariff_that_cannot_work_is_refused_with_its_place() -> None:
    document = load_spec("dev").to_json(raw=False)
    rules = describe_tariff(DEFAULT_TARIFF) | {"feedInTicks": 60_000}
    document["genesis"]["runtimeGenesis"]["config"]["energy"]["tariffs"] = [[1, rules]]
    with pytest.raises(
        SpecError, match=r"genesis\.energy\.tariffs\[0\]\[1\]: expected a tariff that can work"
    ):
        parse_spec(json.dumps(document).encode()).genesis_state()


# --- how a chain counts time


def constants_of(spec: ChainSpec) -> dict[str, Json]:
    (runtime,) = spec.runtimes().values()
    pallets = runtime(State(MemoryBackend(dict(spec.genesis_state())))).runtime.pallets
    return {f"{pallet.name}.{c.name}": c.value for pallet in pallets for c in pallet.constants()}


def patched(patch: dict[str, Json]) -> ChainSpec:
    document = load_spec("dev").to_json(raw=False)
    runtime = document["genesis"]["runtimeGenesis"]
    runtime["config"] = merge_patch(runtime["config"], patch)
    return parse_spec(json.dumps(document).encode())


def test_slots_of_a_spec_reach_every_pallet_and_raw_specs_keep_them() -> None:
    hourly = patched({"energy": {"slotMs": 3_600_000, "epochSlots": 24, "epochOffsetSlots": 7}})
    raw = parse_spec(json.dumps(hourly.to_json(raw=True)).encode())
    for spec in (hourly, raw):
        found = constants_of(spec)
        slots = [found[f"{name}.SlotMs"] for name in ("Market", "Meters", "Settlement")]
        assert slots == [3_600_000] * 3
        assert (found["Settlement.EpochSlots"], found["Settlement.EpochOffsetSlots"]) == (24, 7)
    assert raw.genesis_state() == hourly.genesis_state()


def test_chains_with_other_slots_are_other_chains() -> None:
    specs = (load_spec("dev"), patched({"energy": {"slotMs": 3_600_000}}))
    roots = [bytes(spec.genesis_header(spec.genesis_state()).state_root) for spec in specs]
    assert roots[0] != roots[1]


@pytest.mark.parametrize(
    ("value", "about"),
    [
        (None, "genesis.raw.top has no `:energy`"),
        ("0x00", "not this program's"),
        (5, "genesis.raw.top.0x3a65"),
        ("0x" + codec(EnergyParameters).encode(EnergyParameters(slot_ms=0)).hex(), "energy.slotMs"),
    ],
)
def test_raw_spec_without_its_slots_is_refused(value: Json, about: str) -> None:
    document = load_spec("dev").to_json(raw=True)
    top = document["genesis"]["raw"]["top"]
    if value is None:
        del top["0x" + ENERGY_KEY.hex()]
    else:
        top["0x" + ENERGY_KEY.hex()] = value
    with pytest.raises(SpecError, match=about):
        parse_spec(json.dumps(document).encode()).runtimes()


@pytest.mark.parametrize("name", ["dev", "local"])
def test_development_chains_have_one_zone_with_an_open_market(name: str) -> None:
    spec = load_spec(name)
    state = State(MemoryBackend(dict(spec.genesis_state())))
    chain = compose(state, ConsortiumParameters(has_sudo=True, energy=DEVNET), make_version())
    assert chain.energy.grid.operator_of(1) == EVE
    assert chain.energy.market.store.get_market(1).parameters == DEV_MARKET
    assert not chain.energy.market.store.get_market(1).is_halted
    assert chain.energy.certificates.issuers.get() == (ALICE,)
    assert isinstance(chain.energy.settlement, Settlement)
    assert chain.energy.settlement.spread_ticks(1, 0)[0] == 22_000
    assert constants_of(spec)["Market.SlotMs"] == 60_000
    chain.api.try_state()


# --- the template


def filled_in() -> Json:
    """Return the template with an account or a key in the place of each text that is to be filled in."""
    text = json.dumps(load_spec("consortium").to_json(raw=False))
    for wanted in sorted(dict.fromkeys(re.findall(rf'"({FILL_IN}[^"]+)"', text)), key=len, reverse=True):
        is_account = wanted.startswith((f"{FILL_IN}the account", f"{FILL_IN}the vote key"))
        value = blake2_256(wanted.encode())
        if is_account:
            public = Keypair.from_seed(value, Scheme.ED25519).public
            text = text.replace(f'"{wanted}"', f'"{encode_address(public, 42)}"')
        else:
            text = text.replace(f'"{wanted}"', f'"0x{value.hex()}"')
    return json.loads(text)


def test_template_of_a_production_chain_works_once_it_is_filled_in() -> None:
    spec = parse_spec(json.dumps(filled_in()).encode())
    assert not spec.is_dev
    state = State(MemoryBackend(dict(spec.genesis_state())))
    chain = compose(state, ConsortiumParameters(), make_version())
    chain.api.try_state()
    classes = [one.class_ for one in chain.members.members.get()]
    counts = [classes.count(class_) for class_ in MemberClass]
    assert (counts, len(MEMBERS)) == ([6, 6, 4, 3, 2], 21)
    assert (len(chain.oracle.members.get()), chain.oracle.views.view_feed(0, 0).quorum) == (15, 11)
    assert chain.energy.grid.zone_ids.get() == chain.energy.market.zones.get() == (1, 2)
    assert chain.energy.market.store.get_market(1).parameters.gate_ms == 300_000
    assert constants_of(spec)["Market.SlotMs"] == 900_000
    assert "Sudo" not in [pallet.name for pallet in chain.api.runtime.pallets]


def test_template_is_refused_while_anything_is_left_to_fill_in() -> None:
    with pytest.raises(SpecError, match=r"\[0\] is still to be filled in: the account of oracle provider 1$"):
        load_spec("consortium").genesis_state()
    whole = filled_in()
    for path in (("session", "keys", 3, 0), ("oracle", "providers", 14, 2), ("energy", "issuers", 0)):
        document: Json = deepcopy(whole)
        part = document["genesis"]["runtimeGenesis"]["config"]
        for step in path[:-1]:
            part = part[step]
        part[path[-1]] = f"{FILL_IN}something"
        place = rf"genesis\.{path[0]}\.{path[1]}\[{path[2]}\].* is still to be filled in: something$"
        with pytest.raises(SpecError, match=place):
            parse_spec(json.dumps(document).encode()).genesis_state()
