"""Grid operators and regulators of a consortium decide together on zones, markets and tariffs, and not on
money; nobody else but Root does."""

import pytest
from msgspec import structs

from genesis.energy import COUNCIL_CLASSES, DEFAULT_TARIFF, find_council
from pallets.core.members import MemberClass
from pallets.core.multisig import Multisig, multi_account
from runtime.frame.dispatch import BadOrigin, Weight
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE
from tests.support.market import LOCAL, MARKET, ZONE, energy, market_chain

SEATS = (
    (BOB, MemberClass.GridOperator),
    (CHARLIE, MemberClass.GridOperator),
    (DAVE, MemberClass.Regulator),
)
SHARED = tuple(sorted(who for who, _ in SEATS))
LARGE = Weight(10**12, 10**7)


def seat(chain: LOCAL, seats: tuple[tuple[AccountId, MemberClass], ...]) -> None:
    pallet = chain.pallets.members
    first = pallet.members.get()[0]
    more = tuple(structs.replace(first, who=who, class_=class_) for who, class_ in seats)
    pallet.members.put((first, *more))


@pytest.fixture
def chain() -> LOCAL:
    return market_chain()


def test_more_than_two_thirds_of_both_classes_together_decide(chain: LOCAL) -> None:
    seat(chain, SEATS)
    rules = structs.replace(MARKET, fee_bps=7)
    call, opened = chain.call("Market.set_market", ZONE, rules), None
    for who in SHARED:
        found = energy(chain).market.markets.get(ZONE)
        assert found is not None
        assert found.parameters == MARKET
        others = tuple(one for one in SHARED if one != who)
        chain.ok(who, "Multisig.as_multi", 3, others, opened, call, LARGE)
        pending = [one for _, one in multisig(chain).multisigs.items()]
        opened = pending[0].when if pending and pending[0] is not None else None
    found = energy(chain).market.markets.get(ZONE)
    assert found is not None
    assert found.parameters == rules


def test_council_sets_what_moves_no_money(chain: LOCAL) -> None:
    seat(chain, SEATS)
    council = multi_account(SHARED, 3)
    assert find_council(chain.pallets.members) == council
    zone = energy(chain).grid.zones.get(ZONE)
    assert zone is not None
    chain.ok(council, "Grid.set_zone", ZONE, structs.replace(zone, loss_ppm=1))
    chain.ok(council, "Settlement.set_tariff", ZONE, DEFAULT_TARIFF)
    chain.noop(BadOrigin, council, "Market.collect_fees", ALICE, 1)
    chain.noop(BadOrigin, council, "Grid.claim_rent", ALICE, 1)


@pytest.mark.parametrize("who", [BOB, multi_account(SHARED, 2), multi_account(SHARED[:2], 2)])
def test_a_member_or_too_few_of_them_decide_nothing(chain: LOCAL, who: AccountId) -> None:
    seat(chain, SEATS)
    chain.noop(BadOrigin, who, "Market.set_market", ZONE, MARKET)
    chain.noop(BadOrigin, who, "Settlement.set_tariff", ZONE, DEFAULT_TARIFF)


def test_council_changes_with_its_members_and_needs_both_classes(chain: LOCAL) -> None:
    seat(chain, SEATS)
    former = find_council(chain.pallets.members)
    assert former is not None
    seat(chain, (*SEATS, (ALICE, MemberClass.Regulator)))
    assert find_council(chain.pallets.members) == multi_account(tuple(sorted((*SHARED, ALICE))), 3)
    chain.noop(BadOrigin, multi_account(SHARED, 2), "Market.set_market", ZONE, MARKET)
    for class_ in COUNCIL_CLASSES:
        seat(chain, tuple(one for one in SEATS if one[1] is class_))
        assert find_council(chain.pallets.members) is None
        chain.noop(BadOrigin, former, "Market.set_market", ZONE, MARKET)


def multisig(chain: LOCAL) -> Multisig:
    found = chain.runtime.pallet("Multisig")
    assert isinstance(found, Multisig)
    return found
