"""Files of the offices: flags beside what they are about, cases without names, counts of processing."""

from apps.audit.plain import Record
from apps.audit.supervision import WATT_ID, LaunderingFile, ProcessingRecord
from genesis.consortium import UNIT
from genesis.consortium import WATT_ID as CHAIN_WATT_ID
from pallets.compliance.monitoring_types import RuleKind
from pallets.compliance.office import Purpose
from runtime.primitives.extrinsic import AddressId
from tests.apps.audit.market_blocks import Recorder
from tests.support.chain import BOB, CHARLIE, DAVE
from tests.support.supervision import OFFICER, PAPER, TRADER, freeze, supervised_chain

LARGE = 200_000 * UNIT


def file_of(recorder: Recorder) -> list[Record]:
    made = LaunderingFile()
    for block in recorder.blocks:
        made.add(block)
    return made.rows


def test_the_asset_is_the_chain_s() -> None:
    assert WATT_ID == CHAIN_WATT_ID


def test_a_flag_stands_beside_the_movement_that_it_is_about() -> None:
    chain = supervised_chain()
    recorder = Recorder(chain)
    chain.ok(TRADER, "Assets.transfer", WATT_ID, AddressId(BOB), LARGE)
    chain.ok(TRADER, "WattReserve.redeem", LARGE, bytes(32))
    recorder.next_block()
    flags = [row for row in file_of(recorder) if row["row"] == "flag"]
    assert [row["flag"] for row in flags] == [0, 1]
    assert {row["sender"] for row in flags} == {"0x" + TRADER.hex()}
    assert [row["receiver"] for row in flags] == ["0x" + BOB.hex(), None]
    assert [row["amount"] for row in flags] == [LARGE, LARGE]
    assert flags[0]["time_ms"] > 0


def test_a_small_transfer_and_other_assets_are_not_in_the_file() -> None:
    chain = supervised_chain()
    recorder = Recorder(chain)
    chain.ok(TRADER, "Assets.transfer", WATT_ID, AddressId(DAVE), UNIT)
    recorder.next_block()
    assert file_of(recorder) == []


def test_cases_freezes_and_rules_are_listed_and_no_case_has_a_name() -> None:
    chain = supervised_chain()
    recorder = Recorder(chain)
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    freeze(chain, CHARLIE)
    chain.ok(OFFICER, "Monitoring.remove_rule", RuleKind.Velocity)
    recorder.next_block()
    rows = file_of(recorder)
    assert [row["row"] for row in rows] == ["CaseOpened", "AccountFrozen", "RuleRemoved"]
    assert set(rows[0]) == {"row", "block", "event", "extrinsic", "time_ms", "case"}


def test_processing_is_counted_by_what_it_was_for_and_names_nobody() -> None:
    chain = supervised_chain()
    recorder = Recorder(chain)
    for who in (BOB, CHARLIE):
        chain.ok(who, "Privacy.give_consent", Purpose.Research, 1, (1 << 64) - 1)
    chain.ok(BOB, "Privacy.give_consent", Purpose.Marketing, 1, (1 << 64) - 1)
    chain.ok(BOB, "Privacy.withdraw_consent", Purpose.Research)
    recorder.next_block(2)
    made = ProcessingRecord()
    for block in recorder.blocks:
        made.add(block)
    assert [(row["event"], row["detail"], row["count"]) for row in made.rows] == [
        ("ConsentGiven", "purpose Marketing", 1),
        ("ConsentGiven", "purpose Research", 2),
        ("ConsentWithdrawn", "purpose Research", 1),
    ]
    assert BOB.hex() not in str(made.rows)
