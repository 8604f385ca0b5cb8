"""What screens read of supervision, by JSON-RPC: right, in pages, and never whom a case is about."""

import json
from typing import Any

import pytest

from pallets.compliance.compliance_api import compliance_api
from pallets.compliance.compliance_types import LicenceKind, Tier, Withdrawal
from pallets.compliance.compliance_views import ENTRIES_MAX, QUARTERS_MAX, ComplianceViews
from pallets.compliance.due import QUARTER_MS
from pallets.compliance.monitoring_types import Dismissed
from pallets.compliance.office import Purpose, day_of
from pallets.compliance.privacy_types import (
    ANSWER_MS,
    BREACH_MS,
    ERASURE_MS,
    NEVER,
    Category,
    Fulfilled,
    Refusal,
    Refused,
    RequestKind,
    Risk,
)
from pallets.compliance.reports import encode_leaf
from pallets.compliance.reports_types import Content, ReportKind
from runtime.frame.api import PAGE_MAX
from runtime.frame.dispatch import ROOT
from runtime.primitives.row_tree import compute_root, prove_row
from tests.support.chain import FERDIE
from tests.support.questions import Questions, address
from tests.support.supervision import (
    BASIC,
    DAY,
    LOCAL,
    OFFICER,
    PAPER,
    SECOND,
    STRANGER,
    TRADER,
    TRADER_ID,
    compliance,
    freeze,
    now_ms,
    travel,
)

ROWS = [b"zone 1", b"zone 2", b"zone 3"]
CONTENT = Content(compute_root(ROWS), len(ROWS), PAPER)
ERC, PERIOD = ReportKind.ErcMonth, 12 * 2023 + 9


@pytest.fixture
def questions(chain: LOCAL) -> Questions:
    return Questions(compliance_api(make_views(chain)))


def make_views(chain: LOCAL) -> ComplianceViews:
    found = chain.pallets.supervision
    return ComplianceViews(found.compliance, found.monitoring, found.privacy, found.reports)


def hex_of(data: bytes) -> str:
    return "0x" + data.hex()


def permissions(questions: Questions, who: Any) -> dict[str, str | None]:
    status = questions.ask("compliance_status", address(who))
    return {one["activity"]: one["refusal"] for one in status["permissions"]}


# --- accounts


def test_status_says_what_an_account_may_do_and_what_it_lacks(chain: LOCAL, questions: Questions) -> None:
    trader = questions.ask("compliance_status", address(TRADER))
    assert (trader["tier"], trader["status"], trader["expiresMs"]) == ("Enhanced", "Verified", None)
    assert [one["kind"] for one in trader["licences"]] == ["Trading"]
    assert permissions(questions, TRADER)["Trade"] is None
    assert permissions(questions, BASIC)["Trade"] == "LicenceMissing"
    assert permissions(questions, TRADER)["PublishMeter"] == "ConsentMissing"
    stranger = questions.ask("compliance_status", address(STRANGER))
    assert (stranger["tier"], stranger["status"], stranger["country"]) == ("Unknown", None, None)
    assert permissions(questions, STRANGER)["SendWatt"] == "TierTooLow"
    assert permissions(questions, STRANGER)["Receive"] is None
    chain.ok(OFFICER, "Compliance.suspend_licence", TRADER_ID)
    assert permissions(questions, TRADER)["Trade"] == "LicenceMissing"
    officer = questions.ask("compliance_status", address(OFFICER))
    assert "Freezing" in officer["roles"]


def test_question_about_an_account_changes_nothing(chain: LOCAL, questions: Questions) -> None:
    before = len(chain.state.journal)
    questions.ask("compliance_status", address(BASIC))
    assert len(chain.state.journal) == before


def test_identity_is_shown_until_it_runs_out(chain: LOCAL, questions: Questions) -> None:
    expires = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.file_kyc", STRANGER, PAPER, b"TH")
    assert questions.ask("compliance_status", address(STRANGER))["status"] == "Pending"
    chain.ok(OFFICER, "Compliance.attest_kyc", STRANGER, Tier.Basic, expires, 77)
    status = questions.ask("compliance_status", address(STRANGER))
    assert (status["tier"], status["country"], status["dailyLimit"]) == ("Basic", "TH", "77")
    assert status["expiresMs"] == str(expires)
    assert PAPER.hex() not in json.dumps(status)
    travel(chain, expires)
    late = questions.ask("compliance_status", address(STRANGER))
    assert (late["tier"], late["status"]) == ("Unknown", "Verified")
    travel(chain, expires - DAY)
    chain.ok(OFFICER, "Compliance.revoke_kyc", STRANGER, Withdrawal.Reject)
    assert questions.ask("compliance_status", address(STRANGER))["status"] == "Rejected"


