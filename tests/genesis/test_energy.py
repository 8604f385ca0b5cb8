"""The energy market in the whole runtime: who asks whom, what is regulated, in which order a block works."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from genesis.energy import LOAD_FEED, FeedLoad
from genesis.energy_section import PRODUCTION
from genesis.pots import COLLATERAL_FUND, TREASURY
from genesis.regulation import ACTIVITIES, OPEN
from pallets.certificates.types import Period
from pallets.compliance import compliance_errors, monitoring_errors
from pallets.compliance.compliance_types import NEVER, LicenceKind
from pallets.compliance.office import Purpose
from pallets.energy_trading import market_errors
from pallets.energy_trading.grid_types import AlertLevel
from pallets.energy_trading.market_types import Halt, Limits, Phase
from pallets.energy_trading.orders import Side
from pallets.settlement import collateral_errors
from pallets.settlement.collateral_types import Debt, Guarantee
from pallets.settlement.meters_types import NewMeter
from runtime.frame.dispatch import ROOT, BadOrigin, DispatchError, PalletError
from runtime.frame.feeds import Fresh, Insufficient, Reading, Stale
from runtime.frame.pallet import Pallet
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, EVE, consortium_chain
from tests.support.market import (
    COLLATERAL,
    LOCAL,
    OPERATOR,
    REGULATORS,
    ZONE,
    Device,
    current_slot,
    energy,
    home,
    join,
    market_chain,
    order,
    pass_slots,
    read,
    seat_regulators,
)
from tests.support.supervision import freeze

BUYER, SELLER = home(0), home(1)
PALLETS = ("Oracle", "Grid", "Market", "Meters", "Settlement", "Collateral", "Certificates")
GUARDED_BY_ARGUMENTS = {
    ("Meters", "register_meter"),
    ("Collateral", "contribute_default_fund"),
    ("Collateral", "pay_arrears"),
    ("Certificates", "redeem"),
}
ACTIVE = [
    (pallet, name)
    for by_pallet in ACTIVITIES.values()
    for pallet, names in by_pallet.items()
    for name in names
]
DEVICE = bytes([7]) * 32


@pytest.fixture
def chain() -> Iterator[LOCAL]:
    made = market_chain()
    yield made
    made.close_block()


@pytest.fixture
def joined(chain: LOCAL) -> LOCAL:
    join(chain, BUYER, SELLER)
    return chain


def lacking(chain: LOCAL, cls: type[PalletError]) -> DispatchError:
    return chain.pallets.supervision.compliance.error(cls)


# --- one slot, from orders to payments


def test_slot_goes_from_orders_to_payments(joined: LOCAL) -> None:
    watt, market = joined.pallets.watt, energy(joined).market
    first = current_slot(joined)
    devices = [Device(place, who).register(joined, first) for place, who in enumerate((BUYER, SELLER))]
    pass_slots(joined)
    read(joined, devices, ((0, 0), (0, 0)))
    slot = first + 2
    order(joined, SELLER, slot, Side.SELL, 1_000, 22_000)
    order(joined, BUYER, slot, Side.BUY, 1_000, 50_000)
    before = [watt.total_balance(who) for who in (BUYER, SELLER, OPERATOR)]
    pass_slots(joined)
    read(joined, devices, ((0, 0), (0, 0)))
    joined.next_block()
    assert market.phase_of(ZONE, slot) is Phase.Delivering
    position = market.position_of(ZONE, slot, BUYER)
    assert position is not None
    assert (position.bought_wh, position.sold_wh) == (1_000, 0)
    assert market.position_of(ZONE, slot, OPERATOR) is None
    clearing = market.clearings.get((ZONE, slot))
    assert clearing is not None
    pass_slots(joined)
    read(joined, devices, ((1_000, 0), (0, 1_000)))
    pass_slots(joined, 12)
    after = [watt.total_balance(who) for who in (BUYER, SELLER, OPERATOR)]
    value, fee = 1_000 * clearing.price * 10**5, 1_000 * clearing.price * 100 * 10
    wheeling = 1_000 * 2_000 * 10**5
    gained = [new - old for old, new in zip(before, after, strict=True)]
    assert gained == [-(value + fee + wheeling), value, 0]
    assert watt.total_balance(TREASURY) == watt.minimum_balance() + fee
    assert energy(joined).meters.generated_wh(devices[1].id, slot, slot) == 1_000


# --- order of a block's work


def hook_names(chain: LOCAL, hook: str) -> list[str]:
    pallets = chain.runtime.executive.pallets
    return [one.name for one in pallets if getattr(type(one), hook) is not getattr(Pallet, hook)]


def test_block_works_in_the_order_that_the_market_needs() -> None:
    chain = consortium_chain()
    begins = hook_names(chain, "on_initialize")
    order_of_work = ["Timestamp", "Compliance", "Privacy", "Oracle", "Grid", "Market"]
    found = [name for name in begins if name in order_of_work]
    assert found == [name for name in order_of_work if name in begins]
    assert {"Oracle", "Grid", "Market"} <= set(begins)
    idle = hook_names(chain, "on_idle")
    assert [name for name in idle if name in {"Market", "Settlement"}] == ["Market", "Settlement"]
    assert "Oracle" in hook_names(chain, "on_finalize")


def test_hooks_of_market_and_settlement_have_a_quarter_of_a_block_each() -> None:
    found = energy(consortium_chain())
    assert found.market.config.hook_weight == found.settlement.config.hook_weight
    assert found.market.config.hook_weight.ref_time == 5 * 10**11


# --- regulation


def test_every_call_of_the_market_is_regulated_or_said_to_be_open() -> None:
    chain = consortium_chain()
    specs = [spec for spec in chain.runtime.calls.specs.values() if spec.pallet in PALLETS]
    opened = [(pallet, name) for pallet, names in OPEN.items() for name in names]
    assert sorted((*ACTIVE, *opened, *GUARDED_BY_ARGUMENTS)) == sorted(
        (one.pallet, one.name) for one in specs
    )
    guards = chain.runtime.executive.dispatcher._guards
    guarded = [(spec.pallet, spec.name) for spec in specs if spec.prefix in guards]
    assert sorted(guarded) == sorted((*ACTIVE, *GUARDED_BY_ARGUMENTS))


def test_who_is_not_attested_never_trades_generates_or_operates(chain: LOCAL) -> None:
    stranger = REGULATORS[0]
    too_low = lacking(chain, compliance_errors.TierTooLow)
    slot = current_slot(chain) + 1
    for name, *args in (
        ("Market.register_participant",),
        ("Market.submit_order", ZONE, slot, Side.BUY, 100, 30_000, 0),
        ("Market.submit_orders", ()),
        ("Market.amend_order", 0, 1, 1),
        ("Market.accept_bilateral", 0),
        ("Certificates.register_device", DEVICE, DEVICE, b"", b"", 1),
        ("Certificates.transfer", ALICE, 0, 1),
        ("Grid.raise_alert", ZONE, AlertLevel.Advisory),
        ("Grid.curtail", ZONE, slot, 500),
        ("Meters.retire_meter", DEVICE),
        ("Collateral.contribute_default_fund", 10**12),
        ("Collateral.pay_arrears", BUYER, 0, 10**12),
    ):
        chain.noop(too_low, stranger, str(name), *args)


def test_suspended_licence_stops_new_orders_and_leaves_old_ones_to_be_cancelled(joined: LOCAL) -> None:
    slot = current_slot(joined) + 2
    order(joined, BUYER, slot, Side.BUY, 100, 30_000)
    compliance = joined.pallets.supervision.compliance
    for licence in compliance.licences_of.get(BUYER):
        joined.ok(ALICE, "Compliance.suspend_licence", licence)
    missing = lacking(joined, compliance_errors.LicenceMissing)
    joined.noop(missing, BUYER, "Market.submit_order", ZONE, slot, Side.BUY, 100, 30_000, 0)
    joined.ok(BUYER, "Market.cancel_order", 0)
    joined.ok(BUYER, "Collateral.withdraw_collateral", Guarantee.Collateral, COLLATERAL)
    joined.ok(BUYER, "Market.leave")


def test_meter_takes_a_licensed_operator_and_its_owners_consent(chain: LOCAL) -> None:
    new: NewMeter = Device(0, BUYER).new(current_slot(chain))
    consent = lacking(chain, compliance_errors.ConsentMissing)
    chain.noop(consent, OPERATOR, "Meters.register_meter", new)
    chain.ok(BUYER, "Privacy.give_consent", Purpose.MeterPublication, 1, None)
    licence = lacking(chain, compliance_errors.LicenceMissing)
    chain.noop(licence, SELLER, "Meters.register_meter", new)
    chain.ok(OPERATOR, "Meters.register_meter", new)
    chain.ok(BUYER, "Privacy.withdraw_consent", Purpose.MeterPublication)
    chain.noop(consent, OPERATOR, "Meters.register_meter", Device(1, BUYER).new(current_slot(chain)))


def test_money_for_the_default_fund_is_screened(chain: LOCAL) -> None:
    freeze(chain, COLLATERAL_FUND)
    rejected = chain.pallets.supervision.monitoring.error(monitoring_errors.RuleRejected)
    chain.noop(rejected, BUYER, "Collateral.contribute_default_fund", 10**12)


def test_native_token_stays_open_to_everybody(chain: LOCAL) -> None:
    chain.ok(REGULATORS[0], "Balances.transfer_keep_alive", BUYER, 10**12)


# --- answers that the composition gives


class Told:
    """A feed as a test tells it."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def get(self, key: bytes) -> Reading:
        assert key == LOAD_FEED
        return self.reading


