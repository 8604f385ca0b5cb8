"""What the calls and hooks of the settlement pallets are measured on, in the dearest state that a weight must
cover: accounts with as many meters as they may have, readings that are missing or corrected, debts that need
every guarantee.

The chain is that of the pallets' tests, whose token and market are stand-ins with as many reads and writes as
they need at least.
"""

from msgspec import structs

from benchmarks.weight_scene import Act, Cases, RecordingBackend, Scene
from pallets.settlement.collateral_types import Guarantee
from pallets.settlement.meters_types import OWNER_METERS_MAX, READINGS_MAX, Quality, Reading
from pallets.settlement.settlement_types import (
    PRICES_MAX,
    ZONES_MAX,
    GridPrices,
    Provisional,
    SlotResult,
    SlotSums,
    Stage,
    TariffKind,
)
from runtime.frame.dispatch import NO_WEIGHT, ROOT
from tests.support.chain import ALICE, BOB
from tests.support.fake_watt import MINIMUM
from tests.support.settlement import (
    CORRECTION_SLOTS,
    DEADLINE_SLOTS,
    EPOCH_SLOTS,
    OPERATOR,
    OTHER_ZONE,
    PLAIN,
    SETTLEMENT_POT,
    ZONE,
    Community,
    Device,
    EnergyChain,
    current_slot,
    energy_chain,
    give,
    pass_slots,
    person,
    set_tariff,
    submit,
)

CASES = Cases()
ACCOUNTS = 16
OWED = 10**12


def stage(scene: Scene, people: int = 0) -> EnergyChain:
    """Put the chain of the pallets' tests on the scene."""
    scene.backend = RecordingBackend()
    chain = energy_chain(people=people, backend=scene.backend)
    scene.chain = chain  # type: ignore[assignment]  # another composition, which the case alone looks into
    return chain


# --- meters


@CASES.add("METERS_REGISTER_METER")
def register_meter(scene: Scene) -> Act:
    chain = stage(scene)
    return scene.act(OPERATOR, "Meters.register_meter", Device("a", ALICE).new(current_slot(chain) + 9))


@CASES.add("METERS_ROTATE_KEY")
def rotate_key(scene: Scene) -> Act:
    device = Device("a", ALICE).register(stage(scene))
    return scene.act(OPERATOR, "Meters.rotate_key", device.id, bytes(32))


@CASES.add("METERS_SUBMIT_READINGS", READING=READINGS_MAX - 1)
def submit_readings(scene: Scene, more: int) -> Act:
    chain = stage(scene, 1 + more)
    community = Community(chain, 1 + more)
    for number in range(1 + more):
        community.trade(number, 500, 0)
    community.read(*(None,) * (1 + more))
    pass_slots(chain, DEADLINE_SLOTS)
    community.settle()
    late = tuple(device.count(700, 0) for device in community.devices)
    return scene.act(BOB, "Meters.submit_readings", late)


@CASES.add("METERS_RETIRE_METER")
def retire_meter(scene: Scene) -> Act:
    device = Device("a", ALICE).register(stage(scene))
    return scene.act(OPERATOR, "Meters.retire_meter", device.id)


@CASES.add("METERS_REMOVE_METER")
def remove_meter(scene: Scene) -> Act:
    chain = stage(scene)
    devices = [Device(f"meter {number}", ALICE).register(chain) for number in range(OWNER_METERS_MAX)]
    scene.ok(OPERATOR, "Meters.retire_meter", devices[0].id)
    chain.pallets.settlement.next_slot.put(ZONE, current_slot(chain) + CORRECTION_SLOTS + 9)
    return scene.act(OPERATOR, "Meters.remove_meter", devices[0].id)


# --- settlement


@CASES.add("SETTLEMENT_LOOK", ZONE=ZONES_MAX)
def look(scene: Scene, count: int) -> Act:
    chain = stage(scene)
    for zone in range(100, 100 + count):
        Device(f"meter of {zone}", person(zone), zone).register(chain)
    pass_slots(chain, 1)
    return scene.hook("Settlement", "on_idle", chain.number, NO_WEIGHT)


