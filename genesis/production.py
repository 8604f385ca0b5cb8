"""The built-in chain `consortium`: a template of a production chain, whose people are to be filled in.

Everything that is a decision of the system's design is here: classes of seats, feeds and quorum, tariffs,
markets and how time is counted. Whatever is somebody's, an account, a key, a document, is a text that begins
with `FILL_IN` and says whose; the same text stands wherever the same account is meant, so that one search and
replace fills in one account. While one is left the spec is refused, with the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from genesis.config import FILL_IN
from genesis.consortium import EXISTENTIAL_DEPOSIT, TOKEN_DECIMALS, UNIT, WATT_ID, WATT_MINIMUM
from genesis.energy_section import PRODUCTION, make_energy_section
from genesis.oracle import BOND, PROVIDERS, QUORUM, make_feeds, make_section
from genesis.pots import GRID_POTS, watt_pots
from genesis.reserve import RESERVE_SECTION
from pallets.compliance.compliance_types import LicenceKind, Tier
from pallets.compliance.office import Role
from pallets.core.members import MemberClass
from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.grid_types import OperatorKind
from pallets.energy_trading.market_types import MarketKind, MarketParameters
from pallets.token.reserve_types import ATTESTORS, RESERVE_POT, SATANG
from runtime.primitives.ss58 import encode_address

SS58_PREFIX: Final = 42
FEES_GRID: Final = 1_000 * UNIT
"""What each member and officer has to pay fees from."""

SEATS: Final[tuple[tuple[MemberClass, tuple[str, ...]], ...]] = (
    (MemberClass.GridOperator, ("PEA", "MEA", "EGAT", "IEAT", "provincial 1", "provincial 2")),
    (MemberClass.Trader, tuple(f"trader {number}" for number in range(1, 7))),
    (MemberClass.Financial, tuple(f"bank {number}" for number in range(1, 5))),
    (MemberClass.Regulator, ("SEC", "ERC", "BOT")),
    (MemberClass.Technology, ("technology 1", "technology 2")),
)
"""The 21 seats by class."""
MEMBERS: Final = tuple(name for _, names in SEATS for name in names)
OFFICERS: Final[tuple[tuple[str, tuple[Role, ...]], ...]] = (
    *((f"officer {number}", tuple(role for role in Role if role is not Role.Oversight)) for number in (1, 2)),
    *((name, (Role.Oversight,)) for name in ("SEC", "ERC", "BOT")),
)
"""Two officers of every kind, since it takes two to freeze an account; regulators accept reports."""
ZONES: Final[tuple[tuple[int, OperatorKind, str], ...]] = (
    (1, OperatorKind.MEA, "MEA"),
    (2, OperatorKind.PEA, "PEA"),
)
WHEELING_TICKS: Final = 5_000
"""0.50 THB/kWh inside a zone."""
LINE_WHEELING_TICKS: Final = 10_700
"""1.07 THB/kWh between zones."""
MARKET: Final = MarketParameters(
    MarketKind.CallUniform,
    Rationing.PRO_RATA,
    k_permille=500,
    fee_bps=100,
    gate_ms=300_000,
    horizon=96,
    qty_min=100,
    qty_max=1_000_000,
    price_min=100,
    price_max=100_000,
    price_step=1,
)
"""An auction for each quarter of an hour, whose gate closes five minutes before it begins."""


def account_of(name: str) -> str:
    """Return the text that stands for somebody's account."""
    return f"{FILL_IN}the account of {name}"


def make_production_config() -> dict[str, Any]:
    """Return the genesis configuration of the template."""
    providers = [f"oracle provider {number}" for number in range(1, PROVIDERS + 1)]
    payers = dict.fromkeys((*MEMBERS, *(name for name, _ in OFFICERS)))
    zones = [(zone, kind, account_of(name), WHEELING_TICKS, 0) for zone, kind, name in ZONES]
    energy = make_energy_section(
        PRODUCTION, zones, [(zone, MARKET) for zone, _, _ in ZONES], issuers=[account_of("EGAT")]
    )
    energy["lines"] = [[1, 2, 0, LINE_WHEELING_TICKS], [2, 1, 0, LINE_WHEELING_TICKS]]
    return {
        "balances": {
            "balances": [
                *([account_of(name), FEES_GRID] for name in payers),
                *([account_of(name), BOND + FEES_GRID] for name in providers),
                *([_address(pot), EXISTENTIAL_DEPOSIT] for pot in GRID_POTS.values()),
            ]
        },
        "session": {"keys": [_session_key(name) for name in MEMBERS]},
        "members": {
            "classes": [[account_of(name), class_.name] for class_, names in SEATS for name in names]
        },
        "offences": {"onOffence": "remove"},
        "sudo": {"key": None},
        **_make_money(),
        "compliance": {
            "officers": [[account_of(name), [role.name for role in roles]] for name, roles in OFFICERS],
            "attested": [
                [account_of(name), Tier.Enhanced.name, [LicenceKind.Grid.name]] for _, _, name in ZONES
            ],
        },
        "oracle": _make_oracle(providers),
        "energy": energy,
    }


def _make_money() -> dict[str, Any]:
    """Return the sections of e-money: pots with their minimum, and the reserve that covers them."""
    pots = watt_pots(zone for zone, _, _ in ZONES).values()
    return {
        "assets": {
            "assets": [[WATT_ID, _address(RESERVE_POT), True, WATT_MINIMUM]],
            "metadata": [[WATT_ID, "Watt", "WATT", TOKEN_DECIMALS]],
            "accounts": [[WATT_ID, _address(pot), WATT_MINIMUM] for pot in pots],
        },
        RESERVE_SECTION: {
            "attestors": [account_of(f"attestor {number}") for number in range(1, ATTESTORS + 1)],
            "report": {
                "asOf": 0,
                "custodian": "the custodian of the reserve",
                "satang": -(-len(pots) * WATT_MINIMUM // SATANG),
                "documentHash": f"{FILL_IN}the hash of the first report",
            },
        },
    }


def _make_oracle(providers: Sequence[str]) -> dict[str, Any]:
    section = make_section(make_feeds(QUORUM), ())
    section["providers"] = [
        [account_of(name), f"{FILL_IN}the statement key of {name}", f"{FILL_IN}the sources' hash of {name}"]
        for name in providers
    ]
    return section


def _session_key(name: str) -> list[Any]:
    account = account_of(name)
    return [account, account, {"grandpa": f"{FILL_IN}the vote key of {name}"}]


def _address(account_id: bytes) -> str:
    return encode_address(account_id, SS58_PREFIX)
