"""Who sets feeds and providers, what a feed can be, what becomes of one that contradicts itself."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from genesis.consortium import EXISTENTIAL_DEPOSIT
from pallets.oracle import errors, events
from pallets.oracle.statement import SignedStatement
from pallets.oracle.types import (
    AGE_MAX_MS,
    DECIMALS_MAX,
    FEEDS_MAX,
    HEARTBEAT_MIN_MS,
    PROVIDERS_MAX,
    Fault,
    Feed,
    FeedStatus,
    Provider,
)
from runtime.frame.dispatch import NOBODY, BadOrigin, PalletError, Pays, Signed
from runtime.frame.dispatch import ROOT as GOVERNANCE
from runtime.frame.feeds import Fresh
from runtime.frame.fungible import Preservation
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE
from tests.support.oracle import (
    BOND,
    ENDOWMENT,
    ENDPOINTS,
    LOAD,
    LOAD_KEY,
    PRICE,
    PRICE_KEY,
    PROVIDERS,
    RULES,
    TREASURY,
    Panel,
    oracle_chain,
    sign,
    signed_statement,
    statement_key,
)

KEY = statement_key(EVE).public
SLASHED = BOND // 10


def refuse(panel: Panel, error: type[PalletError], name: str, *args: Any) -> None:
    panel.chain.noop(panel.oracle.error(error), GOVERNANCE, f"Oracle.{name}", *args)


# --- governance


@pytest.mark.parametrize("origin", [Signed(ALICE), NOBODY])
def test_feeds_and_providers_are_governed(panel: Panel, origin: Any) -> None:
    for name, args in (
        ("set_feed", (PRICE_KEY, RULES)),
        ("pause_feed", (PRICE,)),
        ("resume_feed", (PRICE,)),
        ("add_provider", (EVE, KEY, ENDPOINTS)),
        ("set_provider", (ALICE, KEY, ENDPOINTS)),
        ("remove_provider", (ALICE,)),
    ):
        panel.chain.noop(BadOrigin, origin, f"Oracle.{name}", *args)


def test_feed_is_added_under_the_next_number(panel: Panel) -> None:
    panel.chain.ok(GOVERNANCE, "Oracle.set_feed", b"carbon", RULES)
    assert panel.chain.events() == [events.FeedAdded(2, b"carbon")]
    assert panel.oracle.feed.get(2) == Feed(b"carbon", RULES)
    assert panel.agree(1, 2, 3, feed=2).value == 2


def test_feed_gets_other_rules_and_keeps_what_gives_its_values_their_meaning(panel: Panel) -> None:
    panel.agree(45_000, 45_000, 45_000)
    wider = structs.replace(RULES, quorum=4, fresh_ms=20_000, greatest=9, outlier_ppm=1, deviation_bps=2)
    panel.chain.ok(GOVERNANCE, "Oracle.set_feed", PRICE_KEY, wider)
    assert panel.chain.events() == [events.FeedChanged(PRICE)]
    assert panel.oracle.feed.get(PRICE) == Feed(PRICE_KEY, wider)
    assert isinstance(panel.oracle.get(PRICE_KEY), Fresh)
    for other in (
        structs.replace(RULES, heartbeat_ms=5_000),
        structs.replace(RULES, decimals=3),
        structs.replace(RULES, unit=b"EUR/kWh"),
    ):
        refuse(panel, errors.BadFeed, "set_feed", PRICE_KEY, other)


def test_other_rules_leave_a_paused_feed_paused(panel: Panel) -> None:
    panel.chain.ok(GOVERNANCE, "Oracle.pause_feed", PRICE)
    panel.chain.ok(GOVERNANCE, "Oracle.set_feed", PRICE_KEY, structs.replace(RULES, quorum=4))
    found = panel.oracle.store.get_feed(PRICE)
    assert found.status is FeedStatus.Paused


@pytest.mark.parametrize(
    "changes",
    [
        {"decimals": DECIMALS_MAX + 1},
        {"least": 1, "greatest": 0},
        {"heartbeat_ms": HEARTBEAT_MIN_MS - 1},
        {"fresh_ms": RULES.heartbeat_ms - 1},
        {"usable_ms": RULES.fresh_ms - 1},
        {"usable_ms": AGE_MAX_MS + 1},
    ],
    ids=",".join,
)
def test_impossible_feed_is_refused(panel: Panel, changes: dict[str, int]) -> None:
    refuse(panel, errors.BadFeed, "set_feed", b"new", structs.replace(RULES, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"decimals": DECIMALS_MAX},
        {"least": 0, "greatest": 0},
        {"heartbeat_ms": HEARTBEAT_MIN_MS, "fresh_ms": HEARTBEAT_MIN_MS, "usable_ms": HEARTBEAT_MIN_MS},
        {"usable_ms": AGE_MAX_MS},
        {"heartbeat_ms": AGE_MAX_MS, "fresh_ms": AGE_MAX_MS, "usable_ms": AGE_MAX_MS},
        {"least": -(1 << 127), "greatest": (1 << 127) - 1},
    ],
    ids=",".join,
)
def test_feed_at_the_limits_takes_answers(panel: Panel, changes: dict[str, int]) -> None:
    rules = structs.replace(RULES, **changes)
    panel.chain.ok(GOVERNANCE, "Oracle.set_feed", b"new", rules)
    values = (rules.least, rules.least, rules.greatest, rules.greatest)
    assert panel.agree(*values, feed=2).value == rules.greatest


def test_feed_needs_a_key(panel: Panel) -> None:
    refuse(panel, errors.BadFeed, "set_feed", b"", RULES)


@pytest.mark.parametrize("quorum", [0, PROVIDERS_MAX + 1])
def test_quorum_is_of_one_to_all_providers(panel: Panel, quorum: int) -> None:
    refuse(panel, errors.BadQuorum, "set_feed", b"new", structs.replace(RULES, quorum=quorum))


def test_there_are_so_many_feeds_and_not_more(panel: Panel) -> None:
    for number in range(2, FEEDS_MAX):
        panel.chain.ok(GOVERNANCE, "Oracle.set_feed", b"%d" % number, RULES)
    refuse(panel, errors.TooManyFeeds, "set_feed", b"new", RULES)
    panel.chain.ok(GOVERNANCE, "Oracle.set_feed", LOAD_KEY, structs.replace(RULES, quorum=4))


def test_feed_is_paused_once_and_resumed_once(panel: Panel) -> None:
    refuse(panel, errors.UnknownFeed, "pause_feed", 7)
    refuse(panel, errors.UnknownFeed, "resume_feed", 7)
    refuse(panel, errors.FeedActive, "resume_feed", PRICE)
    panel.chain.ok(GOVERNANCE, "Oracle.pause_feed", PRICE)
    assert panel.chain.events() == [events.FeedPaused(PRICE)]
    refuse(panel, errors.FeedPaused, "pause_feed", PRICE)
    panel.chain.ok(GOVERNANCE, "Oracle.resume_feed", PRICE)
    assert panel.chain.events() == [events.FeedResumed(PRICE)]


def test_provider_is_added_with_its_bond(panel: Panel) -> None:
    panel.chain.ok(GOVERNANCE, "Oracle.add_provider", EVE, KEY, ENDPOINTS)
    assert panel.chain.events() == [events.ProviderAdded(EVE, BOND)]
    assert panel.oracle.provider.get(EVE) == Provider(KEY, ENDPOINTS, BOND, panel.now_ms)
    assert panel.oracle.members.get() == tuple(sorted((*PROVIDERS, EVE)))
    assert panel.chain.pallets.balances.reserved_balance(EVE) == BOND
    panel.answer({EVE: 45_000})


def test_provider_must_be_new_and_pay_its_bond(panel: Panel) -> None:
    refuse(panel, errors.AlreadyMember, "add_provider", ALICE, KEY, ENDPOINTS)
    refuse(panel, errors.KeyTaken, "add_provider", EVE, statement_key(ALICE).public, ENDPOINTS)
    refuse(panel, errors.BondTooLow, "add_provider", FERDIE, KEY, ENDPOINTS)
    panel.chain.ok(EVE, "Balances.transfer_keep_alive", FERDIE, BOND)
    refuse(panel, errors.BondTooLow, "add_provider", FERDIE, KEY, ENDPOINTS)


def test_there_are_so_many_providers_and_not_more() -> None:
    crowd = tuple(AccountId(bytes([number]) * 32) for number in range(1, PROVIDERS_MAX + 1))
    panel = Panel(oracle_chain(providers=crowd))
    refuse(panel, errors.TooManyProviders, "add_provider", EVE, KEY, ENDPOINTS)
    panel.next_round()
    panel.answer(dict.fromkeys(crowd, 45_000))
    panel.chain.next_block()
    found = panel.oracle.value.get(PRICE)
    assert found is not None
    assert found.count == PROVIDERS_MAX
    panel.chain.close_block()


def test_provider_gets_another_key_that_nobody_has(panel: Panel) -> None:
    refuse(panel, errors.NotMember, "set_provider", EVE, KEY, ENDPOINTS)
    refuse(panel, errors.KeyTaken, "set_provider", ALICE, statement_key(BOB).public, ENDPOINTS)
    panel.chain.ok(GOVERNANCE, "Oracle.set_provider", ALICE, statement_key(ALICE).public, Hash(bytes(32)))
    panel.chain.ok(GOVERNANCE, "Oracle.set_provider", ALICE, KEY, ENDPOINTS)
    assert panel.chain.events() == [events.ProviderChanged(ALICE)]
    found = panel.oracle.store.get_provider(ALICE)
    assert (found.key, found.endpoints, found.bond) == (KEY, ENDPOINTS, BOND)


def test_provider_is_removed_with_its_bond_and_its_answers(panel: Panel) -> None:
    refuse(panel, errors.NotMember, "remove_provider", EVE)
    panel.answer({ALICE: 45_000, BOB: 45_000, CHARLIE: 45_000})
    panel.chain.ok(GOVERNANCE, "Oracle.remove_provider", ALICE)
    assert panel.chain.events() == [events.ProviderRemoved(ALICE, BOND, Fault.Governance)]
    assert panel.chain.pallets.balances.reserved_balance(ALICE) == 0
    assert panel.closing_events() == []
    assert panel.oracle.value.get(PRICE) is None


# --- equivocation


@pytest.fixture
def proof(panel: Panel) -> tuple[SignedStatement, SignedStatement]:
    """Two statements that Dave signed for one round."""
    one, other = panel.statement(45_000), panel.statement(46_000)
    return signed_statement(DAVE, one), signed_statement(DAVE, other)


def test_two_statements_for_one_round_cost_a_tenth_and_the_seat(
    panel: Panel, proof: tuple[SignedStatement, SignedStatement]
) -> None:
    balances = panel.chain.pallets.balances
    treasury = balances.total_balance(TREASURY)
    post = panel.chain.ok(EVE, "Oracle.report_equivocation", DAVE, *proof)
    assert post.pays_fee is Pays.No
    told = [event for event in panel.chain.events() if isinstance(event, events.ProviderSlashed)]
    assert told == [events.ProviderSlashed(DAVE, SLASHED, Fault.Equivocation)]
    assert panel.chain.events()[-1] == events.ProviderRemoved(DAVE, BOND - SLASHED, Fault.Equivocation)
    assert balances.total_balance(TREASURY) == treasury + SLASHED
    assert (balances.reserved_balance(DAVE), balances.total_balance(DAVE)) == (0, ENDOWMENT - SLASHED)
    assert DAVE not in panel.oracle.members.get()
    panel.chain.noop(panel.oracle.error(errors.NotMember), EVE, "Oracle.report_equivocation", DAVE, *proof)


def test_statements_that_differ_in_time_contradict_each_other(panel: Panel) -> None:
    proof = (panel.statement(45_000), panel.statement(45_000, age_ms=1))
    signed = tuple(signed_statement(DAVE, one) for one in proof)
    panel.chain.ok(EVE, "Oracle.report_equivocation", DAVE, *signed)


def test_old_proof_is_as_good_as_a_new_one(
    panel: Panel, proof: tuple[SignedStatement, SignedStatement]
) -> None:
    panel.next_round(3)
    panel.chain.ok(EVE, "Oracle.report_equivocation", DAVE, *proof)


def test_slash_of_an_account_without_free_balance_leaves_it_alive(
    panel: Panel, proof: tuple[SignedStatement, SignedStatement]
) -> None:
    system, balances = panel.chain.pallets.system, panel.chain.pallets.balances
    system.inc_providers(DAVE)
    panel.chain.ok(DAVE, "Balances.transfer_allow_death", EVE, ENDOWMENT - BOND)
    assert balances.reducible_balance(DAVE, Preservation.EXPENDABLE) == 0
    panel.chain.ok(EVE, "Oracle.report_equivocation", DAVE, *proof)
    moved = SLASHED - EXISTENTIAL_DEPOSIT
    assert panel.chain.events()[-1] == events.ProviderRemoved(DAVE, BOND - moved, Fault.Equivocation)
    assert balances.total_balance(TREASURY) == EXISTENTIAL_DEPOSIT + moved
    assert balances.total_balance(DAVE) == BOND - moved


def refused_proofs(
    panel: Panel,
) -> Iterator[tuple[type[PalletError], AccountId, SignedStatement, SignedStatement]]:
    statement = panel.statement(45_000)
    first = signed_statement(DAVE, statement)
    second = signed_statement(DAVE, structs.replace(statement, value=46_000))
    yield errors.NotMember, EVE, first, second
    yield errors.NoContradiction, DAVE, first, first
    for change in ({"feed": LOAD, "value": 1}, {"round": panel.round + 1, "value": 1}):
        yield (
            errors.NoContradiction,
            DAVE,
            first,
            signed_statement(DAVE, structs.replace(statement, **change)),
        )
    yield errors.BadSignature, DAVE, first, SignedStatement(second.statement, first.signature)
    yield errors.BadSignature, DAVE, SignedStatement(first.statement, bytes(64)), second
    yield errors.BadSignature, DAVE, first, SignedStatement(second.statement, sign(ALICE, second.statement))
    yield errors.BadSignature, ALICE, first, second
    unknown = structs.replace(statement, feed=7)
    yield errors.UnknownFeed, DAVE, signed_statement(DAVE, unknown), second


def test_what_proves_nothing_changes_nothing(panel: Panel) -> None:
    for error, who, first, second in refused_proofs(panel):
        panel.chain.noop(panel.oracle.error(error), EVE, "Oracle.report_equivocation", who, first, second)
    assert len(panel.oracle.members.get()) == len(PROVIDERS)


def test_provider_answers_for_nothing_from_before_it_joined(panel: Panel) -> None:
    old = tuple(signed_statement(EVE, panel.statement(value)) for value in (1, 2))
    panel.next_round()
    panel.chain.ok(GOVERNANCE, "Oracle.add_provider", EVE, KEY, ENDPOINTS)
    too_old = panel.oracle.error(errors.TooOld)
    panel.chain.noop(too_old, ALICE, "Oracle.report_equivocation", EVE, *old)
    new = tuple(signed_statement(EVE, panel.statement(value)) for value in (1, 2))
    panel.chain.ok(ALICE, "Oracle.report_equivocation", EVE, *new)


def test_proof_is_for_signers(panel: Panel, proof: tuple[SignedStatement, SignedStatement]) -> None:
    for origin in (GOVERNANCE, NOBODY):
        panel.chain.noop(BadOrigin, origin, "Oracle.report_equivocation", DAVE, *proof)


def test_answer_beside_a_statement_is_no_contradiction(panel: Panel) -> None:
    panel.answer({ALICE: 45_000})
    report = panel.statement(46_000)
    panel.chain.ok(EVE, "Oracle.submit_report", report, panel.report(report, [ALICE, BOB, CHARLIE]))
    assert len(panel.oracle.members.get()) == len(PROVIDERS)
