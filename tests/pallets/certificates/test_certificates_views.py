"""What screens read of certificates, by JSON-RPC: devices, batches, holdings and redemptions, in pages."""

from __future__ import annotations

import pytest

from pallets.certificates.types import Batch, BatchStatus, Period, Redemption
from pallets.certificates.views import SCAN_MAX, CertificatesViews, certificates_api
from runtime.frame.api import PAGE_MAX
from runtime.primitives.extrinsic import AddressId
from tests.support.certificates import ISSUER, VALID_MS, CertificatesChain, certificates_chain
from tests.support.chain import BLOCK_TIME_MS, BOB, CHARLIE, DAVE, Chain
from tests.support.questions import Questions, address

METER, DEVICE, OTHER = b"m" * 32, b"d" * 32, b"e" * 32
DEVICE_TEXT = "0x" + DEVICE.hex()
MWH = 1_000_000
BENEFICIARY = b"\1" * 32


@pytest.fixture
def chain() -> Chain[CertificatesChain]:
    made = certificates_chain()
    made.pallets.meters.owners = {METER: BOB}
    made.ok(BOB, "Certificates.register_device", DEVICE, METER, b"ES100", b"TC120", 5_000)
    return made


@pytest.fixture
def questions(chain: Chain[CertificatesChain]) -> Questions:
    return Questions(certificates_api(CertificatesViews(chain.pallets.certificates)))


def issue(chain: Chain[CertificatesChain], slot: int, count: int) -> None:
    chain.pallets.meters.energy_wh[METER, slot] = count * MWH
    chain.ok(BOB, "Certificates.request_issue", DEVICE, slot, slot)
    chain.ok(ISSUER, "Certificates.approve_issue", DEVICE, 490)