@pytest.mark.parametrize(
    ("reading", "share"),
    [
        (Fresh(48_500, 0, 0, 11), 970),
        (Fresh(48_499, 0, 0, 11), 969),
        (Fresh(0, 0, 0, 11), 0),
        (Stale(48_500, 0, 0, 11), None),
        (Insufficient(), None),
    ],
)
def test_load_is_a_share_of_the_capacity_while_it_is_fresh(reading: Reading, share: int | None) -> None:
    assert PRODUCTION.capacity_mw == 50_000
    assert FeedLoad(Told(reading), PRODUCTION.capacity_mw).share_permille() == share


def test_three_members_of_the_class_regulator_halt_a_market_and_nobody_else_does(chain: LOCAL) -> None:
    market = energy(chain).market
    for who in (ALICE, BOB, *REGULATORS):
        chain.noop(market.error(market_errors.NotOperator), who, "Market.halt_market", ZONE)
    seat_regulators(chain)
    for who in REGULATORS:
        assert market.markets.get(ZONE) == structs.replace(market.store.get_market(ZONE), halt=Halt.No)
        chain.ok(who, "Market.halt_market", ZONE)
    assert market.store.get_market(ZONE).halt is Halt.Regulators
    chain.pallets.members.members.put(chain.pallets.members.members.get()[:1])


