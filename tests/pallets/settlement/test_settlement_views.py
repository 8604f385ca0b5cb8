"""What screens read of meters, settlement and guarantees, by JSON-RPC: right, bounded, in pages."""

from collections.abc import Iterator

import pytest
from msgspec import structs

from pallets.energy_trading.units import compute_value
from pallets.settlement.collateral_types import Debt, Guarantee
from pallets.settlement.meters_types import OWNER_METERS_MAX, Quality, Reading
from pallets.settlement.meters_views import MetersViews, meters_api
from pallets.settlement.settlement_api import settlement_api
from pallets.settlement.settlement_types import MonthUse, Tariff, TariffKind
from pallets.settlement.settlement_views import SettlementViews
from pallets.settlement.tariff import RESIDENTIAL_1_1, compute_block_bill, compute_month
from runtime.frame.api import PAGE_MAX, RefusedQuestion
from runtime.frame.dispatch import ROOT
from tests.support.chain import ALICE, BOB
from tests.support.questions import Questions, address
from tests.support.settlement import (
    CAPACITY_W,
    DEADLINE_SLOTS,
    EPOCH_SLOTS,
    FUNDS,
    NO_ZONE,
    OPERATOR,
    OTHER_ZONE,
    PLAIN,
    SLOT_MS,
    ZONE,
    Community,
    Device,
    EnergyChain,
    current_slot,
    energy_chain,
    net_all,
    pass_slots,
    person,
    submit,
)

SATANG_1 = 10**10


@pytest.fixture
def chain() -> Iterator[EnergyChain]:
    made = energy_chain(people=4)
    yield made
    made.close_block()


def settlement_views(chain: EnergyChain) -> SettlementViews:
    return SettlementViews(chain.pallets.settlement, chain.pallets.collateral)


@pytest.fixture
def questions(chain: EnergyChain) -> Questions:
    return Questions(meters_api(MetersViews(chain.pallets.meters)), settlement_api(settlement_views(chain)))


# --- meters


def test_zone_without_meters_and_slots_is_refused(chain: EnergyChain) -> None:
    for view in (
        lambda: MetersViews(chain.pallets.meters).view_slot(NO_ZONE, 0, 0, 1),
        lambda: settlement_views(chain).view_slot(NO_ZONE, 0),
    ):
        with pytest.raises(RefusedQuestion, match=f"zone {NO_ZONE} has"):
            view()


def test_meter_is_shown_with_its_registers(chain: EnergyChain, questions: Questions) -> None:
    device = Device("roof", ALICE).register(chain)
    meter = questions.ask("energy_meter", "0x" + device.id.hex())
    assert (meter["owner"], meter["zone"], meter["kind"], meter["fuel"]) == (
        address(ALICE),
        ZONE,
        "Prosumer",
        "Solar",
    )
    assert (meter["lastSeq"], meter["registers"]) == (0, {"importWh": "1000", "exportWh": "500"})
    assert questions.ask("energy_meters", address(ALICE)) == [meter]
    pass_slots(chain)
    submit(chain, device.count(70, 0))
    later = questions.ask("energy_meter", "0x" + device.id.hex())
    assert (later["lastSlot"], later["lastSeq"]) == (device.slot, 1)
    assert later["registers"]["importWh"] == "1070"
    assert questions.ask("energy_meter", "0x" + "00" * 32) is None
    assert questions.ask("energy_meters", address(BOB)) == []
    assert "meter" in questions.refused("energy_meter", "0x00")


def test_readings_are_listed_in_pages(chain: EnergyChain, questions: Questions) -> None:
    device = Device("roof", ALICE).register(chain)
    first = device.slot + 1
    pass_slots(chain, 3)
    submit(chain, device.count(10, 0), device.count(20, 0), device.count(30, 5))
    meter = "0x" + device.id.hex()
    found = questions.ask("energy_readings", meter, first, 10)
    assert [(each["slot"] - first, each["reading"]["importWh"]) for each in found] == [
        (0, "10"),
        (1, "20"),
        (2, "30"),
    ]
    assert questions.ask("energy_readings", meter, first + 1, 1) == found[1:2]
    assert questions.ask("energy_readings", meter, first, 0) == []
    assert questions.ask("energy_readings", meter, (1 << 32) - 1, 1_000) == []


def test_page_of_readings_has_so_many_and_not_more(chain: EnergyChain, questions: Questions) -> None:
    device = Device("roof", ALICE).register(chain)
    for slot in range(1, PAGE_MAX + 2):
        chain.pallets.meters.readings.put(slot, device.id, Reading(1, 0, Quality.Good))
    assert len(questions.ask("energy_readings", "0x" + device.id.hex(), 1, 10_000)) == PAGE_MAX