def furnish(scene: Scene, accounts: int) -> EnergyChain:
    """Let so many accounts trade, whose meters are all silent and have a history that is to be forgotten,
    with exports that nothing proved."""
    chain = stage(scene, accounts)
    tariff = structs.replace(PLAIN, kind=TariffKind.Blocks, penalty_bps=1_000)
    set_tariff(chain, tariff)
    chain.pallets.settlement.open_zone(ZONE)
    slot, meters = current_slot(chain), chain.pallets.meters
    past, work = slot - CORRECTION_SLOTS - 1, chain.pallets.settlement.work
    work.results.put((ZONE, past), SlotResult(OPERATOR, work.terms_of(ZONE, slot), SlotSums()))
    community = Community(chain, 0)
    for number in range(accounts):
        who = person(number)
        for place in range(OWNER_METERS_MAX):
            device = Device(f"meter {place} of {number}", who).register(chain)
            meters.readings.put(slot - meters.config.pattern_slots, device.id, Reading(9, 50, Quality.Good))
            meters.readings.put(past, device.id, Reading(9, 70, Quality.Substituted))
        assumed = Provisional(0, 0, 9 * OWNER_METERS_MAX, 70 * OWNER_METERS_MAX, 0)
        chain.pallets.settlement.provisional.put((ZONE, past), who, assumed)
        community.trade(number, 0, 500, receivable=OWED)
        chain.ok(who, "Collateral.deposit_collateral", Guarantee.Collateral, 10 * OWED)
        assert chain.pallets.collateral.covers(who, (ZONE, slot), 100)
    pass_slots(chain, 1 + DEADLINE_SLOTS)
    return chain


@CASES.add("SETTLEMENT_COUNT_PAGE", ACCOUNT=ACCOUNTS)
def count_page(scene: Scene, count: int) -> Act:
    work = furnish(scene, count).pallets.settlement.work

    def run() -> None:
        assert work.work(ZONE, max(1, count)) >= count

    return run


@CASES.add("SETTLEMENT_SETTLE_PAGE", ACCOUNT=ACCOUNTS)
def settle_page(scene: Scene, count: int) -> Act:
    chain = furnish(scene, count)
    work = chain.pallets.settlement.work
    while (progress := work.progress.get(ZONE)) is None or progress.stage is not Stage.Settle:
        work.work(ZONE, 1)
    slot = progress.slot

    def run() -> None:
        work.work(ZONE, 3 * count + 3)
        assert work.is_settled(ZONE, slot)

    return run


@CASES.add("SETTLEMENT_NET_PAGE", ACCOUNT=ACCOUNTS)
def net_page(scene: Scene, count: int) -> Act:
    """The accounts that pay need every guarantee, which is more than those need that receive."""
    chain = stage(scene, count + 1)
    ledger, netter = chain.pallets.settlement.ledger, chain.pallets.settlement.netter
    epoch = ledger.current_epoch()
    ledger.accrue(epoch, person(count), 2 * OWED * count)
    chain.ok(BOB, "Collateral.contribute_default_fund", OWED)
    for number in range(count):
        for kind in Guarantee:
            chain.ok(person(number), "Collateral.deposit_collateral", kind, 7)
        chain.pallets.watt.free.put(person(number), MINIMUM + 7)
        ledger.accrue(epoch, person(number), -2 * OWED)
    if not count:
        give(chain, SETTLEMENT_POT, OWED)
        ledger.receive(epoch, OWED)
        ledger.accrue(epoch, person(0), OWED)
    pass_slots(chain, EPOCH_SLOTS)

    def run() -> None:
        netter.work(count + 3)
        assert count or netter.due_epoch() is None

    return run


@CASES.add("SETTLEMENT_SET_TARIFF")
def change_tariff(scene: Scene) -> Act:
    set_tariff(stage(scene), PLAIN)
    return scene.act(ROOT, "Settlement.set_tariff", ZONE, PLAIN)


@CASES.add("SETTLEMENT_SET_PRICES", SLOT=PRICES_MAX)
def set_prices(scene: Scene, count: int) -> Act:
    chain = stage(scene)
    prices = (GridPrices(22_000, 57_982),) * count
    return scene.act(ROOT, "Settlement.set_prices", ZONE, current_slot(chain) + 9, prices)


@CASES.add("SETTLEMENT_CLAIM")
def claim(scene: Scene) -> Act:
    chain = stage(scene)
    give(chain, SETTLEMENT_POT, OWED)
    chain.pallets.settlement.unclaimed.put(ALICE, OWED)
    return scene.act(BOB, "Settlement.claim", ALICE)