def test_account_in_arrears_neither_buys_nor_sells(joined: LOCAL) -> None:
    collateral, slot = energy(joined).collateral, current_slot(joined) + 2
    suspended = collateral.error(collateral_errors.Suspended)
    collateral.owed.put(BUYER, 5)
    collateral.arrears.put(BUYER, 0, Debt(0, 5))
    for side in Side:
        joined.noop(suspended, BUYER, "Market.submit_order", ZONE, slot, side, 100, 30_000, 0)
    joined.ok(BUYER, "Collateral.pay_arrears", BUYER, 0, 5)
    order(joined, BUYER, slot, Side.BUY, 100, 30_000)


def test_seller_needs_collateral(chain: LOCAL) -> None:
    chain.ok(SELLER, "Market.register_participant")
    slot = current_slot(chain) + 2
    uncovered = energy(chain).market.error(market_errors.InsufficientCollateral)
    chain.noop(uncovered, SELLER, "Market.submit_order", ZONE, slot, Side.SELL, 100, 30_000, 0)
    chain.ok(SELLER, "Collateral.deposit_collateral", Guarantee.Collateral, 10**12)
    order(chain, SELLER, slot, Side.SELL, 100, 30_000)


def test_limits_are_set_by_officers_of_licensing_and_root(joined: LOCAL) -> None:
    limits = Limits(1, 2, 3)
    for who in (BUYER, OPERATOR, CHARLIE):
        joined.noop(BadOrigin, who, "Market.set_limits", BUYER, limits)
    for origin in (ALICE, ROOT):
        joined.ok(origin, "Market.set_limits", BUYER, limits)
    participant = energy(joined).market.participants.get(BUYER)
    assert participant is not None
    assert participant.limits == limits