def test_freeze_is_shown_without_the_officers(chain: LOCAL, questions: Questions) -> None:
    assert questions.ask("compliance_status", address(BASIC))["frozenSinceMs"] is None
    freeze(chain, BASIC)
    status = questions.ask("compliance_status", address(BASIC))
    assert status["frozenSinceMs"] == str(now_ms(chain))
    assert permissions(questions, BASIC)["SendWatt"] == "AccountFrozen"
    assert all(address(one) not in json.dumps(status) for one in (OFFICER, SECOND))


def test_e_money_sent_counts_for_its_day(chain: LOCAL, questions: Questions) -> None:
    compliance(chain).note_sent(BASIC, 5)
    assert questions.ask("compliance_status", address(BASIC))["sentToday"] == "5"
    travel(chain, now_ms(chain) + DAY)
    assert questions.ask("compliance_status", address(BASIC))["sentToday"] == "0"


def test_licence_is_in_force_until_it_runs_out_or_is_taken_away(chain: LOCAL, questions: Questions) -> None:
    expires = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, LicenceKind.Grid, expires, PAPER)
    (licence,) = questions.ask("compliance_licences", address(BASIC))
    assert (licence["kind"], licence["isInForce"], licence["expiresMs"]) == ("Grid", True, str(expires))
    number = licence["licence"]
    assert questions.ask("compliance_licence", number) == licence
    travel(chain, expires)
    assert questions.ask("compliance_licence", number)["isInForce"] is False
    travel(chain, expires - DAY)
    chain.ok(OFFICER, "Compliance.revoke_licence", number)
    assert questions.ask("compliance_licence", number)["status"] == "Revoked"
    assert questions.ask("compliance_licence", 99) is None
    assert questions.ask("compliance_licence", TRADER_ID)["expiresMs"] is None


def test_consents_are_shown_with_what_is_in_force(chain: LOCAL, questions: Questions) -> None:
    assert questions.ask("compliance_consents", address(BASIC)) == []
    chain.ok(BASIC, "Privacy.give_consent", Purpose.MeterPublication, 3, None)
    chain.ok(BASIC, "Privacy.give_consent", Purpose.Research, 1, now_ms(chain) + DAY)
    chain.ok(BASIC, "Privacy.withdraw_consent", Purpose.MeterPublication)
    meter, research = questions.ask("compliance_consents", address(BASIC))
    assert (meter["purpose"], meter["version"], meter["expiresMs"]) == ("MeterPublication", 3, None)
    assert (meter["isInForce"], meter["withdrawnMs"]) == (False, str(now_ms(chain)))
    assert (research["isInForce"], research["withdrawnMs"]) == (True, None)


# --- requests, breaches, cases


def test_requests_are_listed_without_their_subjects(chain: LOCAL, questions: Questions) -> None:
    chain.ok(BASIC, "Privacy.file_dsr", RequestKind.Access, PAPER)
    chain.ok(STRANGER, "Privacy.file_dsr", RequestKind.Erase, PAPER)
    access, erase = listed = questions.ask("compliance_requests", 0, 10)
    assert (access["kind"], access["dueMs"]) == ("Access", str(now_ms(chain) + ANSWER_MS))
    assert (erase["kind"], erase["dueMs"]) == ("Erase", str(now_ms(chain) + ERASURE_MS))
    text = json.dumps(listed)
    assert all(one not in text for one in (address(BASIC), address(STRANGER), PAPER.hex()))
    assert questions.ask("compliance_requests", 1, 1) == [erase]
    assert questions.ask("compliance_requests", 2, 10) == questions.ask("compliance_requests", 0, 0) == []
    assert questions.ask("compliance_request", 0) == access
    assert questions.ask("compliance_request", 2) is None
    assert questions.ask("compliance_openRequests", address(BASIC)) == [access]
    chain.ok(OFFICER, "Privacy.answer_dsr", 0, Refused(Refusal.NotIdentified))
    assert questions.ask("compliance_openRequests", address(BASIC)) == []
    answered = questions.ask("compliance_request", 0)
    assert (answered["state"], answered["refusal"], answered["isLate"]) == ("Refused", "NotIdentified", False)