def test_missing_meters_of_a_slot_are_named(chain: EnergyChain, questions: Questions) -> None:
    community = Community(chain, 3)
    slot = community.slot
    community.read((10, 0), None, (30, 0))
    found = questions.ask("energy_slotReadings", ZONE, slot, 0, 100)
    assert (found["meters"], found["received"], found["nextPlace"]) == (3, 2, None)
    assert [(row["owner"], row["isMissing"]) for row in found["rows"]] == [
        (address(person(0)), False),
        (address(person(1)), True),
        (address(person(2)), False),
    ]
    assert (found["rows"][0]["reading"]["importWh"], found["rows"][1]["reading"]) == ("10", None)
    page = questions.ask("energy_slotReadings", ZONE, slot, 0, 2)
    assert (page["rows"], page["nextPlace"]) == (found["rows"][:2], 2)
    assert questions.ask("energy_slotReadings", ZONE, slot, 2, 2)["rows"] == found["rows"][2:]
    assert questions.ask("energy_slotReadings", ZONE, slot, 9, 2)["rows"] == []
    assert questions.refused("energy_slotReadings", OTHER_ZONE, slot, 0, 1) == "zone 8 has no meters"


def test_page_of_accounts_with_many_meters_is_bounded(questions: Questions, chain: EnergyChain) -> None:
    accounts = PAGE_MAX // OWNER_METERS_MAX + 2
    for owner in range(accounts):
        for number in range(OWNER_METERS_MAX):
            Device(f"{owner}/{number}", person(owner)).register(chain)
    first = questions.ask("energy_slotReadings", ZONE, current_slot(chain), 0, 1_000)
    assert len(first["rows"]) <= PAGE_MAX
    rest = questions.ask("energy_slotReadings", ZONE, current_slot(chain), first["nextPlace"], 1_000)
    assert len(first["rows"]) + len(rest["rows"]) == accounts * OWNER_METERS_MAX
    assert rest["nextPlace"] is None


# --- slots


def test_settlement_of_a_slot_is_shown_from_waiting_to_settled(
    chain: EnergyChain, questions: Questions
) -> None:
    community = Community(chain, 2)
    slot = community.slot

    def shown(ahead: int = 0) -> tuple[str, str]:
        found = questions.ask("energy_settlement", ZONE, slot + ahead)
        return found["state"], found["obstacle"]

    assert shown() == ("Waiting", "NotOver")
    assert shown(1) == ("Waiting", "EarlierSlot")
    community.trade(0, 0, 100, receivable=1_000)
    community.trade(1, 100, 0)
    chain.pallets.market.unfinished.put((ZONE, slot), True)
    community.read((0, 120), None)
    assert shown() == ("Waiting", "NotCleared")
    chain.pallets.market.unfinished.remove((ZONE, slot))
    assert shown() == ("Waiting", "MetersMissing")
    assert questions.ask("energy_settlements") == [
        {"zone": ZONE, "nextSlot": slot, "obstacle": "MetersMissing"}
    ]
    pass_slots(chain, DEADLINE_SLOTS)
    assert shown() == ("Waiting", "Nothing")
    chain.pallets.zones.is_in_service = False
    assert shown() == ("Waiting", "OutOfService")
    chain.pallets.zones.is_in_service = True
    chain.pallets.watt.is_paused.put(True)
    assert shown() == ("Waiting", "TokenPaused")
    chain.pallets.watt.is_paused.put(False)
    chain.pallets.settlement.work.work(ZONE, 1)
    settling = questions.ask("energy_settlement", ZONE, slot)
    assert settling["state"] == "Settling"
    assert settling["work"] == {
        "stage": "Count",
        "place": 1,
        "members": 2,
        "epoch": chain.pallets.settlement.ledger.current_epoch(),
    }
    community.settle()
    settled = questions.ask("energy_settlement", ZONE, slot)
    assert (settled["state"], settled["operator"], settled["work"]) == ("Settled", address(OPERATOR), None)
    assert (settled["sums"]["surplusWh"], settled["sums"]["accounts"]) == ("20", 2)
    assert settled["terms"]["retailTicks"] == PLAIN.retail_ticks


def test_slot_past_correction_is_settled_and_no_more(chain: EnergyChain, questions: Questions) -> None:
    Community(chain, 1)
    found = questions.ask("energy_settlement", ZONE, 1)
    assert (found["state"], found["sums"], found["terms"]) == ("Settled", None, None)


