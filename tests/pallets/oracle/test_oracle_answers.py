"""Answers and reports: what is taken, what each refusal is called, and that taken ones cost nothing."""

import pytest
from msgspec import structs

from pallets.oracle import errors, events
from pallets.oracle.statement import DOMAIN, Statement, make_message
from pallets.oracle.types import FEEDS_MAX, PROVIDERS_MAX, Answer, RawAnswer, ReportSignature
from pallets.token import balances_events
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin, PalletError, Pays
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, block_hash
from tests.support.oracle import (
    BOND,
    ENDOWMENT,
    LOAD,
    PRICE,
    PRICE_KEY,
    RULES,
    Panel,
    statement_key,
)

UNKNOWN = 7


def refuse(panel: Panel, error: type[PalletError], who: AccountId, *answers: Answer) -> None:
    panel.chain.noop(panel.oracle.error(error), who, "Oracle.submit", answers)


def refuse_report(
    panel: Panel, error: type[PalletError], report: Statement, signatures: tuple[ReportSignature, ...]
) -> None:
    panel.chain.noop(panel.oracle.error(error), EVE, "Oracle.submit_report", report, signatures)


# --- answers


def test_provider_answers_several_feeds_at_once(panel: Panel) -> None:
    answers = (Answer(PRICE, 45_000, panel.now_ms), Answer(LOAD, 15_420, panel.now_ms - 5))
    panel.chain.ok(ALICE, "Oracle.submit", answers)
    assert panel.chain.events() == [events.Submitted(ALICE, answers)]
    assert panel.oracle.raw.get(PRICE, ALICE) == RawAnswer(panel.round, 45_000, panel.now_ms)
    assert panel.oracle.raw.get(LOAD, ALICE) == RawAnswer(panel.round, 15_420, panel.now_ms - 5)
    assert panel.oracle.touched.get() == (PRICE, LOAD)


def test_taken_answer_costs_no_fee_and_a_refused_one_does(panel: Panel) -> None:
    free = ENDOWMENT - BOND
    answer = Answer(PRICE, 45_000, panel.now_ms)
    applied = panel.chain.submit("//Alice", panel.chain.call("Oracle.submit", (answer,)))
    assert applied.error is None
    account = panel.chain.pallets.system.get_account(ALICE)
    assert (account.data.free, account.nonce) == (free, 1)
    applied = panel.chain.submit("//Alice", panel.chain.call("Oracle.submit", (answer,)))
    assert applied.error == panel.oracle.error(errors.AlreadySubmitted).value()
    account = panel.chain.pallets.system.get_account(ALICE)
    assert account.data.free < free
    assert account.nonce == 2


@pytest.mark.parametrize("origin", [ROOT, NOBODY])
def test_answers_reports_and_proofs_are_for_signers(panel: Panel, origin: Origin) -> None:
    report = panel.statement(1)
    panel.chain.noop(BadOrigin, origin, "Oracle.submit", (Answer(PRICE, 1, panel.now_ms),))
    panel.chain.noop(BadOrigin, origin, "Oracle.submit_report", report, panel.report(report, [ALICE]))
    panel.chain.noop(BadOrigin, origin, "Oracle.restore_bond")


def test_only_providers_answer(panel: Panel) -> None:
    refuse(panel, errors.NotMember, EVE, Answer(PRICE, 1, panel.now_ms))
    refuse(panel, errors.NotMember, FERDIE, Answer(PRICE, 1, panel.now_ms))


def test_answer_without_a_value_is_none(panel: Panel) -> None:
    refuse(panel, errors.NothingSubmitted, ALICE)


def test_feed_must_exist(panel: Panel) -> None:
    refuse(panel, errors.UnknownFeed, ALICE, Answer(UNKNOWN, 1, panel.now_ms))


def test_paused_feed_takes_no_answer(panel: Panel) -> None:
    panel.chain.ok(ROOT, "Oracle.pause_feed", PRICE)
    refuse(panel, errors.FeedPaused, ALICE, Answer(PRICE, 1, panel.now_ms))
    report = panel.statement(1)
    refuse_report(panel, errors.FeedPaused, report, panel.report(report, [ALICE, BOB, CHARLIE]))


@pytest.mark.parametrize("value", [RULES.least - 1, RULES.greatest + 1])
def test_value_must_be_in_the_range_of_its_feed(panel: Panel, value: int) -> None:
    refuse(panel, errors.OutOfRange, ALICE, Answer(PRICE, value, panel.now_ms))
    report = panel.statement(value)
    refuse_report(panel, errors.OutOfRange, report, panel.report(report, [ALICE, BOB, CHARLIE]))


@pytest.mark.parametrize("value", [RULES.least, RULES.greatest])
def test_ends_of_the_range_are_in_it(panel: Panel, value: int) -> None:
    panel.answer({ALICE: value})


