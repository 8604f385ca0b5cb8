"""The reserve of WATT in chain specs: what is read, what is refused, and what the presets have."""

from typing import Any

import pytest

from genesis.chain_spec import ChainSpec, load_spec
from genesis.config import SpecError
from genesis.consortium import UNIT, WATT_ID, ConsortiumParameters, compose, make_version, parse_genesis
from genesis.pots import watt_pots
from genesis.presets import make_preset
from genesis.reserve import parse_reserve
from pallets.token.reserve_types import (
    CUSTODIAN_MAX,
    MINT_CAP_DEFAULT,
    RESERVE_POT,
    SATANG,
    GenesisReserve,
    ReserveReport,
)
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.arithmetic import U64_MAX, U128_MAX
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, CHARLIE

ALL_SATANG = 24 * 10**8 + len(watt_pots((1,)))
"""What the named accounts of the presets have, and a satang in each pot."""
HEX = ["0x" + who.hex() for who in (ALICE, BOB, CHARLIE)]
REPORT = {"asOf": 5, "custodian": "Bank", "satang": 7, "documentHash": "0x" + "ab" * 32}


def dev(**changed: Any) -> ChainSpec:
    """Return the dev chain with other values in its reserve's section."""
    preset = make_preset("dev")
    assert preset is not None
    section = preset.config["wattReserve"] | changed
    return ChainSpec("x", "x", "Development", {}, config=preset.config | {"wattReserve": section})


def test_section_is_read() -> None:
    section = {"attestors": HEX, "report": REPORT, "mintCap": "12"}
    found = parse_genesis({"wattReserve": section}, "genesis").reserve
    report = ReserveReport(5, b"Bank", 7, 0, Hash(b"\xab" * 32))
    assert found == GenesisReserve((ALICE, BOB, CHARLIE), report, 12)


@pytest.mark.parametrize("section", [{}, {"attestors": [], "report": None}])
def test_section_may_say_nothing(section: dict[str, Any]) -> None:
    assert parse_reserve(section, "x") == GenesisReserve((), None, MINT_CAP_DEFAULT)


@pytest.mark.parametrize(
    ("field", "value"),
    [("asOf", U64_MAX), ("satang", U64_MAX), ("custodian", "x" * CUSTODIAN_MAX), ("custodian", "")],
)
def test_values_at_the_limits_are_taken(field: str, value: object) -> None:
    assert parse_reserve({"report": REPORT | {field: value}}, "x").report is not None


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ([], "x: expected an object"),
        ({"surprise": 1}, "x.surprise"),
        ({"attestors": "0x"}, "x.attestors"),
        ({"attestors": ["0x12"]}, "x.attestors[0]"),
        ({"mintCap": -1}, "x.mintCap"),
        ({"mintCap": U128_MAX + 1}, "x.mintCap"),
        ({"report": []}, "x.report"),
        ({"report": REPORT | {"paid": 1}}, "x.report.paid"),
        ({"report": REPORT | {"asOf": -1}}, "x.report.asOf"),
        ({"report": REPORT | {"asOf": U64_MAX + 1}}, "x.report.asOf"),
        ({"report": REPORT | {"satang": U64_MAX + 1}}, "x.report.satang"),
        ({"report": REPORT | {"satang": True}}, "x.report.satang"),
        ({"report": REPORT | {"custodian": 1}}, "x.report.custodian"),
        ({"report": REPORT | {"custodian": "฿" * 22}}, "x.report.custodian: more than 64 bytes"),
        ({"report": REPORT | {"documentHash": "0x" + "ab" * 31}}, "x.report.documentHash"),
        ({"report": {name: value for name, value in REPORT.items() if name != "satang"}}, "x.report.satang"),
    ],
)
def test_wrong_value_is_refused_with_its_place(section: Any, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_reserve(section, "x")
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "about"),
    [
        ({"attestors": HEX[:2]}, "three attestors"),
        ({"attestors": [HEX[0], HEX[1], HEX[0]]}, "three attestors"),
        ({"report": None}, "does not cover"),
        ({"report": REPORT | {"satang": ALL_SATANG - 1}}, "does not cover"),
    ],
)
def test_reserve_that_does_not_hold_is_refused(changed: dict[str, Any], about: str) -> None:
    with pytest.raises(SpecError, match=about):
        dev(**changed).genesis_state()
    dev(report=REPORT | {"satang": ALL_SATANG}).genesis_state()


def test_cap_of_the_section_is_that_of_the_chain() -> None:
    state = State(MemoryBackend(dict(dev(mintCap=12).genesis_state())))
    chain = compose(state, ConsortiumParameters(has_sudo=True), make_version())
    assert chain.reserve.mint_cap.get() == 12


def test_watt_of_another_owner_is_refused() -> None:
    spec = dev()
    assert spec.config is not None
    spec.config["assets"] = spec.config["assets"] | {"assets": [[WATT_ID, HEX[0], True, 1]]}
    with pytest.raises(SpecError, match=f"asset 1 belongs to the reserve's account 0x{RESERVE_POT.hex()}"):
        spec.genesis_state()


@pytest.mark.parametrize("name", ["dev", "local"])
def test_presets_have_attestors_and_a_report_that_covers_all_watt(name: str) -> None:
    state = State(MemoryBackend(dict(load_spec(name).genesis_state())))
    chain = compose(state, ConsortiumParameters(has_sudo=True), make_version())
    assert chain.reserve.attestors.get() == (ALICE, BOB, CHARLIE)
    assert chain.watt.total_issuance() == chain.reserve.covered() == ALL_SATANG * SATANG
    assert chain.reserve.shortfall.get() == 0
    latest = chain.reserve.latest.get()
    assert latest is not None
    assert (latest.report.as_of, latest.signers, latest.report.satang) == (0, (), ALL_SATANG)
    chain.api.try_state()


def test_satang_is_the_hundredth_part_of_a_baht() -> None:
    assert 100 * SATANG == UNIT
    assert AccountId(b"modlwattrsrv" + bytes(20)) == RESERVE_POT
    assert MINT_CAP_DEFAULT == 100_000_000 * UNIT