def test_zone_that_nothing_is_settled_of_is_refused(questions: Questions) -> None:
    assert "zone 8 has had neither" in questions.refused("energy_settlement", 8, 1)
    assert questions.ask("energy_settlements") == []


def test_tariff_is_shown_with_what_comes_next(chain: EnergyChain, questions: Questions) -> None:
    before = questions.ask("energy_tariff", ZONE)
    assert (before["tariff"]["kind"], before["following"], before["followingFrom"]) == ("Flat", None, None)
    dear = Tariff(TariffKind.TimeOfUse, 20_000, 60_000, 50, 50, 100, True)
    chain.ok(ROOT, "Settlement.set_tariff", ZONE, dear)
    coming = questions.ask("energy_tariff", ZONE)
    assert (coming["tariff"], coming["following"]["kind"]) == (before["tariff"], "TimeOfUse")
    assert coming["followingFrom"] == current_slot(chain) + 1
    pass_slots(chain)
    now = questions.ask("energy_tariff", ZONE)
    assert (now["tariff"]["kind"], now["following"]) == ("TimeOfUse", None)


def test_prices_of_a_settled_slot_are_those_it_was_settled_on(chain: EnergyChain) -> None:
    views, community = settlement_views(chain), Community(chain, 1)
    slot = community.slot
    community.read((10, 0))
    community.settle()
    chain.ok(ROOT, "Settlement.set_tariff", ZONE, structs.replace(PLAIN, retail_ticks=70_000))
    pass_slots(chain)
    assert views.spread_ticks(ZONE, slot) == (PLAIN.feed_in_ticks, PLAIN.retail_ticks)
    assert views.spread_ticks(ZONE, current_slot(chain)) == (PLAIN.feed_in_ticks, 70_000)


# --- epochs and accounts


def test_epoch_is_shown_open_and_netted(chain: EnergyChain, questions: Questions) -> None:
    community = Community(chain, 2)
    community.read((100, 0), (0, 40))
    community.settle()
    shown = questions.ask("energy_epoch", None)
    epoch = shown["epoch"]
    assert (shown["isOpen"], shown["batch"], shown["stage"]) == (True, None, None)
    assert shown["lastSlot"] - shown["firstSlot"] == EPOCH_SLOTS - 1
    assert shown["sums"]["debits"] == shown["sums"]["credits"] != "0"
    assert questions.ask("energy_epochs", epoch, 10) == [shown]
    net_all(chain)
    netted = questions.ask("energy_epoch", epoch)
    assert (netted["isOpen"], netted["sums"]["debits"]) == (False, "0")
    assert (netted["batch"]["rows"], netted["batch"]["netDebits"]) == (3, shown["sums"]["debits"])
    assert questions.ask("energy_epochs", epoch, 1) == [netted]
    assert len(questions.ask("energy_epochs", 0, 1_000)) == PAGE_MAX
    assert questions.ask("energy_epochs", epoch + 5, 10) == []
    assert questions.ask("energy_epoch", (1 << 32) - 1)["firstSlot"] == (1 << 32) - 1


def test_statement_has_what_accrues_and_what_was_missed(chain: EnergyChain, questions: Questions) -> None:
    community = Community(chain, 2)
    community.read((100, 0), (0, 40))
    community.settle()
    epoch = chain.pallets.settlement.ledger.current_epoch()
    (row,) = questions.ask("energy_statement", address(person(0)), epoch, 10)
    assert row["amount"] == str(community.accrued(0))
    assert int(row["amount"]) < 0
    assert (row["epoch"], row["isOpen"], row["isNetted"], row["arrears"]) == (epoch, True, False, "0")
    assert questions.ask("energy_statement", address(ALICE), epoch, 10) == []
    assert questions.ask("energy_statement", address(person(0)), epoch + 1, 10) == []
    assert questions.ask("energy_statement", address(person(0)), epoch - 99, 10_000) == [row]
    assert questions.ask("energy_statement", address(person(0)), epoch - PAGE_MAX, 10_000) == []
    assert settlement_views(chain).sum_accrued(person(0)) == community.accrued(0)
    assert settlement_views(chain).sum_accrued(ALICE) == 0


def test_statement_has_arrears_of_a_netted_epoch(chain: EnergyChain, questions: Questions) -> None:
    community = Community(chain, 2)
    community.read((100, 0), (0, 40))
    community.settle()
    epoch = chain.pallets.settlement.ledger.current_epoch()
    chain.pallets.watt.free.put(person(0), 0)
    net_all(chain)
    (debtor,) = questions.ask("energy_statement", address(person(0)), epoch, 10)
    assert (debtor["isNetted"], debtor["amount"]) == (True, "0")
    assert int(debtor["arrears"]) == chain.pallets.collateral.owed.get(person(0)) > 0
    (creditor,) = questions.ask("energy_statement", address(person(1)), epoch, 10)
    assert int(creditor["missed"]) > 0
    assert creditor["claimed"] == "0"
    assert chain.pallets.collateral.arrears.get(person(0), epoch) != Debt()