def test_value_cannot_have_been_measured_after_the_block(panel: Panel) -> None:
    refuse(panel, errors.FutureTimestamp, ALICE, Answer(PRICE, 1, panel.now_ms + 1))
    report = panel.statement(1, age_ms=-1)
    refuse_report(panel, errors.FutureTimestamp, report, panel.report(report, [ALICE, BOB, CHARLIE]))


def test_value_is_taken_up_to_the_usable_age(panel: Panel) -> None:
    refuse(panel, errors.TooOld, ALICE, Answer(PRICE, 1, panel.now_ms - RULES.usable_ms - 1))
    report = panel.statement(1, age_ms=RULES.usable_ms + 1)
    refuse_report(panel, errors.TooOld, report, panel.report(report, [ALICE, BOB, CHARLIE]))
    panel.answer({ALICE: 1}, age_ms=RULES.usable_ms)


def test_provider_answers_a_feed_once_in_a_round(panel: Panel) -> None:
    panel.answer({ALICE: 1})
    refuse(panel, errors.AlreadySubmitted, ALICE, Answer(PRICE, 2, panel.now_ms))
    panel.chain.next_block(9)
    refuse(panel, errors.AlreadySubmitted, ALICE, Answer(PRICE, 2, panel.now_ms))
    panel.chain.next_block()
    panel.answer({ALICE: 2})


def test_feed_is_answered_once_in_one_call(panel: Panel) -> None:
    refuse(
        panel, errors.AlreadySubmitted, ALICE, Answer(PRICE, 1, panel.now_ms), Answer(PRICE, 2, panel.now_ms)
    )


def test_one_bad_answer_of_several_takes_the_others_along(panel: Panel) -> None:
    good = Answer(PRICE, 1, panel.now_ms)
    refuse(panel, errors.OutOfRange, ALICE, good, Answer(LOAD, -1, panel.now_ms))
    panel.answer({ALICE: 1}, LOAD)
    refuse(panel, errors.AlreadySubmitted, ALICE, good, Answer(LOAD, 1, panel.now_ms))


def test_answers_are_as_many_as_feeds_can_be_and_not_more(panel: Panel) -> None:
    with pytest.raises(ValueError, match=str(FEEDS_MAX)):
        panel.chain.call("Oracle.submit", (Answer(PRICE, 1, panel.now_ms),) * (FEEDS_MAX + 1))
    report = panel.statement(1)
    with pytest.raises(ValueError, match=str(PROVIDERS_MAX)):
        panel.chain.call("Oracle.submit_report", report, panel.report(report, [ALICE]) * (PROVIDERS_MAX + 1))


def test_provider_with_less_than_nine_tenths_of_its_bond_is_silent(panel: Panel) -> None:
    oracle = panel.oracle
    found = oracle.store.get_provider(ALICE)
    reason, least = oracle.panel.reason, BOND * 9 // 10
    panel.chain.pallets.balances.release(reason, ALICE, BOND - least)
    oracle.provider.put(ALICE, structs.replace(found, bond=least))
    panel.answer({ALICE: 1})
    panel.chain.pallets.balances.release(reason, ALICE, 1)
    oracle.provider.put(ALICE, structs.replace(found, bond=least - 1))
    refuse(panel, errors.BondTooLow, ALICE, Answer(LOAD, 1, panel.now_ms))
    report = panel.statement(1)
    refuse_report(panel, errors.BondTooLow, report, panel.report(report, [ALICE, BOB, CHARLIE]))
    panel.chain.ok(ALICE, "Oracle.restore_bond")
    assert panel.chain.events()[-1] == events.BondRestored(ALICE, BOND - least + 1)
    panel.answer({ALICE: 1}, LOAD)


def test_bond_is_restored_when_something_is_missing_and_can_be_paid(panel: Panel) -> None:
    oracle, balances = panel.oracle, panel.chain.pallets.balances
    panel.chain.noop(oracle.error(errors.NotMember), EVE, "Oracle.restore_bond")
    panel.chain.noop(oracle.error(errors.BondComplete), ALICE, "Oracle.restore_bond")
    oracle.provider.put(ALICE, structs.replace(oracle.store.get_provider(ALICE), bond=0))
    balances.release(oracle.panel.reason, ALICE, BOND)
    everything = ENDOWMENT - BOND // 2
    panel.chain.ok(ALICE, "Balances.transfer_keep_alive", EVE, everything)
    panel.chain.noop(oracle.error(errors.BondTooLow), ALICE, "Oracle.restore_bond")


# --- reports


