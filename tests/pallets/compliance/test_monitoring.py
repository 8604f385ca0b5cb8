"""Rules against money laundering see every movement of WATT, and cases are told to nobody."""

import json
from pathlib import Path
from typing import Any

import pytest

from genesis.consortium import UNIT, WATT_ID
from genesis.regulation import RULES
from pallets.compliance import monitoring_errors as errors
from pallets.compliance import monitoring_events as events
from pallets.compliance import monitoring_types
from pallets.compliance.aml import RECEIVERS_MAX, VELOCITY_MAX
from pallets.compliance.monitoring import Monitoring
from pallets.compliance.monitoring_types import (
    Action,
    Case,
    CaseState,
    Clearance,
    Dismissed,
    Flagged,
    Reported,
    Rule,
    RuleKind,
    Window,
)
from pallets.compliance.office import Role
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, DispatchError, PalletError
from runtime.frame.permissions import Movement
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId
from tests.support.chain import FERDIE
from tests.support.supervision import (
    BASIC,
    LOCAL,
    OFFICER,
    PAPER,
    STRANGER,
    TRADER,
    freeze,
    now_ms,
    travel,
    watt_of,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors/data/aml_rules.json").read_text())["cases"]
DAY_S = 86_400
OFFICER_CALLS: list[tuple[str, tuple[Any, ...]]] = [
    ("set_rule", (RuleKind.Single, 1, 0, Action.Flag)),
    ("remove_rule", (RuleKind.Single,)),
    ("clear_transfer", (TRADER, 1, 2**63)),
    ("open_case", (PAPER,)),
    ("review_case", (0, PAPER)),
    ("decide_case", (0, Dismissed())),
]


def monitoring(chain: LOCAL) -> Monitoring:
    return chain.pallets.supervision.monitoring


def error(chain: LOCAL, cls: type[PalletError]) -> DispatchError:
    return monitoring(chain).error(cls)


@pytest.fixture
def lax(chain: LOCAL) -> LOCAL:
    """A chain without rules."""
    for kind, _ in RULES:
        chain.ok(OFFICER, "Monitoring.remove_rule", kind)
    return chain


def set_rule(chain: LOCAL, kind: RuleKind, threshold: int, window_s: int, action: Action) -> None:
    chain.ok(OFFICER, "Monitoring.set_rule", kind, threshold, window_s, action)


def pay(chain: LOCAL, amount: int, to: AccountId = FERDIE, who: AccountId = TRADER) -> list[RuleKind]:
    """Send WATT; return by which rules it was flagged."""
    count = monitoring(chain).flag_count.get()
    chain.ok(who, "Assets.transfer", WATT_ID, to, amount)
    if monitoring(chain).flag_count.get() == count:
        return []
    assert events.TransferFlagged(count) in chain.events()
    found = monitoring(chain).flagged.get(count)
    assert found is not None
    return list(found.rules)


# --- officers


@pytest.mark.parametrize(("name", "args"), OFFICER_CALLS)
def test_rules_and_cases_are_for_officers_of_cases(chain: LOCAL, name: str, args: tuple[Any, ...]) -> None:
    others = tuple(one for one in Role if one is not Role.Cases)
    chain.ok(ROOT, "Compliance.register_officer", FERDIE, others)
    for who in (FERDIE, STRANGER):
        chain.noop(error(chain, errors.NotOfficer), who, f"Monitoring.{name}", *args)
    for origin in (ROOT, NOBODY):
        chain.noop(BadOrigin, origin, f"Monitoring.{name}", *args)


# --- rules


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_flags_are_those_of_the_vectors(lax: LOCAL, case: dict[str, Any]) -> None:
    rules = case["rules"]
    set_rule(lax, RuleKind.Single, rules["single"] * UNIT, 0, Action.Flag)
    set_rule(lax, RuleKind.Rolling, rules["agg"] * UNIT, rules["agg_window_s"], Action.Flag)
    set_rule(lax, RuleKind.Velocity, rules["velocity_n"], rules["velocity_window_s"], Action.Flag)
    names = {"R1": RuleKind.Single, "R2": RuleKind.Rolling, "R3": RuleKind.Velocity}
    pallet = monitoring(lax)
    for transfer, flags in zip(case["transfers"], case["flags"], strict=True):
        travel(lax, transfer["t"] * 1_000)
        sender, receiver = (AccountId(blake2_256(transfer[key].encode())) for key in ("frm", "to"))
        count = pallet.flag_count.get()
        pallet.screen(Movement(sender, receiver, transfer["thb"] * UNIT))
        record = pallet.flagged.get(count)
        assert list(record.rules if record else ()) == [names[flag[:2]] for flag in flags]


def test_chain_starts_with_the_thresholds_of_the_law(chain: LOCAL) -> None:
    assert dict(monitoring(chain).rule.items()) == {
        RuleKind.Single: Rule(100_000 * UNIT, 0, Action.Flag),
        RuleKind.Rolling: Rule(100_000 * UNIT, 86_400, Action.Flag),
        RuleKind.Velocity: Rule(20, 3_600, Action.Flag),
        RuleKind.Counterparty: Rule(20, 86_400, Action.Flag),
        RuleKind.Sanction: Rule(0, 0, Action.Reject),
    }


def test_rule_of_single_amounts_finds_from_its_threshold_on(chain: LOCAL) -> None:
    assert pay(chain, 100_000 * UNIT) == [RuleKind.Single]
    assert pay(chain, 100_000 * UNIT - 1) == []


def test_rolling_rule_stands_alone(lax: LOCAL) -> None:
    set_rule(lax, RuleKind.Rolling, 10, DAY_S, Action.Flag)
    assert pay(lax, UNIT) == [RuleKind.Rolling]


def test_rule_that_is_removed_finds_nothing(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Monitoring.remove_rule", RuleKind.Single)
    assert chain.events() == [events.RuleRemoved(RuleKind.Single)]
    chain.noop(error(chain, errors.UnknownRule), OFFICER, "Monitoring.remove_rule", RuleKind.Single)
    chain.ok(OFFICER, "Monitoring.remove_rule", RuleKind.Rolling)
    assert pay(chain, 100_000 * UNIT) == []


def test_more_different_receivers_than_the_rule_counts_are_found(lax: LOCAL) -> None:
    set_rule(lax, RuleKind.Counterparty, 2, 60, Action.Flag)
    people = [AccountId(bytes([number]) * 32) for number in range(4)]
    assert pay(lax, UNIT, people[0]) == []
    assert pay(lax, UNIT, people[1]) == []
    assert pay(lax, UNIT, people[0]) == []
    assert pay(lax, UNIT, people[2]) == [RuleKind.Counterparty]
    mark = lax.state.mark()
    travel(lax, now_ms(lax) + 59_000)
    assert pay(lax, UNIT, people[3]) == [RuleKind.Counterparty]
    lax.state.rollback(mark)
    travel(lax, now_ms(lax) + 60_000)
    assert pay(lax, UNIT, people[3]) == []


def test_as_many_receivers_are_remembered_as_the_limit(lax: LOCAL) -> None:
    set_rule(lax, RuleKind.Counterparty, RECEIVERS_MAX - 1, DAY_S, Action.Flag)
    for number in range(RECEIVERS_MAX + 3):
        receiver = AccountId(number.to_bytes(32, "little"))
        monitoring(lax).screen(Movement(TRADER, receiver, 1))
    assert len(monitoring(lax).window.get(TRADER).receivers) == RECEIVERS_MAX
    assert monitoring(lax).flag_count.get() == 4


def test_nothing_is_sent_to_a_frozen_account(chain: LOCAL) -> None:
    freeze(chain, BASIC)
    rejected = error(chain, errors.RuleRejected)
    chain.noop(rejected, TRADER, "Assets.transfer", WATT_ID, BASIC, UNIT)
    set_rule(chain, RuleKind.Sanction, 0, 0, Action.Flag)
    assert pay(chain, UNIT, BASIC) == [RuleKind.Sanction]


def test_rejected_transfer_is_neither_made_nor_remembered(lax: LOCAL) -> None:
    set_rule(lax, RuleKind.Velocity, 2, 60, Action.Reject)
    assert pay(lax, UNIT) == pay(lax, UNIT) == []
    for _ in range(2):
        lax.noop(error(lax, errors.RuleRejected), TRADER, "Assets.transfer", WATT_ID, FERDIE, UNIT)
    assert watt_of(lax, FERDIE) == 2 * UNIT
    assert len(monitoring(lax).window.get(TRADER).times) == 2


def test_held_transfer_is_made_once_an_officer_clears_it(lax: LOCAL) -> None:
    set_rule(lax, RuleKind.Single, 10 * UNIT, 0, Action.Hold)
    transfer = ("Assets.transfer", WATT_ID, FERDIE, 20 * UNIT)
    held = error(lax, errors.TransferHeld)
    lax.noop(held, TRADER, *transfer)
    until = now_ms(lax) + 1_000
    expired = error(lax, errors.AlreadyExpired)
    lax.noop(expired, OFFICER, "Monitoring.clear_transfer", TRADER, 20 * UNIT, now_ms(lax))
    lax.ok(OFFICER, "Monitoring.clear_transfer", TRADER, 20 * UNIT - 1, until)
    lax.noop(held, TRADER, *transfer)
    lax.ok(OFFICER, "Monitoring.clear_transfer", TRADER, 20 * UNIT, until)
    assert lax.events() == [events.TransferCleared(TRADER, 20 * UNIT, until)]
    assert monitoring(lax).clearance.get(TRADER) == Clearance(20 * UNIT, until)
    mark = lax.state.mark()
    travel(lax, until)
    lax.noop(held, TRADER, *transfer)
    lax.state.rollback(mark)
    assert pay(lax, 20 * UNIT) == [RuleKind.Single]
    lax.noop(held, TRADER, *transfer)


def test_clearance_does_not_help_against_a_rule_that_rejects(lax: LOCAL) -> None:
    set_rule(lax, RuleKind.Single, 10 * UNIT, 0, Action.Hold)
    set_rule(lax, RuleKind.Rolling, UNIT, DAY_S, Action.Reject)
    set_rule(lax, RuleKind.Velocity, 1, DAY_S, Action.Reject)
    lax.ok(OFFICER, "Monitoring.clear_transfer", TRADER, UNIT * 100, now_ms(lax) + 1_000)
    assert pay(lax, 20 * UNIT) == [RuleKind.Single]
    lax.ok(OFFICER, "Monitoring.clear_transfer", TRADER, UNIT * 100, now_ms(lax) + 1_000)
    lax.noop(error(lax, errors.RuleRejected), TRADER, "Assets.transfer", WATT_ID, FERDIE, 20 * UNIT)


def test_nothing_moved_is_nothing_seen(lax: LOCAL) -> None:
    set_rule(lax, RuleKind.Velocity, 1, DAY_S, Action.Reject)
    for _ in range(3):
        monitoring(lax).screen(Movement(TRADER, FERDIE, 0))
    assert monitoring(lax).window.get(TRADER) == Window()


def test_rules_see_a_transfer_within_a_batch_and_one_by_a_delegate(chain: LOCAL) -> None:
    transfer = chain.call("Assets.transfer", WATT_ID, FERDIE, 60_000 * UNIT)
    chain.ok(TRADER, "Utility.batch_all", (transfer, transfer))
    assert events.TransferFlagged(0) in chain.events()
    chain.ok(TRADER, "Assets.approve_transfer", WATT_ID, BASIC, 100_000 * UNIT)
    chain.ok(BASIC, "Assets.transfer_approved", WATT_ID, TRADER, FERDIE, UNIT)
    assert events.TransferFlagged(1) in chain.events()
    assert monitoring(chain).window.get(BASIC) == Window()


SOUND = [
    (RuleKind.Single, 1, 0),
    (RuleKind.Rolling, 1, 1),
    (RuleKind.Velocity, 1, 1),
    (RuleKind.Velocity, VELOCITY_MAX, 2**32 - 1),
    (RuleKind.Counterparty, RECEIVERS_MAX - 1, 1),
    (RuleKind.Sanction, 0, 0),
]
UNSOUND = [
    (RuleKind.Single, 0, 0),
    (RuleKind.Single, 1, 1),
    (RuleKind.Rolling, 0, 1),
    (RuleKind.Rolling, 1, 0),
    (RuleKind.Velocity, 0, 1),
    (RuleKind.Velocity, 1, 0),
    (RuleKind.Velocity, VELOCITY_MAX + 1, 1),
    (RuleKind.Counterparty, 0, 1),
    (RuleKind.Counterparty, 1, 0),
    (RuleKind.Counterparty, RECEIVERS_MAX, 1),
    (RuleKind.Sanction, 1, 0),
    (RuleKind.Sanction, 0, 1),
]


@pytest.mark.parametrize(("kind", "threshold", "window_s"), SOUND)
def test_sound_rule_is_set(chain: LOCAL, kind: RuleKind, threshold: int, window_s: int) -> None:
    set_rule(chain, kind, threshold, window_s, Action.Hold)
    assert chain.events() == [events.RuleSet(kind, threshold, window_s, Action.Hold)]
    assert monitoring(chain).rule.get(kind) == Rule(threshold, window_s, Action.Hold)


@pytest.mark.parametrize(("kind", "threshold", "window_s"), UNSOUND)
def test_unsound_rule_is_refused(chain: LOCAL, kind: RuleKind, threshold: int, window_s: int) -> None:
    bad = error(chain, errors.BadRule)
    chain.noop(bad, OFFICER, "Monitoring.set_rule", kind, threshold, window_s, Action.Flag)


# --- flags


def test_flag_says_where_a_transfer_stands_and_not_whose_it_is(chain: LOCAL) -> None:
    pay(chain, 100_000 * UNIT)
    assert monitoring(chain).flagged.get(0) == Flagged(chain.number, 1, (RuleKind.Single,))


def test_latest_flags_are_kept(monkeypatch: pytest.MonkeyPatch, chain: LOCAL) -> None:
    monkeypatch.setattr("pallets.compliance.monitoring.FLAGS_KEPT", 2)
    for _ in range(3):
        pay(chain, 100_000 * UNIT)
    assert sorted(number for number, _ in monitoring(chain).flagged.items()) == [1, 2]


# --- cases


def test_case_is_opened_reviewed_and_reported(chain: LOCAL) -> None:
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    assert chain.events() == [events.CaseOpened(0)]
    opened = now_ms(chain)
    chain.ok(OFFICER, "Monitoring.review_case", 0, b"\2" * 32)
    assert chain.events() == [events.CaseReviewed(0)]
    assert monitoring(chain).case.get(0) == Case(b"\2" * 32, CaseState.Review, opened, None)
    chain.ok(OFFICER, "Monitoring.decide_case", 0, Reported(b"\3" * 32))
    assert chain.events() == [events.CaseClosed(0)]
    assert monitoring(chain).case.get(0) == Case(b"\2" * 32, CaseState.Reported, opened, b"\3" * 32)


def test_case_is_dismissed_without_a_report(chain: LOCAL) -> None:
    for _ in range(2):
        chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    chain.ok(OFFICER, "Monitoring.review_case", 1, PAPER)
    chain.ok(OFFICER, "Monitoring.decide_case", 1, Dismissed())
    found = monitoring(chain).case.get(1)
    assert found is not None
    assert (found.state, found.report) == (CaseState.Dismissed, None)


@pytest.mark.parametrize("state", CaseState)
def test_case_moves_one_way(chain: LOCAL, state: CaseState) -> None:
    chain.ok(OFFICER, "Monitoring.open_case", PAPER)
    report = PAPER if state is CaseState.Reported else None
    monitoring(chain).case.put(0, Case(PAPER, state, 0, report))
    wrong = error(chain, errors.WrongState)
    if state is not CaseState.Open:
        chain.noop(wrong, OFFICER, "Monitoring.review_case", 0, PAPER)
    if state is not CaseState.Review:
        chain.noop(wrong, OFFICER, "Monitoring.decide_case", 0, Dismissed())


@pytest.mark.parametrize(("name", "args"), [("review_case", (0, PAPER)), ("decide_case", (0, Dismissed()))])
def test_case_must_exist(chain: LOCAL, name: str, args: tuple[Any, ...]) -> None:
    chain.noop(error(chain, errors.UnknownCase), OFFICER, f"Monitoring.{name}", *args)


def test_no_event_of_a_case_or_flag_names_anybody() -> None:
    for event in (events.CaseOpened, events.CaseReviewed, events.CaseClosed, events.TransferFlagged):
        assert len(event.__struct_fields__) == 1
        assert event.__annotations__[event.__struct_fields__[0]] in (
            monitoring_types.CaseId,
            monitoring_types.FlagId,
        )