def test_fees_and_rent_are_root_s_to_pay_out(chain: LOCAL) -> None:
    for name, *args in (
        ("Market.collect_fees", ALICE, 1),
        ("Grid.claim_rent", ALICE, 1),
        ("Settlement.set_prices", ZONE, 9, ()),
    ):
        for who in (ALICE, OPERATOR):
            chain.noop(BadOrigin, who, str(name), *args)


def test_certificate_comes_from_what_the_meter_counted(joined: LOCAL) -> None:
    chain, first = joined, current_slot(joined)
    device = Device(1, SELLER).register(chain, first)
    pass_slots(chain, 3)
    for exported in (1_500, 1_500_000 // 10, 0):
        read(chain, [device], [(0, exported)])
    chain.ok(SELLER, "Certificates.register_device", DEVICE, device.id, b"ES100", b"TC120", 5_000)
    chain.ok(ALICE, "Certificates.verify_device", DEVICE, False)
    certificates = energy(chain).certificates
    chain.noop(certificates.VintageOpen, SELLER, "Certificates.request_issue", DEVICE, first, first + 3)
    chain.ok(SELLER, "Certificates.request_issue", DEVICE, first, first + 2)
    assert certificates.requests.get(DEVICE) == Period(first, first + 2)
    chain.ok(ALICE, "Certificates.approve_issue", DEVICE, 400)
    assert certificates.claimed.get(DEVICE).remainder_wh == 151_500
    chain.noop(certificates.NotOwner, BUYER, "Certificates.register_device", DEVICE, device.id, b"", b"", 1)


def test_order_is_taken_as_a_signed_extrinsic(chain: LOCAL) -> None:
    who = AccountId(CHARLIE)
    slot = current_slot(chain) + 2
    for name, *args in (
        ("Market.register_participant",),
        ("Market.submit_order", ZONE, slot, Side.BUY, 1_000, 45_000, 0),
    ):
        assert chain.submit("//Charlie", chain.call(str(name), *args)).error is None
    placed = energy(chain).market.orders.get(0)
    assert placed is not None
    assert (placed.who, placed.qty, placed.limit) == (who, 1_000, 45_000)
    assert chain.pallets.watt.balance_on_hold(energy(chain).market.store.escrow, who) == 4_500_000_000_000


def test_licence_of_the_operator_can_be_given_by_officers(chain: LOCAL) -> None:
    licence = lacking(chain, compliance_errors.LicenceMissing)
    chain.noop(licence, BOB, "Grid.raise_alert", ZONE, AlertLevel.Advisory)
    chain.ok(ALICE, "Compliance.issue_licence", BOB, LicenceKind.Grid, NEVER, bytes(32))
    chain.noop(energy(chain).grid.NotOperator, BOB, "Grid.raise_alert", ZONE, AlertLevel.Advisory)
    chain.ok(EVE, "Grid.raise_alert", ZONE, AlertLevel.Emergency)
    assert energy(chain).market.store.get_market(ZONE).halt is Halt.Emergency
