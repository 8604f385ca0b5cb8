"""A consortium chain with officers, attested accounts and e-money, for tests of what supervises it."""

from dataclasses import replace
from typing import Final

from genesis.consortium import (
    UNIT,
    WATT,
    WATT_ID,
    Consortium,
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from pallets.compliance.compliance import FREEZE, Compliance, make_order
from pallets.compliance.compliance_types import GenesisCompliance, LicenceKind, Tier
from pallets.compliance.office import Role
from pallets.core.timestamp import Timestamp
from pallets.token.reserve_types import SATANG, GenesisReserve, ReserveReport
from runtime.frame.event import Event
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import (
    ALICE,
    BLOCK_TIME_MS,
    BOB,
    CHARLIE,
    DAVE,
    ENDOWMENT,
    EVE,
    FERDIE,
    NAMED,
    START_MS,
    WATT_POTS,
    Chain,
    genesis_of,
)

LOCAL = Chain[Consortium]
OFFICER, SECOND = ALICE, BOB
"""Two officers with every role."""
TRADER, TRADER_ID = CHARLIE, 0
"""Known well, with a licence to trade."""
BASIC = DAVE
"""Known a little."""
STRANGER = EVE
"""Nothing is attested; has e-money all the same."""
PURSE: Final = 1_000_000 * UNIT
SALT: Final = b"\x05" * 32
PAPER: Final = b"\x07" * 32
"""A commitment to some document."""
QUARTER: Final = 15 * 60_000
DAY: Final = 86_400_000


def supervised_chain() -> LOCAL:
    """Return a chain with block 1 open."""
    watt = replace(WATT, holders=(*((who, PURSE) for who in NAMED), *WATT_POTS))
    covered = sum(amount for _, amount in watt.holders)
    report = ReserveReport(START_MS, b"Bank", covered // SATANG, 0, Hash(PAPER))
    attested = ((TRADER, Tier.Enhanced, (LicenceKind.Trading,)), (BASIC, Tier.Basic, ()))
    officers = tuple((who, tuple(Role)) for who in (OFFICER, SECOND))
    genesis = replace(
        genesis_of(*((who, ENDOWMENT) for who in (*NAMED, FERDIE))),
        assets=(watt,),
        reserve=GenesisReserve((ALICE, BOB, CHARLIE), report),
        compliance=GenesisCompliance(officers, attested),
    )
    return Chain(
        lambda state: compose(state, ConsortiumParameters(has_sudo=True), make_version()),
        lambda chain: write_genesis(chain, genesis),
    )


def compliance(chain: LOCAL) -> Compliance:
    return chain.pallets.supervision.compliance


def now_ms(chain: LOCAL) -> int:
    return clock(chain).now.get()


def clock(chain: LOCAL) -> Timestamp:
    found = chain.runtime.pallet("Timestamp")
    assert isinstance(found, Timestamp)
    return found


def travel(chain: LOCAL, to_ms: int) -> None:
    """Let the open block be of another time."""
    clock(chain).now.put(to_ms)


def told(chain: LOCAL) -> list[Event]:
    """Return what the pallets of supervision have told in the open block."""
    ours = "pallets.compliance"
    return [event for event in chain.block_events() if type(event).__module__.startswith(ours)]


def told_from(chain: LOCAL, at_ms: int) -> list[Event]:
    """Close the open block at a time; return what is told in the blocks after it, until they have caught up
    with the time that was missed."""
    missed = at_ms - now_ms(chain)
    travel(chain, at_ms)
    chain.start_ms = at_ms - chain.number * BLOCK_TIME_MS
    found: list[Event] = []
    for _ in range(max(0, missed) // DAY + 2):
        chain.next_block()
        found += told(chain)
    return found


def freeze(chain: LOCAL, who: AccountId) -> None:
    """Let both officers freeze an account."""
    chain.ok(OFFICER, "Compliance.propose_order", make_order(FREEZE, SALT, who))
    chain.ok(SECOND, "Compliance.freeze", who, SALT)


def watt_of(chain: LOCAL, who: AccountId) -> int:
    found = chain.pallets.assets.account.get(WATT_ID, who)
    return 0 if found is None else found.balance