def test_request_is_late_once_its_deadline_has_passed_and_stays_so(
    chain: LOCAL, questions: Questions
) -> None:
    chain.ok(BASIC, "Privacy.file_dsr", RequestKind.Access, PAPER)
    chain.ok(OFFICER, "Privacy.verify_dsr", 0)
    due = now_ms(chain) + ANSWER_MS
    travel(chain, due)
    assert questions.ask("compliance_request", 0)["isLate"] is False
    travel(chain, due + 1)
    assert questions.ask("compliance_request", 0)["isLate"] is True
    chain.ok(OFFICER, "Privacy.answer_dsr", 0, Fulfilled(PAPER))
    assert questions.ask("compliance_request", 0)["isLate"] is True


def test_page_of_requests_has_so_many_and_not_more(chain: LOCAL, questions: Questions) -> None:
    privacy = chain.pallets.supervision.privacy
    chain.ok(BASIC, "Privacy.file_dsr", RequestKind.Access, PAPER)
    found = privacy.dsr.get(0)
    for number in range(1, PAGE_MAX + 1):
        privacy.dsr.put(number, found)
    privacy.next_dsr.put(PAGE_MAX + 1)
    assert len(questions.ask("compliance_requests", 0, 10_000)) == PAGE_MAX
    for number in range(1, PAGE_MAX + 1):
        privacy.dsr.remove(number)


def test_breaches_are_listed_with_their_deadlines(chain: LOCAL, questions: Questions) -> None:
    detected = now_ms(chain)
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, detected)
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, detected)
    chain.ok(OFFICER, "Privacy.assess_breach", 1, Risk.Unlikely)
    chain.ok(OFFICER, "Privacy.close_breach", 1)
    travel(chain, detected + BREACH_MS + 1)
    late, closed = questions.ask("compliance_breaches", 0, 10)
    assert (late["state"], late["isLate"], late["risk"]) == ("Detected", True, None)
    assert (closed["state"], closed["isLate"], closed["risk"]) == ("Closed", False, "Unlikely")
    assert PAPER.hex() not in json.dumps([late, closed])
    travel(chain, detected)


def test_cases_are_listed_without_anything_that_leads_to_a_subject(
    chain: LOCAL, questions: Questions
) -> None:
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    chain.ok(OFFICER, "Monitoring.review_case", 1, PAPER)
    chain.ok(OFFICER, "Monitoring.decide_case", 1, Dismissed())
    first, second = questions.ask("compliance_cases", 0, 10)
    assert first == {"case": 0, "state": "Open", "openedMs": str(now_ms(chain))}
    assert second["state"] == "Dismissed"
    assert questions.ask("compliance_cases", 1, 10) == [second]
    assert questions.ask("compliance_cases", 2, 10) == []


def test_no_method_tells_of_flags_windows_or_proposals(questions: Questions) -> None:
    names = {name for name in questions.methods.names() if "ubscribe" not in name}
    assert names == {
        f"compliance_{name}"
        for name in (
            *("status", "licence", "licences", "consents", "openRequests"),
            *("request", "requests", "breaches", "cases", "dueDates", "rules", "retention"),
            *("report", "reports", "reportProof", "audit", "auditDay", "proof"),
        )
    }


# --- deadlines


def test_deadlines_come_in_the_order_of_time(chain: LOCAL, questions: Questions) -> None:
    now = now_ms(chain)
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, now)
    chain.ok(BASIC, "Privacy.file_dsr", RequestKind.Access, PAPER)
    chain.ok(ROOT, "Privacy.set_vault_key", bytes(32))
    chain.ok(OFFICER, "Privacy.start_retention", Category.PersonalData, PAPER)
    first = questions.ask("compliance_dueDates", "Privacy", None, 10)
    assert first["rows"] == [{"kind": "Breach", "dueMs": str(now + BREACH_MS), "number": 0, "record": None}]
    rows, page = list(first["rows"]), first
    while page["next"] is not None and len(rows) < 3:
        page = questions.ask("compliance_dueDates", "Privacy", page["next"], 10)
        rows += page["rows"]
    assert [row["kind"] for row in rows] == ["Breach", "Request", "Record"]
    assert rows[2]["record"] == hex_of(PAPER)
    assert [int(row["dueMs"]) for row in rows] == sorted(int(row["dueMs"]) for row in rows)


def test_what_is_done_already_is_no_deadline(chain: LOCAL, questions: Questions) -> None:
    now = now_ms(chain)
    chain.ok(OFFICER, "Privacy.report_breach", PAPER, now)
    chain.ok(OFFICER, "Privacy.assess_breach", 0, Risk.High)
    chain.ok(OFFICER, "Privacy.notify_breach", 0, PAPER)
    assert questions.ask("compliance_dueDates", "Privacy", None, 10)["rows"] == []