def test_bill_of_the_last_month_is_that_of_the_block_tariff(chain: EnergyChain, questions: Questions) -> None:
    month = compute_month(current_slot(chain) * SLOT_MS)
    used_wh = 172_000
    chain.pallets.settlement.month_uses.put(ALICE, MonthUse(month, used_wh))
    surcharge, service = 1_623, 24_62 * SATANG_1
    bill = questions.ask("energy_bill", address(ALICE), month, surcharge, str(service))
    expected = compute_block_bill(used_wh, RESIDENTIAL_1_1, surcharge, service)
    assert (bill["gridWh"], bill["energy"], bill["vat"]) == (
        str(used_wh),
        str(expected.energy),
        str(expected.vat),
    )
    assert (bill["total"], bill["totalSatang"]) == (str(expected.total), str(expected.total_satang))
    assert questions.ask("energy_bill", address(ALICE), month - 1, 0, 0) is None
    assert questions.ask("energy_bill", address(BOB), month, 0, 0) is None
    assert "service" in questions.refused("energy_bill", address(ALICE), month, 0, str(1 << 64))


def test_metered_energy_is_listed_with_its_deviation(chain: EnergyChain, questions: Questions) -> None:
    chain.pallets.zones.loss_ppm = 100_000
    community = Community(chain, 1)
    slot = community.slot
    community.trade(0, 60, 0)
    community.read((100, 0))
    who = address(person(0))
    (row,) = questions.ask("energy_metered", who, ZONE, slot - 10, 100)
    assert (row["slot"], row["boughtWh"], row["importWh"]) == (slot, "60", "100")
    assert (row["deviationWh"], row["isComplete"], row["isSettled"]) == ("-50", True, False)
    community.settle()
    assert questions.ask("energy_metered", who, ZONE, slot, 1)[0]["isSettled"] is True
    assert questions.ask("energy_metered", who, ZONE, slot + 1, 100) == []
    assert questions.ask("energy_metered", who, OTHER_ZONE, slot, 100) == []
    assert questions.ask("energy_metered", who, ZONE, slot, 0) == []


def test_guarantees_are_those_that_withdrawals_go_by(chain: EnergyChain, questions: Questions) -> None:
    collateral = chain.pallets.collateral
    Device("roof", ALICE).register(chain)
    chain.ok(ALICE, "Collateral.deposit_collateral", Guarantee.Collateral, FUNDS // 2)
    assert collateral.covers(ALICE, (ZONE, current_slot(chain) + 1), 100)
    found = collateral.guarantees_of(ALICE)
    required = compute_value(100, PLAIN.retail_ticks - PLAIN.feed_in_ticks)
    assert (found.collateral_held, found.collateral_required) == (FUNDS // 2, required)
    assert (found.deposit_held, found.arrears, found.pending, found.margin_due) == (0, 0, 0, None)
    assert found.deposit_required == collateral._required(Guarantee.Deposit, ALICE) > CAPACITY_W
    assert not found.is_suspended
    chain.ok(BOB, "Collateral.margin_call", ALICE)
    assert collateral.guarantees_of(ALICE).margin_due == current_slot(chain) + 2
    pass_slots(chain, 3)
    assert collateral.guarantees_of(ALICE).is_suspended
    assert questions.ask("energy_defaultFund") == "0"
    chain.ok(ALICE, "Collateral.contribute_default_fund", 70)
    assert questions.ask("energy_defaultFund") == "70"


def test_what_a_screen_lives_on_can_be_watched(questions: Questions) -> None:
    watched = {name for name in questions.methods.names() if "_subscribe" in name}
    assert watched == {f"energy_subscribe{name}" for name in ("Epoch", "Settlement", "SlotReadings")}


def test_page_of_metered_slots_has_so_many_and_not_more(chain: EnergyChain, questions: Questions) -> None:
    device = Device("roof", ALICE).register(chain)
    for slot in range(1, PAGE_MAX + 2):
        chain.pallets.meters.readings.put(slot, device.id, Reading(1, 0, Quality.Good))
    assert len(questions.ask("energy_metered", address(ALICE), ZONE, 1, 10_000)) == PAGE_MAX
