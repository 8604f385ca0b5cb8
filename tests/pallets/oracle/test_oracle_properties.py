"""What holds of every sequence: honest values bound the result, order is irrelevant, nothing stale reads as
fresh, bonds bound slashes, and no GRID comes or goes."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pallets.oracle import events
from pallets.oracle.rounds import round_at
from pallets.oracle.types import Answer, GenesisFeed
from runtime.frame.dispatch import ROOT, Origin
from runtime.frame.feeds import Fresh, Insufficient, Reading, Stale
from runtime.primitives.types import AccountId
from tests.support.chain import EVE
from tests.support.oracle import (
    BOND,
    ENDOWMENT,
    PRICE,
    PRICE_KEY,
    PROVIDERS,
    RULES,
    TREASURY,
    Panel,
    oracle_chain,
    signed_statement,
    statement_key,
)

SEVEN = tuple(AccountId(bytes([number]) * 32) for number in range(1, 8))
VALUES = st.integers(RULES.least, RULES.greatest)
AGES = st.integers(0, RULES.fresh_ms)


def seven() -> Panel:
    panel = Panel(oracle_chain((GenesisFeed(PRICE_KEY, RULES),), SEVEN))
    panel.next_round()
    return panel


def give(panel: Panel, answers: Sequence[tuple[AccountId, int, int]]) -> None:
    for who, value, age_ms in answers:
        panel.answer({who: value}, age_ms=age_ms)


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.tuples(VALUES, AGES), min_size=7, max_size=7), st.data())
def test_result_lies_between_honest_values_whatever_the_minority_says(
    drawn: list[tuple[int, int]], data: st.DataObject
) -> None:
    liars = data.draw(st.integers(0, 3))
    answers = [(who, *one) for who, one in zip(SEVEN, drawn, strict=True)]
    honest = answers[liars:]
    panel = seven()
    now_ms = panel.now_ms
    give(panel, data.draw(st.permutations(answers)))
    panel.chain.next_block()
    found = panel.oracle.value.get(PRICE)
    assert found is not None
    assert min(value for _, value, _ in honest) <= found.value <= max(value for _, value, _ in honest)
    ages = [age for _, _, age in honest]
    assert min(ages) <= now_ms - found.measured_ms <= max(ages)
    assert found.oldest_ms <= found.measured_ms
    assert found.spread >= 0
    panel.chain.close_block()


@pytest.mark.slow
@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(SEVEN), VALUES), min_size=3, max_size=7, unique_by=lambda one: one[0]),
    st.data(),
)
def test_order_of_answers_changes_neither_value_nor_strikes(
    drawn: list[tuple[AccountId, int]], data: st.DataObject
) -> None:
    roots = []
    for answers in (drawn, data.draw(st.permutations(drawn))):
        panel = seven()
        give(panel, [(who, value, 0) for who, value in answers])
        panel.next_round()
        panel.chain.next_block()
        stored = panel.oracle
        roots.append(
            (
                stored.value.get(PRICE),
                dict(stored.strikes.items()),
                dict(stored.quality.items()),
                dict(stored.raw.items()),
            )
        )
        panel.chain.close_block()
    assert roots[0] == roots[1]


@pytest.mark.slow
@settings(max_examples=30)
@given(st.lists(VALUES, min_size=3, max_size=6))
def test_copy_of_the_median_does_not_move_it(values: list[int]) -> None:
    panel = seven()
    give(panel, [(who, value, 0) for who, value in zip(SEVEN, values, strict=False)])
    panel.chain.next_block()
    before = panel.oracle.value.get(PRICE)
    assert before is not None
    panel.answer({SEVEN[len(values)]: before.value})
    panel.chain.next_block()
    after = panel.oracle.value.get(PRICE)
    assert after is not None
    assert (after.value, after.count) == (before.value, before.count + 1)
    panel.chain.close_block()


def expected_reading(measured_ms: int, now_ms: int) -> type[Reading]:
    age_ms = now_ms - measured_ms
    if age_ms <= RULES.fresh_ms:
        return Fresh
    return Stale if age_ms <= RULES.usable_ms else Insufficient


@pytest.mark.slow
@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4), AGES), min_size=1, max_size=12),
)
def test_stale_never_reads_as_fresh(steps: list[tuple[int, int, int]]) -> None:
    panel = Panel()
    panel.next_round()
    measured: int | None = None
    for blocks, answers, age_ms in steps:
        free = [who for who in PROVIDERS if not _has_answered(panel, who)][:answers]
        panel.answer(dict.fromkeys(free, 45_000), age_ms=age_ms)
        panel.chain.next_block(blocks)
        found = panel.oracle.value.get(PRICE)
        measured = None if found is None else found.measured_ms
        reading = panel.oracle.get(PRICE_KEY)
        if measured is None:
            assert reading == Insufficient()
        else:
            assert type(reading) is expected_reading(measured, panel.now_ms)
    panel.chain.close_block()


def _has_answered(panel: Panel, who: AccountId) -> bool:
    raw = panel.oracle.raw.get(PRICE, who)
    return raw is not None and raw.round == panel.round


ACTIONS = ("others", "others", "others", "lie", "equivocate", "remove", "restore", "add", "pause", "resume")


def act(panel: Panel, action: str, who: AccountId) -> None:
    """Make the calls of an action, whether or not they may be made."""
    chain = panel.chain
    if action == "others":
        for other in panel.oracle.members.get():
            if other != who:
                answer = Answer(PRICE, 45_000, panel.now_ms)
                chain.dispatch(other, chain.call("Oracle.submit", (answer,)))
        return
    proof = tuple(signed_statement(who, panel.statement(value)) for value in (1, 2))
    origin: Origin | AccountId
    match action:
        case "lie":
            origin, call = who, chain.call("Oracle.submit", (Answer(PRICE, 90_000, panel.now_ms),))
        case "equivocate":
            origin, call = EVE, chain.call("Oracle.report_equivocation", who, *proof)
        case "restore":
            origin, call = who, chain.call("Oracle.restore_bond")
        case "remove":
            origin, call = ROOT, chain.call("Oracle.remove_provider", who)
        case "add":
            key = statement_key(who).public
            origin, call = ROOT, chain.call("Oracle.add_provider", who, key, bytes(32))
        case _:
            origin, call = ROOT, chain.call(f"Oracle.{action}_feed", PRICE)
    chain.dispatch(origin, call)


@pytest.mark.slow
@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.sampled_from((*PROVIDERS, EVE)), st.integers(0, 9)),
        min_size=40,
        max_size=80,
    ),
    st.integers(1, BOND),
)
def test_slashes_never_exceed_bonds_and_grid_is_conserved(
    steps: list[tuple[str, AccountId, int]], bond: int
) -> None:
    panel = Panel(oracle_chain(bond=bond))
    balances, oracle = panel.chain.pallets.balances, panel.oracle
    issued, treasury = balances.total_issuance.get(), balances.total_balance(TREASURY)
    lost = dict.fromkeys((*PROVIDERS, EVE), 0)
    for action, who, blocks in steps:
        act(panel, action, who)
        panel.chain.number += blocks
        for event in (*panel.block_events(), *panel.closing_events()):
            match event:
                case events.ProviderSlashed(provider=provider, amount=amount):
                    assert amount <= bond
                    lost[provider] += amount
                case events.ProviderRemoved(bond=rest):
                    assert 0 <= rest <= bond
                case _:
                    pass
        assert balances.total_issuance.get() == issued
        assert balances.total_balance(TREASURY) == treasury + sum(lost.values())
        for each in lost:
            found = oracle.provider.get(each)
            assert found is None or 0 <= found.bond <= bond
            assert balances.total_balance(each) == ENDOWMENT - lost[each]
    panel.chain.close_block()


@settings(max_examples=60)
@given(st.integers(0, 1 << 50))
def test_round_is_that_which_holds_the_time(now_ms: int) -> None:
    number = round_at(RULES, now_ms)
    assert number * RULES.heartbeat_ms <= now_ms < (number + 1) * RULES.heartbeat_ms
