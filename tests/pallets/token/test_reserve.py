"""WattReserve: WATT exists only against an attested reserve, by two of three, and can be given back."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from genesis.consortium import WATT_ID, Consortium
from pallets.token import assets_errors, assets_events
from pallets.token import reserve_errors as errors
from pallets.token import reserve_events as events
from pallets.token.assets_types import AccountStatus
from pallets.token.reserve import WattReserve
from pallets.token.reserve_types import (
    AGE_CHECK_BLOCKS,
    BANGKOK_MS,
    DAY_MS,
    MINT_CAP_DEFAULT,
    MINT_REQUESTS_MAX,
    REDEMPTIONS_MAX,
    REPORTS_KEPT,
    RESERVE_POT,
    SATANG,
    AcceptedReport,
    HoldReason,
    Minted,
    ReserveReport,
)
from runtime.frame.dispatch import (
    NOBODY,
    ROOT,
    ArithmeticDispatchError,
    ArithmeticReason,
    BadOrigin,
    Origin,
    PalletError,
    TokenFailure,
    TokenReason,
)
from runtime.frame.event import Event
from runtime.frame.fungible import Reason
from runtime.primitives.arithmetic import U32_MAX
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, EVE, FERDIE, START_MS, Chain, consortium_chain
from tests.support.watt import BAHT, COVER, HELD, POTTED, STATEMENT, report, watt_chain

LOCAL = Chain[Consortium]
PAYMENT, ACCOUNT, REFERENCE = (Hash(bytes([number]) * 32) for number in (1, 2, 3))
HELD_FOR = Reason(21, HoldReason.Redemption)
ROOM = COVER - 2 * HELD
"""What can be minted at the start."""


@pytest.fixture
def chain() -> Iterator[LOCAL]:
    made = watt_chain()
    yield made
    made.close_block()


def reserve(chain: LOCAL) -> WattReserve:
    return chain.pallets.reserve


def error(chain: LOCAL, kind: type[PalletError]) -> PalletError:
    return reserve(chain).error(kind)


def own(chain: LOCAL) -> list[Event]:
    """Return the events of the pallet in the last call."""
    return [event for event in chain.events() if type(event).__module__ == events.__name__]


def sign_report(chain: LOCAL, who: AccountId, what: ReserveReport) -> None:
    chain.ok(who, "WattReserve.report_reserve", *structs.astuple(what))


def refuse_report(chain: LOCAL, kind: type[PalletError], who: AccountId, what: ReserveReport) -> None:
    chain.noop(error(chain, kind), who, "WattReserve.report_reserve", *structs.astuple(what))


def agree_on(chain: LOCAL, what: ReserveReport) -> None:
    sign_report(chain, ALICE, what)
    sign_report(chain, BOB, what)


def request(chain: LOCAL, amount: int, beneficiary: AccountId = FERDIE) -> int:
    chain.ok(ALICE, "WattReserve.request_mint", beneficiary, amount, PAYMENT)
    return reserve(chain).next_request.get() - 1


def redeem(chain: LOCAL, amount: int, who: AccountId = DAVE) -> int:
    chain.ok(who, "WattReserve.redeem", amount, ACCOUNT)
    return reserve(chain).next_redemption.get() - 1


def pay_out(chain: LOCAL, redemption: int) -> None:
    chain.ok(ALICE, "WattReserve.confirm_payout", redemption, REFERENCE)
    chain.ok(BOB, "WattReserve.confirm_payout", redemption, REFERENCE)


def now(chain: LOCAL) -> int:
    return START_MS + 1_000 * chain.number


def free(chain: LOCAL, who: AccountId) -> int:
    found = chain.pallets.assets.account.get(WATT_ID, who)
    return 0 if found is None else found.balance


# --- reports


def test_report_counts_once_two_attestors_signed_the_same(chain: LOCAL) -> None:
    latest = report(now(chain), COVER + BAHT)
    sign_report(chain, CHARLIE, latest)
    assert own(chain) == [events.ReserveAttested(CHARLIE, latest.as_of, latest.satang)]
    assert reserve(chain).covered() == COVER
    sign_report(chain, BOB, latest)
    signers = (BOB, CHARLIE)
    assert own(chain) == [events.ReserveReported(latest.as_of, latest.satang, 2 * HELD, STATEMENT, signers)]
    accepted = AcceptedReport(latest, signers, 2 * HELD)
    assert reserve(chain).latest.get() == reserve(chain).reports.get(1) == accepted
    assert reserve(chain).covered() == COVER + BAHT
    assert list(reserve(chain).attestations.items()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("as_of", START_MS + 1),
        ("custodian", b"bank"),
        ("satang", 1),
        ("document_hash", Hash(bytes(32))),
    ],
)
def test_reports_that_differ_do_not_count_together(chain: LOCAL, field: str, value: Any) -> None:
    first = report(now(chain))
    sign_report(chain, ALICE, first)
    sign_report(chain, BOB, structs.replace(first, **{field: value}))
    assert reserve(chain).report_count.get() == 1
    sign_report(chain, BOB, first)
    assert reserve(chain).report_count.get() == 2


def test_attestor_signs_a_report_once(chain: LOCAL) -> None:
    sign_report(chain, ALICE, report(now(chain)))
    refuse_report(chain, errors.AlreadyApproved, ALICE, report(now(chain)))


def test_signatures_under_older_reports_go_with_them(chain: LOCAL) -> None:
    sign_report(chain, CHARLIE, report(now(chain) - 1))
    agree_on(chain, report(now(chain)))
    assert list(reserve(chain).attestations.items()) == []
    chain.next_block()
    sign_report(chain, CHARLIE, report(now(chain)))
    agree_on(chain, report(now(chain) - 1))
    assert [who for who, _ in reserve(chain).attestations.items()] == [CHARLIE]


def test_report_is_not_from_the_future_and_newer_than_the_latest(chain: LOCAL) -> None:
    refuse_report(chain, errors.ReportFromFuture, ALICE, report(now(chain) + 1))
    refuse_report(chain, errors.ReportNotNewer, ALICE, report(START_MS))
    refuse_report(chain, errors.ReportNotNewer, ALICE, report(START_MS - 1))
    sign_report(chain, ALICE, report(START_MS + 1))
    sign_report(chain, ALICE, report(now(chain)))


def test_only_attestors_attest(chain: LOCAL) -> None:
    number, redemption = request(chain, BAHT), redeem(chain, BAHT)
    for name, args in (
        ("report_reserve", structs.astuple(report(now(chain)))),
        ("request_mint", (DAVE, BAHT, PAYMENT)),
        ("approve_mint", (number,)),
        ("reject_mint", (number,)),
        ("confirm_payout", (redemption, REFERENCE)),
        ("reject_redeem", (redemption,)),
    ):
        chain.noop(error(chain, errors.NotAttestor), DAVE, f"WattReserve.{name}", *args)
        for origin in (ROOT, NOBODY):
            chain.noop(BadOrigin, origin, f"WattReserve.{name}", *args)
    for origin in (ROOT, NOBODY):
        chain.noop(BadOrigin, origin, "WattReserve.redeem", BAHT, ACCOUNT)


@pytest.mark.parametrize("origin", [ALICE, RESERVE_POT, NOBODY])
def test_only_root_sets_attestors_and_limits(chain: LOCAL, origin: Origin | AccountId) -> None:
    for name, args in (
        ("set_attestors", ((ALICE, BOB, DAVE),)),
        ("set_mint_cap", (1,)),
        ("pause", ()),
        ("resume", ()),
    ):
        chain.noop(BadOrigin, origin, f"WattReserve.{name}", *args)


def test_reports_are_kept_up_to_a_number(chain: LOCAL) -> None:
    reserve(chain).report_count.put(REPORTS_KEPT - 1)
    agree_on(chain, report(now(chain) - 1))
    assert reserve(chain).reports.contains(0)
    agree_on(chain, report(now(chain)))
    assert not reserve(chain).reports.contains(0)
    assert reserve(chain).reports.contains(REPORTS_KEPT)


def test_lower_report_shows_the_shortfall_and_stops_minting(chain: LOCAL) -> None:
    agree_on(chain, report(START_MS + 1, 2 * HELD - BAHT))
    assert own(chain)[1:] == [events.ReserveShort(2 * HELD, 2 * HELD - BAHT)]
    assert reserve(chain).shortfall.get() == BAHT
    number = request(chain, SATANG)
    chain.noop(error(chain, errors.ReserveInsufficient), BOB, "WattReserve.approve_mint", number)
    pay_out(chain, redeem(chain, 10 * BAHT))
    assert reserve(chain).shortfall.get() == BAHT
    agree_on(chain, report(START_MS + 2, 2 * HELD - 10 * BAHT, 1_000))
    assert len(own(chain)) == 1
    assert reserve(chain).shortfall.get() == 0
    assert not reserve(chain).shortfall.exists()


def test_shortfall_that_others_close_is_found_by_the_hook(chain: LOCAL) -> None:
    """A holder may destroy its own balance, against the deposit of its account."""
    chain.ok(ALICE, "Assets.touch", WATT_ID)
    chain.ok(DAVE, "Assets.transfer", WATT_ID, ALICE, BAHT)
    agree_on(chain, report(START_MS + 1, 2 * HELD - BAHT))
    chain.ok(ALICE, "Assets.refund", WATT_ID, True)
    assert reserve(chain).shortfall.get() == BAHT
    reserve(chain).on_initialize(AGE_CHECK_BLOCKS)
    assert reserve(chain).shortfall.get() == 0


# --- minting


def test_second_attestor_mints(chain: LOCAL) -> None:
    number = request(chain, ROOM)
    assert own(chain) == [events.MintRequested(number, ALICE, FERDIE, ROOM, PAYMENT)]
    assert chain.pallets.watt.total_balance(FERDIE) == 0
    chain.ok(CHARLIE, "WattReserve.approve_mint", number)
    assert assets_events.Issued(WATT_ID, FERDIE, ROOM) in chain.events()
    assert own(chain) == [events.MintApproved(number, CHARLIE, True)]
    assert chain.pallets.watt.total_balance(FERDIE) == ROOM
    assert chain.pallets.watt.total_issuance() == COVER
    chain.noop(error(chain, errors.UnknownRequest), BOB, "WattReserve.approve_mint", number)


def test_requesting_attestor_cannot_approve_too(chain: LOCAL) -> None:
    number = request(chain, BAHT)
    chain.noop(error(chain, errors.AlreadyApproved), ALICE, "WattReserve.approve_mint", number)


def test_no_more_is_minted_than_the_reserve_covers(chain: LOCAL) -> None:
    number = request(chain, ROOM + SATANG)
    chain.noop(error(chain, errors.ReserveInsufficient), BOB, "WattReserve.approve_mint", number)
    chain.ok(BOB, "WattReserve.approve_mint", request(chain, ROOM))
    last = request(chain, SATANG)
    chain.noop(error(chain, errors.ReserveInsufficient), BOB, "WattReserve.approve_mint", last)
    agree_on(chain, report(now(chain), COVER + SATANG))
    chain.ok(BOB, "WattReserve.approve_mint", last)


def test_nothing_is_minted_on_an_old_report() -> None:
    chain = watt_chain(report(START_MS + 1_000 - DAY_MS))
    number = request(chain, BAHT)
    chain.ok(BOB, "WattReserve.approve_mint", request(chain, BAHT))
    chain.next_block()
    chain.noop(error(chain, errors.ReserveStale), BOB, "WattReserve.approve_mint", number)
    agree_on(chain, report(now(chain) - DAY_MS))
    chain.ok(BOB, "WattReserve.approve_mint", number)
    chain.close_block()


def test_no_more_is_minted_in_a_day_than_the_cap(chain: LOCAL) -> None:
    chain.ok(ROOT, "WattReserve.set_mint_cap", 10 * BAHT)
    assert own(chain) == [events.MintCapSet(10 * BAHT)]
    chain.ok(BOB, "WattReserve.approve_mint", request(chain, 4 * BAHT))
    number = request(chain, 6 * BAHT + SATANG)
    chain.noop(error(chain, errors.CapExceeded), BOB, "WattReserve.approve_mint", number)
    chain.ok(BOB, "WattReserve.approve_mint", request(chain, 6 * BAHT))
    day = (now(chain) + BANGKOK_MS) // DAY_MS
    assert reserve(chain).minted.get() == Minted(day, 10 * BAHT)
    last = request(chain, 10 * BAHT)
    chain.noop(error(chain, errors.CapExceeded), BOB, "WattReserve.approve_mint", last)
    reserve(chain).minted.put(Minted(day - 1, 10 * BAHT))
    chain.ok(BOB, "WattReserve.approve_mint", last)


def test_pause_stops_minting_and_not_redemption(chain: LOCAL) -> None:
    number = request(chain, BAHT)
    chain.ok(ROOT, "WattReserve.pause")
    assert own(chain) == [events.MintPaused()]
    chain.noop(error(chain, errors.Paused), ALICE, "WattReserve.request_mint", DAVE, BAHT, PAYMENT)
    chain.noop(error(chain, errors.Paused), BOB, "WattReserve.approve_mint", number)
    pay_out(chain, redeem(chain, BAHT))
    agree_on(chain, report(now(chain), COVER, 100))
    chain.ok(ROOT, "WattReserve.resume")
    assert own(chain) == [events.MintResumed()]
    chain.ok(BOB, "WattReserve.approve_mint", number)


@pytest.mark.parametrize("amount", [0, 1, SATANG - 1, SATANG + 1])
def test_amounts_are_whole_satang(chain: LOCAL, amount: int) -> None:
    whole = error(chain, errors.NotWholeSatang)
    chain.noop(whole, ALICE, "WattReserve.request_mint", DAVE, amount, PAYMENT)
    chain.noop(whole, DAVE, "WattReserve.redeem", amount, ACCOUNT)


def test_so_many_requests_wait_and_no_more(chain: LOCAL) -> None:
    for _ in range(MINT_REQUESTS_MAX):
        request(chain, BAHT)
    too_many = error(chain, errors.TooManyRequests)
    chain.noop(too_many, ALICE, "WattReserve.request_mint", DAVE, BAHT, PAYMENT)
    chain.ok(CHARLIE, "WattReserve.reject_mint", 5)
    assert own(chain) == [events.MintRejected(5, CHARLIE)]
    chain.noop(error(chain, errors.UnknownRequest), CHARLIE, "WattReserve.reject_mint", 5)
    request(chain, BAHT)


def test_mint_that_the_account_cannot_take_waits(chain: LOCAL) -> None:
    chain.pallets.assets.registry.set_status(WATT_ID, DAVE, AccountStatus.Blocked)
    number = request(chain, BAHT, DAVE)
    chain.noop(TokenFailure(TokenReason.Blocked), BOB, "WattReserve.approve_mint", number)
    chain.pallets.assets.registry.set_status(WATT_ID, DAVE, AccountStatus.Liquid)
    chain.ok(BOB, "WattReserve.approve_mint", number)


def test_nobody_mints_or_burns_watt_by_a_call_of_assets(chain: LOCAL) -> None:
    """The owner is an account that no key can sign for."""
    details = chain.pallets.assets.asset.get(WATT_ID)
    assert details is not None
    assert {details.owner, details.issuer, details.admin, details.freezer} == {RESERVE_POT}
    denied = chain.pallets.assets.error(assets_errors.NoPermission)
    for who in (ALICE, DAVE):
        chain.noop(denied, who, "Assets.mint", WATT_ID, who, BAHT)
        chain.noop(denied, who, "Assets.burn", WATT_ID, EVE, BAHT)
        chain.noop(denied, who, "Assets.set_team", WATT_ID, who, who, who)


# --- attestors


@pytest.mark.parametrize("attestors", [(), (ALICE,), (ALICE, BOB), (ALICE, BOB, ALICE), (DAVE, DAVE, DAVE)])
def test_there_are_three_attestors_all_different(chain: LOCAL, attestors: tuple[AccountId, ...]) -> None:
    chain.noop(error(chain, errors.WrongAttestors), ROOT, "WattReserve.set_attestors", attestors)
    with pytest.raises(ValueError, match="3"):
        chain.call("WattReserve.set_attestors", (ALICE, BOB, CHARLIE, DAVE))


def test_what_attestors_signed_goes_with_them(chain: LOCAL) -> None:
    number, redemption = request(chain, BAHT), redeem(chain, BAHT)
    chain.ok(ALICE, "WattReserve.confirm_payout", redemption, REFERENCE)
    sign_report(chain, ALICE, report(now(chain)))
    sign_report(chain, BOB, report(now(chain), COVER - BAHT))
    chain.ok(ROOT, "WattReserve.set_attestors", (BOB, CHARLIE, EVE))
    assert own(chain) == [events.AttestorsSet((BOB, CHARLIE, EVE))]
    assert [who for who, _ in reserve(chain).attestations.items()] == [BOB]
    sign_report(chain, EVE, report(now(chain)))
    assert reserve(chain).report_count.get() == 1
    chain.ok(BOB, "WattReserve.approve_mint", number)
    assert own(chain) == [events.MintApproved(number, BOB, False)]
    chain.noop(error(chain, errors.AlreadyApproved), BOB, "WattReserve.approve_mint", number)
    chain.ok(BOB, "WattReserve.confirm_payout", redemption, REFERENCE)
    assert reserve(chain).redemptions.contains(redemption)
    chain.ok(EVE, "WattReserve.approve_mint", number)
    chain.ok(EVE, "WattReserve.confirm_payout", redemption, REFERENCE)
    assert not reserve(chain).redemptions.contains(redemption)


# --- redemption


def test_redeemed_watt_is_held_until_two_attestors_confirm_the_payout(chain: LOCAL) -> None:
    redemption = redeem(chain, 100 * BAHT)
    assert own(chain) == [events.RedemptionRequested(redemption, DAVE, 100 * BAHT, ACCOUNT)]
    assert free(chain, DAVE) == HELD - 100 * BAHT
    assert chain.pallets.watt.balance_on_hold(HELD_FOR, DAVE) == 100 * BAHT
    chain.ok(ALICE, "WattReserve.confirm_payout", redemption, REFERENCE)
    assert own(chain) == [events.PayoutConfirmed(redemption, ALICE, REFERENCE)]
    again = error(chain, errors.AlreadyApproved)
    chain.noop(again, ALICE, "WattReserve.confirm_payout", redemption, REFERENCE)
    assert chain.pallets.watt.total_issuance() == 2 * HELD
    chain.ok(CHARLIE, "WattReserve.confirm_payout", redemption, REFERENCE)
    assert own(chain) == [events.RedemptionPaid(redemption, DAVE, 100 * BAHT, REFERENCE)]
    assert chain.pallets.watt.total_issuance() == 2 * HELD - 100 * BAHT
    assert chain.pallets.watt.total_balance(DAVE) == HELD - 100 * BAHT
    assert reserve(chain).paid_satang.get() == 10_000
    assert not reserve(chain).redemptions_of.contains(DAVE)
    unknown = error(chain, errors.UnknownRedemption)
    chain.noop(unknown, BOB, "WattReserve.confirm_payout", redemption, REFERENCE)
    chain.noop(unknown, BOB, "WattReserve.reject_redeem", redemption)


def test_confirmations_of_different_payments_do_not_count_together(chain: LOCAL) -> None:
    redemption = redeem(chain, BAHT)
    chain.ok(ALICE, "WattReserve.confirm_payout", redemption, REFERENCE)
    chain.ok(BOB, "WattReserve.confirm_payout", redemption, PAYMENT)
    chain.ok(ALICE, "WattReserve.confirm_payout", redemption, REFERENCE)
    assert reserve(chain).redemptions.contains(redemption)
    chain.ok(BOB, "WattReserve.confirm_payout", redemption, REFERENCE)
    assert not reserve(chain).redemptions.contains(redemption)


def test_rejected_redemption_is_refunded_even_to_a_blocked_account(chain: LOCAL) -> None:
    redemption = redeem(chain, 100 * BAHT)
    chain.pallets.assets.registry.set_status(WATT_ID, DAVE, AccountStatus.Blocked)
    chain.ok(CHARLIE, "WattReserve.reject_redeem", redemption)
    assert own(chain) == [events.RedemptionRejected(redemption, DAVE, 100 * BAHT)]
    assert free(chain, DAVE) == HELD
    assert reserve(chain).paid_satang.get() == 0


def test_redemption_leaves_the_minimum_balance(chain: LOCAL) -> None:
    chain.noop(TokenFailure(TokenReason.FundsUnavailable), DAVE, "WattReserve.redeem", HELD, ACCOUNT)
    redeem(chain, HELD - SATANG)
    assert free(chain, DAVE) == chain.pallets.watt.minimum_balance() == SATANG
    none = chain.pallets.assets.error(assets_errors.NoAccount)
    chain.noop(none, FERDIE, "WattReserve.redeem", BAHT, ACCOUNT)


def test_account_has_so_many_redemptions_waiting_and_no_more(chain: LOCAL) -> None:
    for _ in range(REDEMPTIONS_MAX):
        redeem(chain, SATANG)
    chain.noop(error(chain, errors.TooManyRedemptions), DAVE, "WattReserve.redeem", SATANG, ACCOUNT)
    redeem(chain, SATANG, EVE)
    chain.ok(ALICE, "WattReserve.reject_redeem", 3)
    redeem(chain, SATANG)


def test_payout_is_neither_forgotten_nor_counted_twice(chain: LOCAL) -> None:
    """Without the payout, a report from before it would allow to mint what has left the account."""
    pay_out(chain, redeem(chain, 100 * BAHT))
    assert reserve(chain).covered() == COVER - 100 * BAHT
    over = request(chain, ROOM + SATANG)
    chain.noop(error(chain, errors.ReserveInsufficient), BOB, "WattReserve.approve_mint", over)
    agree_on(chain, report(START_MS + 1, COVER, 0))
    assert reserve(chain).covered() == COVER - 100 * BAHT
    refuse_report(chain, errors.PaidTooMuch, ALICE, report(START_MS + 2, COVER, 10_001))
    agree_on(chain, report(START_MS + 2, COVER - 100 * BAHT, 10_000))
    assert reserve(chain).covered() == COVER - 100 * BAHT
    chain.ok(BOB, "WattReserve.approve_mint", request(chain, ROOM))


def test_numbers_run_out_rather_than_over(chain: LOCAL) -> None:
    overflow = ArithmeticDispatchError(ArithmeticReason.Overflow)
    reserve(chain).next_request.put(U32_MAX)
    reserve(chain).next_redemption.put(U32_MAX)
    chain.noop(overflow, ALICE, "WattReserve.request_mint", DAVE, BAHT, PAYMENT)
    chain.noop(overflow, DAVE, "WattReserve.redeem", BAHT, ACCOUNT)


# --- the age of the report


def test_old_report_is_told_of_once() -> None:
    chain = watt_chain(report(START_MS + AGE_CHECK_BLOCKS * 1_000 - DAY_MS))
    pallet = reserve(chain)
    pallet.on_initialize(AGE_CHECK_BLOCKS)
    assert own(chain) == []
    chain.next_block(AGE_CHECK_BLOCKS)
    assert chain.number == AGE_CHECK_BLOCKS + 1
    assert not pallet.is_stale.get()
    pallet.on_initialize(AGE_CHECK_BLOCKS + 1)
    assert own(chain) == []
    for _ in range(2):
        pallet.on_initialize(2 * AGE_CHECK_BLOCKS)
    assert own(chain) == [events.ReportStale(START_MS + AGE_CHECK_BLOCKS * 1_000 - DAY_MS)]
    assert pallet.is_stale.get()
    agree_on(chain, report(now(chain)))
    assert not pallet.is_stale.get()
    chain.close_block()


def test_report_that_is_old_when_it_is_signed_is_stale_at_once() -> None:
    chain = watt_chain(report(0))
    agree_on(chain, report(now(chain) - DAY_MS - 1))
    assert own(chain)[1:] == [events.ReportStale(now(chain) - DAY_MS - 1)]
    chain.close_block()


# --- how chains start


def test_nothing_is_paid_out_before_genesis() -> None:
    with pytest.raises(AssertionError, match="before genesis"):
        watt_chain(report(paid_satang=1))


def test_chain_without_attestors_has_the_watt_of_its_pots_and_nobody_can_make_more() -> None:
    chain = consortium_chain()
    assert chain.pallets.watt.total_issuance() == reserve(chain).covered() == POTTED
    in_use = chain.pallets.assets.error(assets_errors.InUse)
    chain.noop(in_use, ALICE, "Assets.create", WATT_ID, ALICE, 1)
    chain.noop(error(chain, errors.NotAttestor), ALICE, "WattReserve.request_mint", ALICE, BAHT, PAYMENT)
    chain.ok(ROOT, "WattReserve.set_attestors", (ALICE, BOB, CHARLIE))
    number = request(chain, BAHT)
    chain.noop(error(chain, errors.ReserveStale), BOB, "WattReserve.approve_mint", number)
    assert reserve(chain).on_initialize(AGE_CHECK_BLOCKS) != reserve(chain).on_initialize(1)
    agree_on(chain, report(now(chain)))
    chain.ok(BOB, "WattReserve.approve_mint", number)
    assert reserve(chain).mint_cap.get() == MINT_CAP_DEFAULT
    chain.close_block()


# --- consistency


def test_inconsistent_reserve_is_found(chain: LOCAL) -> None:
    pallet = reserve(chain)
    request(chain, BAHT)
    redeem(chain, BAHT)
    good = pallet.redemptions.get(0)
    wanted = pallet.mint_requests.get(0)
    accepted = pallet.latest.get()
    assert good is not None
    assert wanted is not None
    assert accepted is not None
    low = structs.replace(accepted, report=report(START_MS, 2 * HELD - SATANG))
    wrong: list[tuple[str, Any, tuple[Any, ...], tuple[Any, ...]]] = [
        ("covered or known", pallet.latest, (low,), (accepted,)),
        ("three attestors", pallet.attestors, ((ALICE, BOB),), ((ALICE, BOB, CHARLIE),)),
        ("still to come", pallet.next_request, (0,), (1,)),
        ("still to come", pallet.next_redemption, (0,), (1,)),
        ("no whole satang", pallet.mint_requests, (0, structs.replace(wanted, amount=1)), (0, wanted)),
        ("counted wrongly", pallet.redemptions_of, (DAVE, 2), (DAVE, 1)),
        ("has 1000000000000 held", pallet.redemptions, (0, structs.replace(good, amount=SATANG)), (0, good)),
    ]
    for about, item, bad, right in wrong:
        item.put(*bad)
        with pytest.raises(AssertionError, match=about):
            pallet.try_state()
        item.put(*right)
        pallet.try_state()
    pallet.attestations.put(DAVE, report())
    with pytest.raises(AssertionError, match="stranger"):
        pallet.try_state()
    pallet.attestations.remove(DAVE)
    pallet.latest.put(low)
    pallet.shortfall.put(SATANG)
    pallet.try_state()
    pallet.latest.put(accepted)
    pallet.shortfall.kill()