def test_identities_and_proposals_are_no_deadlines_for_all_to_see(chain: LOCAL, questions: Questions) -> None:
    expires = now_ms(chain) + DAY
    chain.ok(OFFICER, "Compliance.file_kyc", STRANGER, PAPER, b"TH")
    chain.ok(OFFICER, "Compliance.attest_kyc", STRANGER, Tier.Basic, expires, None)
    chain.ok(OFFICER, "Compliance.propose_order", PAPER)
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, LicenceKind.Grid, expires, PAPER)
    page = questions.ask("compliance_dueDates", "Licences", None, 10)
    assert [(row["kind"], row["dueMs"]) for row in page["rows"]] == [("Licence", str(expires))]
    assert address(STRANGER) not in json.dumps(page)
    chain.ok(OFFICER, "Compliance.revoke_licence", page["rows"][0]["number"])
    assert questions.ask("compliance_dueDates", "Licences", None, 10)["rows"] == []


def test_deadlines_of_one_quarter_are_paged_through(chain: LOCAL, questions: Questions) -> None:
    expires = now_ms(chain) + DAY
    for who in (BASIC, STRANGER, FERDIE):
        chain.ok(OFFICER, "Compliance.issue_licence", who, LicenceKind.Grid, expires, PAPER)
    numbers, page = [], questions.ask("compliance_dueDates", "Licences", None, 1)
    while page["rows"]:
        numbers += [row["number"] for row in page["rows"]]
        page = questions.ask("compliance_dueDates", "Licences", page["next"], 1)
    assert sorted(numbers) == [TRADER_ID + 1, TRADER_ID + 2, TRADER_ID + 3]