def test_device_is_shown_from_registration_to_the_end_of_its_verification(
    chain: Chain[CertificatesChain], questions: Questions
) -> None:
    device = questions.ask("certificates_device", DEVICE_TEXT)
    assert (device["owner"], device["fuel"], device["technology"]) == (address(BOB), "ES100", "TC120")
    assert (device["isVerified"], device["capacityW"], device["requested"]) == (False, "5000", None)
    chain.ok(ISSUER, "Certificates.verify_device", DEVICE, False)
    chain.ok(BOB, "Certificates.request_issue", DEVICE, 3, 4)
    verified = questions.ask("certificates_device", DEVICE_TEXT)
    assert (verified["isVerified"], verified["requested"]) == (True, {"first": 3, "last": 4})
    assert questions.ask("certificates_deviceOfMeter", "0x" + METER.hex()) == verified
    chain.next_block(VALID_MS // BLOCK_TIME_MS + 1)
    assert questions.ask("certificates_device", DEVICE_TEXT)["isVerified"] is False
    assert questions.ask("certificates_issuers") == [address(ISSUER)]


def test_what_is_not_there_is_null(questions: Questions) -> None:
    assert questions.ask("certificates_device", "0x" + OTHER.hex()) is None
    assert questions.ask("certificates_deviceOfMeter", "0x" + OTHER.hex()) is None
    assert questions.ask("certificates_batch", 0) is None
    assert questions.ask("certificates_redemption", 0) is None
    assert questions.ask("certificates_ofDevice", DEVICE_TEXT, 0, 10) == {"batches": [], "next": None}
    assert questions.ask("certificates_ofAccount", address(BOB), None, 10) == []
    assert questions.ask("certificates_redemptions", None, 0, 10) == {"redemptions": [], "next": None}
    assert "device" in questions.refused("certificates_device", "0x00")


def test_holdings_are_listed_by_batch_in_pages(chain: Chain[CertificatesChain], questions: Questions) -> None:
    chain.ok(ISSUER, "Certificates.verify_device", DEVICE, False)
    for slot in range(3):
        issue(chain, slot, 2 + slot)
    chain.ok(BOB, "Certificates.transfer", AddressId(CHARLIE), 1, 1)
    chain.ok(ISSUER, "Certificates.cancel", 2)
    held = questions.ask("certificates_ofAccount", address(BOB), None, 10)
    assert sorted((one["batch"], one["count"], one["terms"]["status"]) for one in held) == [
        (0, "2", "Valid"),
        (1, "2", "Valid"),
        (2, "4", "Cancelled"),
    ]
    first = questions.ask("certificates_ofAccount", address(BOB), None, 1)
    assert first + questions.ask("certificates_ofAccount", address(BOB), first[0]["batch"], 10) == held
    assert [one["count"] for one in questions.ask("certificates_ofAccount", address(CHARLIE), None, 9)] == [
        "1"
    ]
    batches = questions.ask("certificates_ofDevice", DEVICE_TEXT, 0, 10)
    assert [one["batch"] for one in batches["batches"]] == [0, 1, 2]
    assert batches["next"] is None
    assert questions.ask("certificates_batch", 1) == batches["batches"][1]
    page = questions.ask("certificates_ofDevice", DEVICE_TEXT, 0, 2)
    assert (len(page["batches"]), page["next"]) == (2, 2)
    assert questions.ask("certificates_ofDevice", "0x" + OTHER.hex(), 0, 2)["batches"] == []


def test_redemptions_are_shown_without_the_beneficiary(
    chain: Chain[CertificatesChain], questions: Questions
) -> None:
    chain.ok(ISSUER, "Certificates.verify_device", DEVICE, False)
    issue(chain, 7, 3)
    chain.ok(BOB, "Certificates.transfer", AddressId(CHARLIE), 0, 1)
    for who, purpose in ((BOB, b"offices"), (CHARLIE, b"\xff"), (BOB, b"trains")):
        chain.ok(who, "Certificates.redeem", 0, 1, BENEFICIARY, purpose, Period(0, 96))
    listed = questions.ask("certificates_redemptions", None, 0, 10)["redemptions"]
    assert [(one["redemption"], one["who"], one["purpose"]) for one in listed] == [
        (0, address(BOB), "offices"),
        (1, address(CHARLIE), "\ufffd"),
        (2, address(BOB), "trains"),
    ]
    assert listed[0]["beneficiary"] == "0x" + BENEFICIARY.hex()
    assert questions.ask("certificates_redemption", 2) == listed[2]
    own = questions.ask("certificates_redemptions", address(BOB), 0, 1)
    assert (own["redemptions"], own["next"]) == ([listed[0]], 1)
    assert questions.ask("certificates_redemptions", address(BOB), 1, 9)["redemptions"] == [listed[2]]
    assert questions.ask("certificates_redemptions", address(DAVE), 0, 9)["redemptions"] == []


def test_one_answer_looks_at_so_many_numbers_and_lists_so_many_and_no_more(
    chain: Chain[CertificatesChain], questions: Questions
) -> None:
    pallet, count = chain.pallets.certificates, SCAN_MAX + 5
    for number in range(count):
        device = DEVICE if number >= SCAN_MAX else OTHER
        pallet.batches.put(number, Batch(device, Period(0, 0), 1, 0, 1, status=BatchStatus.Valid))
        pallet.redemptions.put(number, Redemption(BOB, number, 1, BENEFICIARY, b"", Period(0, 0)))
    pallet.next_batch.put(count)
    pallet.next_redemption.put(count)
    first = questions.ask("certificates_ofDevice", DEVICE_TEXT, 0, 10)
    assert first == {"batches": [], "next": SCAN_MAX}
    rest = questions.ask("certificates_ofDevice", DEVICE_TEXT, SCAN_MAX, 10)
    assert (len(rest["batches"]), rest["next"]) == (5, None)
    page = questions.ask("certificates_redemptions", None, 0, 10_000)
    assert (len(page["redemptions"]), page["next"]) == (PAGE_MAX, PAGE_MAX)
    assert questions.ask("certificates_redemptions", None, count, 10)["next"] is None
    for number in range(PAGE_MAX + 1):
        pallet.holdings.put(CHARLIE, number, 1)
    assert len(questions.ask("certificates_ofAccount", address(CHARLIE), None, 10_000)) == PAGE_MAX
