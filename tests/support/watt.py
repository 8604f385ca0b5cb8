"""A consortium chain with WATT, its reserve and three attestors, for tests of what stands on WATT."""

from dataclasses import replace

from genesis.consortium import (
    UNIT,
    WATT,
    Consortium,
    ConsortiumParameters,
    compose,
    make_version,
    write_genesis,
)
from pallets.compliance.compliance_types import GenesisCompliance, Tier
from pallets.token.reserve_types import SATANG, GenesisReserve, ReserveReport
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import (
    ALICE,
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

BAHT = UNIT
ATTESTORS = (ALICE, BOB, CHARLIE)
HELD = 1_000 * BAHT
"""What Dave and Eve have of WATT at the start, of which Eve has given what the pots have."""
POTTED = sum(amount for _, amount in WATT_POTS)
COVER = 5_000 * BAHT
"""What the first report covers."""
STATEMENT = Hash(b"\5" * 32)


def report(as_of: int = START_MS, covered: int = COVER, paid_satang: int = 0) -> ReserveReport:
    """Return a report that covers so much WATT, in its units."""
    return ReserveReport(as_of, b"Bank", covered // SATANG, paid_satang, STATEMENT)


def watt_chain(
    first: ReserveReport | None = None, holders: tuple[AccountId, ...] = (DAVE, EVE)
) -> Chain[Consortium]:
    """Return a chain in block 1 whose reserve has three attestors and a first report as of `START_MS`."""
    reserve = GenesisReserve(ATTESTORS, report() if first is None else first)
    last = len(holders) - 1
    people = ((who, HELD - (POTTED if place == last else 0)) for place, who in enumerate(holders))
    assets = (replace(WATT, holders=(*people, *WATT_POTS)),)
    attested = GenesisCompliance(attested=tuple((who, Tier.Enhanced, ()) for who in (*NAMED, FERDIE)))
    genesis = replace(
        genesis_of(*((who, ENDOWMENT) for who in NAMED)), assets=assets, reserve=reserve, compliance=attested
    )
    return Chain(
        lambda state: compose(state, ConsortiumParameters(has_sudo=True), make_version()),
        lambda chain: write_genesis(chain, genesis),
    )