def test_one_answer_looks_at_so_many_entries_and_quarters_and_no_more(
    chain: LOCAL, questions: Questions
) -> None:
    pallet, now = compliance(chain), now_ms(chain)
    chain.ok(OFFICER, "Compliance.issue_licence", BASIC, LicenceKind.Grid, now + DAY, PAPER)
    quarter = -(-(now + DAY) // QUARTER_MS)
    (entry,) = [entry for _, entry in pallet.due.items_of(quarter)]
    for number in range(1, ENTRIES_MAX + 1):
        pallet.due.put(quarter, number, entry)
    page = questions.ask("compliance_dueDates", "Licences", None, 10_000)
    assert len(page["rows"]) == PAGE_MAX
    chain.ok(OFFICER, "Compliance.revoke_licence", TRADER_ID + 1)
    page = questions.ask("compliance_dueDates", "Licences", None, 10)
    assert (page["rows"], int(page["next"]["quarter"])) == ([], quarter)
    assert page["next"]["after"] is not None
    page = questions.ask("compliance_dueDates", "Licences", page["next"], 10)
    assert int(page["next"]["quarter"]) == quarter + QUARTERS_MAX
    for number in range(1, ENTRIES_MAX + 1):
        pallet.due.remove(quarter, number)
    far = {"quarter": str((1 << 64) - 1), "after": None}
    assert questions.ask("compliance_dueDates", "Licences", far, 10) == {"rows": [], "next": None}
    assert "deadlines" in questions.refused("compliance_dueDates", "Cases", None, 10)
    assert "quarter" in questions.refused("compliance_dueDates", "Licences", {"after": None}, 10)


def test_nothing_that_waits_is_no_page(questions: Questions) -> None:
    assert questions.ask("compliance_dueDates", "Privacy", None, 10) == {"rows": [], "next": None}


# --- rules, reports, the audit log


def test_rules_and_periods_are_listed(chain: LOCAL, questions: Questions) -> None:
    rules = {one["kind"]: one for one in questions.ask("compliance_rules")}
    assert set(rules) == {"Single", "Rolling", "Velocity", "Counterparty", "Sanction"}
    assert (rules["Velocity"]["threshold"], rules["Velocity"]["windowS"]) == ("20", 3_600)
    assert rules["Sanction"]["action"] == "Reject"
    kept = {one["category"]: one["days"] for one in questions.ask("compliance_retention")}
    assert kept["AuditTrail"] == 2_555


def test_reports_are_shown_by_kind_and_period(chain: LOCAL, questions: Questions) -> None:
    assert questions.ask("compliance_report", "ErcMonth", PERIOD) is None
    chain.ok(OFFICER, "Reports.draft_report", ERC, PERIOD, CONTENT)
    report = questions.ask("compliance_report", "ErcMonth", PERIOD)
    assert (report["state"], report["root"], report["rows"]) == ("Draft", hex_of(CONTENT.root), 3)
    assert report["submitter"] == address(OFFICER)
    chain.ok(OFFICER, "Reports.submit_report", ERC, PERIOD, CONTENT.root)
    chain.ok(OFFICER, "Reports.draft_report", ERC, PERIOD + 1, CONTENT)
    assert [one["state"] for one in questions.ask("compliance_reports", "ErcMonth", PERIOD - 5, 99)] == [
        "Submitted",
        "Draft",
    ]
    assert len(questions.ask("compliance_reports", "ErcMonth", PERIOD, 1)) == 1
    assert questions.ask("compliance_reports", "ErcMonth", PERIOD - PAGE_MAX, 10_000) == []
    assert questions.ask("compliance_reports", "Amlo", PERIOD, 10) == []
    assert "kind" in questions.refused("compliance_report", "Tax", PERIOD)


def test_row_of_a_report_is_proven_or_not(chain: LOCAL, questions: Questions) -> None:
    chain.ok(OFFICER, "Reports.draft_report", ERC, PERIOD, CONTENT)
    siblings = [hex_of(each) for each in prove_row(ROWS, 1)]

    def holds(row: bytes, place: str) -> bool:
        answer = questions.ask("compliance_reportProof", "ErcMonth", PERIOD, hex_of(row), place, siblings)
        assert (answer["root"], answer["rows"]) == (hex_of(CONTENT.root), "3")
        found: bool = answer["holds"]
        return found

    assert holds(ROWS[1], "1")
    assert not holds(ROWS[1], "0")
    assert not holds(ROWS[0], "1")
    assert not holds(ROWS[1], str((1 << 64) - 1))
    refusal = questions.refused("compliance_reportProof", "Amlo", PERIOD, "0x", "0", [])
    assert refusal == f"there is no report Amlo of period {PERIOD}"


def test_row_of_the_audit_log_is_proven_once_its_day_is_over(chain: LOCAL, questions: Questions) -> None:
    reports = chain.pallets.supervision.reports
    chain.next_block()
    start = questions.ask("compliance_audit")
    for kind in (RequestKind.Access, RequestKind.Rectify, RequestKind.Erase):
        chain.ok(BASIC, "Privacy.file_dsr", kind, PAPER)
    told = [event for event in chain.block_events() if type(event).__name__ == "DsrFiled"]
    privacy = chain.pallets.supervision.privacy.index
    rows = [
        encode_leaf(chain.number, privacy, reports.event_table.codec_of(privacy).encode(event))
        for event in told
    ]
    day = day_of(now_ms(chain))
    open_day = questions.ask("compliance_auditDay", day)
    assert (open_day["isSealed"], open_day["root"], open_day["leaves"]) == (False, None, "3")
    assert "is not sealed" in questions.refused("compliance_proof", day, "0x", "0", [])
    travel(chain, now_ms(chain) + DAY)
    chain.start_ms += DAY
    chain.next_block()
    sealed = questions.ask("compliance_auditDay", day)
    assert (sealed["isSealed"], sealed["root"]) == (True, hex_of(compute_root(rows)))
    for place, row in enumerate(rows):
        siblings = [hex_of(each) for each in prove_row(rows, place)]
        answer = questions.ask("compliance_proof", day, hex_of(row), str(place), siblings)
        assert (answer["holds"], answer["rows"]) == (True, "3")
        assert not questions.ask("compliance_proof", day, hex_of(row[:-1]), str(place), siblings)["holds"]
    audit = questions.ask("compliance_audit")
    assert int(audit["leaves"]) == int(start["leaves"]) + 3
    assert (audit["head"], audit["today"]["day"]) == (sealed["head"], day + 1)
    assert questions.ask("compliance_auditDay", day + 9) is None


def test_what_a_screen_lives_on_can_be_watched(questions: Questions) -> None:
    watched = {name for name in questions.methods.names() if "_subscribe" in name}
    assert watched == {
        f"compliance_subscribe{name}" for name in ("Audit", "Licence", "Report", "Request", "Status")
    }


def test_consent_that_does_not_expire_is_the_largest_number_on_chain_and_null_here(
    chain: LOCAL, questions: Questions
) -> None:
    chain.ok(BASIC, "Privacy.give_consent", Purpose.Sharing, 1, NEVER)
    assert questions.ask("compliance_consents", address(BASIC))[0]["expiresMs"] is None