# --- collateral


@CASES.add("COLLATERAL_DEPOSIT_COLLATERAL")
def deposit_collateral(scene: Scene) -> Act:
    chain = stage(scene)
    for number in range(OWNER_METERS_MAX):
        Device(f"meter {number}", ALICE).register(chain)
    scene.ok(BOB, "Collateral.margin_call", ALICE)
    return scene.act(ALICE, "Collateral.deposit_collateral", Guarantee.Deposit, 1_000 * OWED)


@CASES.add("COLLATERAL_WITHDRAW_COLLATERAL")
def withdraw_collateral(scene: Scene) -> Act:
    chain = stage(scene)
    for number in range(OWNER_METERS_MAX):
        Device(f"meter {number}", ALICE).register(chain)
    scene.ok(ALICE, "Collateral.deposit_collateral", Guarantee.Deposit, 100_000 * OWED)
    return scene.act(ALICE, "Collateral.withdraw_collateral", Guarantee.Deposit, OWED)


@CASES.add("COLLATERAL_MARGIN_CALL")
def margin_call(scene: Scene) -> Act:
    chain = stage(scene)
    for number in range(OWNER_METERS_MAX):
        Device(f"meter {number}", ALICE).register(chain)
    return scene.act(BOB, "Collateral.margin_call", ALICE)


def open_arrears(scene: Scene) -> EnergyChain:
    """Let Alice owe Bob's cut of an epoch, and the fund."""
    chain = stage(scene)
    scene.ok(BOB, "Collateral.contribute_default_fund", OWED)
    chain.pallets.collateral.cover(7, ALICE, 3 * OWED, SETTLEMENT_POT)
    chain.pallets.collateral.note_haircut(7, BOB, 2 * OWED)
    # The cover went to settlement's pot for nobody; the measured state has it out of sight.
    chain.pallets.watt.free.put(SETTLEMENT_POT, MINIMUM)
    return chain


@CASES.add("COLLATERAL_LIQUIDATE")
def liquidate(scene: Scene) -> Act:
    """Takes what is free, deposit and collateral, and leaves some arrears."""
    chain = open_arrears(scene)
    for kind in Guarantee:
        scene.ok(ALICE, "Collateral.deposit_collateral", kind, 7)
    chain.pallets.watt.free.put(ALICE, MINIMUM + 1)
    return scene.act(BOB, "Collateral.liquidate", ALICE, 7)


@CASES.add("COLLATERAL_CONTRIBUTE_DEFAULT_FUND")
def contribute_default_fund(scene: Scene) -> Act:
    stage(scene)
    return scene.act(BOB, "Collateral.contribute_default_fund", OWED)


@CASES.add("COLLATERAL_PAY_ARREARS")
def pay_arrears(scene: Scene) -> Act:
    open_arrears(scene)
    return scene.act(BOB, "Collateral.pay_arrears", ALICE, 7, 3 * OWED)


@CASES.add("COLLATERAL_WRITE_OFF")
def write_off(scene: Scene) -> Act:
    open_arrears(scene)
    return scene.act(ROOT, "Collateral.write_off", ALICE, 7)


@CASES.add("COLLATERAL_CLAIM_RECOVERY")
def claim_recovery(scene: Scene) -> Act:
    open_arrears(scene)
    scene.ok(ALICE, "Collateral.pay_arrears", ALICE, 7, OWED)
    return scene.act(ALICE, "Collateral.claim_recovery", BOB, 7)


@CASES.add("COLLATERAL_RELEASE_REQUIREMENT")
def release_requirement(scene: Scene) -> Act:
    chain = stage(scene)
    scene.ok(ALICE, "Collateral.deposit_collateral", Guarantee.Collateral, OWED)
    community = Community(chain, 1, OTHER_ZONE)
    key = (OTHER_ZONE, community.slot)
    assert chain.pallets.collateral.covers(ALICE, key, 10)
    assert chain.pallets.collateral.covers(ALICE, (OTHER_ZONE, community.slot + 1), 10)
    while current_slot(chain) == community.slot:
        chain.next_block()
    submit(chain, community.devices[0].count(0, 0))
    community.settle()
    return scene.act(BOB, "Collateral.release_requirement", ALICE, *key)
