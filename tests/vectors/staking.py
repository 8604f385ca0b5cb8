"""Staking: exposures, slashes, deferral, sessions and payouts, against published numbers of pallet_staking.

The numbers of the file are of a chain that locks stakes; ours holds them, and the existential deposit stays
beside. So an account has that much more here, and it is taken off before balances are compared.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pallets.staking import errors, events
from pallets.staking.fractions import equivocation_fraction, unresponsiveness_fraction
from pallets.staking.inflation import CurveParameters, compute_curve, compute_era_payout
from pallets.staking.slashing import Offence, list_spans
from pallets.staking.staking import Staking
from pallets.staking.types import Stash, UnappliedSlash, ValidatorPrefs
from runtime.frame.dispatch import ROOT
from runtime.primitives.arithmetic import Perbill
from tests.support.chain import Chain
from tests.support.staking import StakingChain, keys_of, staking_chain, who
from tests.vectors.case import Case, Document, Entry, Plan, ensure_equal, get_cases

PERCENT = 10_000_000
Staked = Chain[StakingChain]
DEPOSIT = 1


def plan_staking(document: Document) -> Plan:
    """Return one case for each entry."""
    return Plan(tuple(Case(entry["id"], partial(check, entry)) for entry in get_cases(document)))


def check(entry: Entry) -> None:
    """Run the check of an entry by its name."""
    name = entry["id"]
    found = CHECKS.get(name) or next(check for start, check in FAMILIES.items() if name.startswith(start))
    found(entry["setup"], entry["expect"])


def balance(chain: Staked, number: int) -> int:
    return chain.pallets.balances.total_balance(who(number)) - DEPOSIT


def offend(chain: Staked, number: int, percent: int, reporters: tuple[int, ...] = ()) -> None:
    offence = Offence(who(number), percent * PERCENT, tuple(map(who, reporters)))
    chain.pallets.staking.slashing.on_offence((offence,), chain.pallets.session.current_index.get())


def to_era(chain: Staked, era: int) -> None:
    while active(chain) < era:
        chain.next_block()


def to_session(chain: Staked, session: int) -> None:
    while chain.pallets.session.current_index.get() < session:
        chain.next_block()


def active(chain: Staked) -> int:
    found = chain.pallets.staking.active_era.get()
    assert found is not None
    return found.index


def shown(staking: Staking, era: int, number: int) -> dict[str, Any]:
    found = staking.exposure(era, who(number))
    numbers = {who(n): n for n in range(200)}
    others = sorted([numbers[other.who], other.value] for other in found.others)
    return {"total": found.total, "own": found.own, "others": others}


def check_exposure(setup: Entry, expect: Entry) -> None:
    chain = staking_chain()
    staking = chain.pallets.staking
    ensure_equal([who(n) for n in setup["candidate_order"]], sorted(map(who, setup["candidate_order"])))
    for number in ("11", "21"):
        ensure_equal(shown(staking, 0, int(number)), expect[number], number)
    ensure_equal(staking.eras_total_stake.get(0), expect["total_stake"])


def check_two_nominators(setup: Entry, expect: Entry) -> None:
    bonds = tuple((int(n), stake) for n, stake in setup["validators_bond"].items())
    nominators = tuple((int(n), stake, tuple(of)) for n, (stake, of) in setup["nominators"].items())
    owned = (*bonds, *((n, stake) for n, stake, _ in nominators))
    chain = staking_chain(bonds, nominators, balances=owned, seats=setup["winners"])
    for number, exposure in expect.items():
        ensure_equal(shown(chain.pallets.staking, 0, int(number)), exposure, number)


def check_reporter(setup: Entry, expect: Entry) -> None:
    chain = staking_chain(
        balances=((11, 1000), (21, 2000), (31, 500), (101, 2000), (1, 10 - DEPOSIT)),
    )
    after = []
    for offence in setup["offences"]:
        offend(chain, 11, int(offence.split()[1].rstrip("%")), (1,))
        after.append(balance(chain, 1) + DEPOSIT)
    ensure_equal(after, expect["balance_1_after"])


def check_invulnerable(setup: Entry, expect: Entry) -> None:
    chain = staking_chain()
    chain.ok(ROOT, "Staking.set_invulnerables", tuple(map(who, setup["invulnerables"])))
    offend(chain, 11, 50)
    offend(chain, 21, 20)
    ensure_equal(balance(chain, 11), expect["balance_11"])
    ensure_equal(balance(chain, 21), expect["balance_21"])
    ensure_equal(2000 - balance(chain, 101), expect["loss_101"])


def check_zero(_: Entry, expect: Entry) -> None:
    chain = staking_chain(
        ((11, 1000), (21, 1000), (31, 500), (41, 500)),
        balances=((11, 1000), (21, 2000), (31, 500), (41, 500), (101, 2000)),
        seats=4,
    )
    offend(chain, 11, 0)
    ensure_equal(balance(chain, 11), expect["balance_11"])
    session = chain.pallets.session
    index = session.validators.get().index(who(11))
    ensure_equal(index in dict(session.disabled_validators.get()), expect["disabled_11"])


def check_maximum(_: Entry, expect: Entry) -> None:
    chain, after = staking_chain(), []
    for percent in (50, 25, 60):
        offend(chain, 11, percent)
        after.append(balance(chain, 11))
    ensure_equal(after, expect["balance_11_after"])


def check_full(setup: Entry, expect: Entry) -> None:
    ed, owned = setup["ed"], setup["balance_11"]
    chain = staking_chain(
        ((11, owned - ed), (21, 1000)), (), balances=((11, owned - ed), (21, 1000)), deposit=ed
    )
    after = []
    for percent in (10, 100):
        offend(chain, 11, percent)
        after.append(chain.pallets.balances.total_balance(who(11)))
    staking = chain.pallets.staking
    ensure_equal(after, expect["balance_11_after"])
    ensure_equal(len(staking.ledgers.spans_of(who(11))), expect["span_records"])
    chain.noop(staking.error(errors.IncorrectSlashingSpans), who(21), "Staking.reap_stash", who(11), 0)
    chain.ok(who(21), "Staking.reap_stash", who(11), 2)


def check_pruned(setup: Entry, expect: Entry) -> None:
    chain = staking_chain()
    staking = chain.pallets.staking
    to_era(chain, setup["offence_era"])
    offend(chain, 11, 10)
    to_era(chain, expect["kept_through_active_era"])
    ensure_equal(staking.validator_slash_in_era.get(1, who(11)) is not None, expected=True)
    to_era(chain, expect["absent_at_active_era"])
    ensure_equal(staking.validator_slash_in_era.get(1, who(11)), None)
    ensure_equal(staking.nominator_slash_in_era.get(1, who(101)), None)


def check_spans(_: Entry, expect: Entry) -> None:
    chain = staking_chain(nominators=())
    after = []
    to_era(chain, 3)
    offend(chain, 21, 10)
    after.append(balance(chain, 21))
    chain.ok(who(21), "Staking.validate", ValidatorPrefs())
    to_era(chain, 4)
    after.append(balance(chain, 21))
    offend(chain, 21, 10)
    after.append(balance(chain, 21))
    ensure_equal(after, expect["balance_21_after"])
    record = chain.pallets.staking.slashing_spans.get(who(21))
    assert record is not None
    ensure_equal([list(span) for span in list_spans(record)], expect["spans_after_last"])


def check_deferred(setup: Entry, expect: Entry) -> None:
    chain = staking_chain(defer=setup["slash_defer_duration"])
    to_era(chain, 1)
    offend(chain, 11, 10)
    to_era(chain, expect["applied_at_start_of_era"] - 1)
    ensure_equal(balance(chain, 11), 1000)
    to_era(chain, expect["applied_at_start_of_era"])
    ensure_equal(balance(chain, 11), expect["balance_11"])
    ensure_equal(balance(chain, 101), expect["balance_101"])


def check_bail(setup: Entry, expect: Entry) -> None:
    chain = staking_chain(defer=setup["slash_defer_duration"])
    staking = chain.pallets.staking
    to_era(chain, 1)
    offend(chain, 11, 10)
    chain.ok(who(101), "Staking.chill")
    chain.ok(who(101), "Staking.unbond", 500)
    ledger = staking.ledger.get(who(101))
    assert ledger is not None
    ensure_equal([[c.era, c.value] for c in ledger.unlocking], [expect["unlock_chunk_101"]])
    to_session(chain, 9)
    ensure_equal((active(chain), staking.current_era.get()), (3, 3))
    chain.ok(who(101), "Staking.withdraw_unbonded", 0)
    ensure_equal(staking.ledger.get(who(101)), ledger)
    to_era(chain, 4)
    ensure_equal(balance(chain, 101), expect["balance_101_at_era_4"])


def check_cancel(setup: Entry, expect: Entry) -> None:
    chain = staking_chain(defer=2)
    staking = chain.pallets.staking
    pending = tuple(UnappliedSlash(who(11), n, (), (), 0) for n in range(setup["pending"]))
    staking.unapplied_slashes.put(3, pending)
    for text, answer in expect.items():
        indices = tuple(int(part) for part in text.strip("[]").split(",") if part)
        if answer.startswith("ok"):
            chain.ok(ROOT, "Staking.cancel_deferred_slash", 3, indices)
            ensure_equal(f"ok, {len(staking.unapplied_slashes.get(3))} left", answer)
        else:
            error = staking.error(getattr(errors, answer))
            chain.noop(error, ROOT, "Staking.cancel_deferred_slash", 3, indices)


def check_next_exposure(setup: Entry, expect: Entry) -> None:
    chain = staking_chain(seats=setup["winners"])
    to_era(chain, 1)
    offend(chain, 11, 10)
    chain.ok(who(11), "Staking.validate", ValidatorPrefs())
    to_era(chain, 2)
    staking = chain.pallets.staking
    for number, exposure in expect["era_2"].items():
        found = shown(staking, 2, int(number))
        ensure_equal({"own": found["own"], "total": found["total"]}, exposure, number)
    values = [shown(staking, 2, number)["others"][0][1] for number in (11, 21)]
    ensure_equal(values, expect["support_101"])


def check_quarter(_: Entry, expect: Entry) -> None:
    chain = staking_chain()
    offend(chain, 21, 25)
    ensure_equal(2000 - balance(chain, 21), expect["slashed_21"])
    ensure_equal(2000 - balance(chain, 101), expect["slashed_101"])


def check_newcomer(_: Entry, expect: Entry) -> None:
    owned = ((11, 1000), (21, 2000), (31, 500), (101, 2000), (3, 2000))
    chain = staking_chain(balances=owned)
    session = chain.pallets.session
    to_session(chain, 2)
    chain.ok(who(3), "Staking.bond", 1500, Stash())
    chain.ok(who(3), "Staking.validate", ValidatorPrefs())
    session.next_keys.put(who(3), keys_of(who(3)))
    for kind, key in zip((b"gran", b"babe"), _keys(3), strict=True):
        session.key_owner.put((kind, key), who(3))
    for number in expect.get("not_in_set_at_sessions", ()):
        to_session(chain, number)
        ensure_equal(who(3) in session.validators.get(), expected=False)
    to_session(chain, 6)
    ensure_equal(who(3) in session.validators.get(), expected=True)
    if "out_of_set_at_session" in expect:
        chain.ok(who(3), "Staking.chill")
        for number in expect["still_in_set_at_sessions"]:
            to_session(chain, number)
            ensure_equal(who(3) in session.validators.get(), expected=True)
        to_session(chain, expect["out_of_set_at_session"])
        ensure_equal(who(3) in session.validators.get(), expected=False)
        ledger = chain.pallets.staking.ledger.get(who(3))
        assert ledger is not None
        ensure_equal(ledger.active, expect["ledger_active_unchanged"])
    else:
        ensure_equal(expect["in_validator_set_from_session"], 6)


def _keys(number: int) -> tuple[bytes, bytes]:
    keys = keys_of(who(number))
    return keys.grandpa, keys.babe


def check_failure(setup: Entry, expect: Entry) -> None:
    chain = staking_chain()
    staking, session = chain.pallets.staking, chain.pallets.session
    before = session.validators.get()
    staking.minimum_validator_count.put(setup["minimum_validator_count"])
    to_session(chain, 2)
    ensure_equal(events.StakingElectionFailed() in chain.block_events(), expected=True)
    ensure_equal(staking.current_era.get() != 0, expect["era_advances"])
    to_session(chain, 4)
    ensure_equal(session.validators.get(), before)


def check_rewards(setup: Entry, expect: Entry) -> None:
    owned = ((11, 10**15), (21, 2 * 10**15), (31, 500), (101, 2000))
    chain = staking_chain(balances=owned)
    staking, balances = chain.pallets.staking, chain.pallets.balances
    staking.eras.reward_by_ids(tuple((who(int(n)), points) for n, points in setup["points"].items()))
    for number in (11, 21, 101):
        chain.ok(who(number), "Staking.set_payee", Stash())
    to_era(chain, 1)
    payout = 300_000
    staking.eras_validator_reward.put(0, payout)
    before = {number: balances.total_balance(who(number)) for number in (11, 21, 101)}
    for number in (11, 21):
        chain.ok(who(31), "Staking.payout_stakers", who(number), 0)
    for number, old in before.items():
        wanted = sum(_term(term, payout) for term in expect[str(number)].split(" + "))
        gained = balances.total_balance(who(number)) - old
        ensure_equal(abs(gained - wanted) <= expect["tolerance_units"], expected=True)


def _term(text: str, payout: int) -> int:
    """Return the value of a term such as P*2/3*1000/1125."""
    factors = text.replace("/", "*1/").split("*")[1:]
    numerator, denominator = payout, 1
    for factor in factors:
        over, _, under = factor.partition("/")
        numerator *= int(over)
        denominator *= int(under or 1)
    return numerator // denominator


def check_payout(setup: Entry, expect: Entry) -> None:
    names = ("min_inflation", "max_inflation", "ideal_stake", "falloff")
    low, high, ideal, falloff = (setup["curve"][f"{name}_ppm"] for name in names)
    curve = compute_curve(CurveParameters(low, high, ideal, falloff, setup["curve"]["max_piece_count"]))
    found = compute_era_payout(curve, int(setup["staked"]), int(setup["total"]), setup["era_ms"])
    ensure_equal(found.stakers, int(expect["payout"]))


def check_fraction(rule: Callable[[int, int], Perbill], setup: Entry, expect: Entry) -> None:
    ensure_equal(rule(setup["offenders"], setup["validators"]).parts, expect["slash_perbill"])


CHECKS: Mapping[str, Callable[[Entry, Entry], None]] = {
    "exposure_initial": check_exposure,
    "exposure_two_nominators": check_two_nominators,
    "reporter_reward_decreases": check_reporter,
    "invulnerable_not_slashed": check_invulnerable,
    "zero_fraction_no_slash": check_zero,
    "max_not_sum_within_era": check_maximum,
    "full_slash_keeps_ed": check_full,
    "slash_metadata_pruned": check_pruned,
    "sum_across_spans": check_spans,
    "deferred_slash_legacy": check_deferred,
    "cannot_bail_before_deferred_slash": check_bail,
    "cancel_deferred_input_checks": check_cancel,
    "slash_reduces_next_exposure": check_next_exposure,
    "quarter_slash_amounts": check_quarter,
    "election_failure_keeps_set": check_failure,
    "reward_split": check_rewards,
}
FAMILIES: Mapping[str, Callable[[Entry, Entry], None]] = {
    "session_delay_": check_newcomer,
    "payout_": check_payout,
    "unresponsive_": partial(check_fraction, unresponsiveness_fraction),
    "equivocation_": partial(check_fraction, equivocation_fraction),
}