def test_report_of_a_quorum_is_the_answer_of_each_signer(panel: Panel) -> None:
    report = panel.statement(45_000, age_ms=3)
    post = panel.chain.ok(EVE, "Oracle.submit_report", report, panel.report(report, [ALICE, BOB, CHARLIE]))
    assert post.pays_fee is Pays.No
    assert panel.chain.events() == [events.ReportAccepted(PRICE, panel.round, 45_000, 3, EVE)]
    for who in (ALICE, BOB, CHARLIE):
        assert panel.oracle.raw.get(PRICE, who) == RawAnswer(panel.round, 45_000, panel.now_ms - 3)
    panel.chain.next_block()
    found = panel.oracle.value.get(PRICE)
    assert found is not None
    assert (found.value, found.count) == (45_000, 3)


def test_report_replaces_no_answer_that_was_given(panel: Panel) -> None:
    panel.answer({ALICE: 44_000, BOB: 44_000})
    report = panel.statement(45_000)
    panel.chain.ok(EVE, "Oracle.submit_report", report, panel.report(report, [ALICE, BOB, CHARLIE]))
    assert panel.chain.events() == [events.ReportAccepted(PRICE, panel.round, 45_000, 1, EVE)]
    found = panel.oracle.raw.get(PRICE, ALICE)
    assert found is not None
    assert found.value == 44_000


def test_report_comes_once(panel: Panel) -> None:
    report = panel.statement(45_000)
    signatures = panel.report(report, [ALICE, BOB, CHARLIE])
    panel.chain.ok(EVE, "Oracle.submit_report", report, signatures)
    refuse_report(panel, errors.AlreadySubmitted, report, signatures)
    refuse_report(panel, errors.AlreadySubmitted, report, signatures[::-1])
    panel.next_round()
    refuse_report(panel, errors.TooOld, report, signatures)


def test_report_is_of_the_open_round(panel: Panel) -> None:
    for ahead, error in ((1, errors.FutureTimestamp), (-1, errors.TooOld)):
        report = structs.replace(panel.statement(1), round=panel.round + ahead)
        refuse_report(panel, error, report, panel.report(report, [ALICE, BOB, CHARLIE]))


def test_report_needs_a_quorum_of_different_signers(panel: Panel) -> None:
    report = panel.statement(1)
    refuse_report(panel, errors.BadQuorum, report, ())
    refuse_report(panel, errors.BadQuorum, report, panel.report(report, [ALICE, BOB]))
    refuse_report(panel, errors.DuplicateSigner, report, panel.report(report, [ALICE, BOB, ALICE]))
    refuse_report(panel, errors.NotMember, report, panel.report(report, [ALICE, BOB, EVE]))


def test_feed_of_a_report_must_exist(panel: Panel) -> None:
    report = panel.statement(1, feed=UNKNOWN)
    refuse_report(panel, errors.UnknownFeed, report, panel.report(report, [ALICE, BOB, CHARLIE]))


def test_signature_is_of_this_statement_by_this_provider_on_this_chain(panel: Panel) -> None:
    report = panel.statement(45_000)
    good = panel.report(report, [ALICE, BOB, CHARLIE])
    key, message = statement_key(CHARLIE), make_message(block_hash(0), report)
    forged = [
        *(
            key.sign(make_message(block_hash(0), other))
            for other in (
                structs.replace(report, value=45_001),
                structs.replace(report, feed=LOAD),
                structs.replace(report, round=report.round + 1),
                structs.replace(report, time_ms=report.time_ms - 1),
            )
        ),
        key.sign(make_message(Hash(blake2_256(b"another chain")), report)),
        key.sign(message[1 + len(DOMAIN) :]),
        statement_key(DAVE).sign(message),
        bytes(64),
    ]
    for signature in forged:
        refuse_report(panel, errors.BadSignature, report, (*good[:2], ReportSignature(CHARLIE, signature)))
        refuse_report(panel, errors.BadSignature, report, (ReportSignature(CHARLIE, signature), *good[:2]))
    panel.chain.ok(EVE, "Oracle.submit_report", report, good)


def test_statement_has_these_bytes() -> None:
    message = make_message(Hash(bytes(range(32))), Statement(1, 2, -3, 4))
    assert message.hex() == (
        "54" + b"loam:oracle:statement".hex() + bytes(range(32)).hex() + "01000000" + "0200000000000000"
        "fdffffffffffffffffffffffffffffff" + "0400000000000000"
    )


def test_no_money_moves_by_answers(panel: Panel) -> None:
    panel.agree(45_000, 45_000, 45_000)
    report = panel.statement(45_000, feed=LOAD)
    panel.chain.ok(EVE, "Oracle.submit_report", report, panel.report(report, [ALICE, BOB, CHARLIE]))
    moved = [event for event in panel.chain.block_events() if isinstance(event, balances_events.Transfer)]
    assert moved == []
    assert panel.oracle.get(PRICE_KEY).value == 45_000  # type: ignore[union-attr]  # fresh
