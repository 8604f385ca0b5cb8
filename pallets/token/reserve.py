"""WattReserve: WATT is issued against baht in a segregated account, and taken back for them.

Responsible for who attests the reserve, for reports of it, for what may be minted against them, and for
redemptions. It knows WATT as an asset that it may issue, and the clock, both as Protocols. Three attestors
are named by Root, and two of them must agree before WATT is created or destroyed: on a report, on a mint, on
the payout of a redemption. One of them is enough to reject.

What covers WATT is the reported satang less what was paid out since. A report says how much of the chain's
redemptions had left the account by then, so a payout is neither forgotten nor counted twice, whatever the
times of report and payout. Minting is refused where it would lead beyond that; a report that covers less than
there is stops it altogether, and `Shortfall` tells by how much until another report closes the gap.
Redemptions go on in any case.

Invariant (checked by `try_state`): the supply of WATT is at most what the reserve covers plus the shortfall
that the latest report has shown; every redemption that waits is held from its account.
"""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType
from typing import ClassVar

from msgspec import structs

from pallets.token import reserve_errors as errors
from pallets.token import reserve_events as events
from pallets.token import weights
from pallets.token.reserve_types import (
    AGE_CHECK_BLOCKS,
    ATTESTORS,
    BANGKOK_MS,
    DAY_MS,
    MINT_CAP_DEFAULT,
    MINT_REQUESTS_MAX,
    REDEMPTIONS_MAX,
    REPORTS_KEPT,
    SATANG,
    SIGNATURES,
    AcceptedReport,
    Attestors,
    Custodian,
    GenesisReserve,
    HoldReason,
    Minted,
    MintRequest,
    Redemption,
    ReserveReport,
    WattReserveConfig,
)
from runtime.frame.call import call
from runtime.frame.dispatch import NO_WEIGHT, DispatchClass, Origin, Weight, ensure_root, ensure_signed
from runtime.frame.fungible import Reason
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, CountedMap, Map, Value, storage
from runtime.primitives.arithmetic import U32_MAX, U64_MAX, checked_add, saturating_sub
from runtime.primitives.scale import u32, u64, u128
from runtime.primitives.types import AccountId, Hash


class WattReserve(Pallet[WattReserveConfig]):
    """The reserve of baht behind WATT."""

    crate = "watt_reserve"
    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)
    hold_reasons: ClassVar[type[IntEnum] | None] = HoldReason

    attestors: Value[Attestors] = storage(default=(), docs="Who attests the reserve: nobody, or three.")
    latest: Value[AcceptedReport | None] = storage(docs="The latest report that counts.")
    reports: Map[u32, AcceptedReport | None] = storage(TWOX_64_CONCAT, docs="The latest reports by number.")
    report_count: Value[u32] = storage(default=0, docs="How many reports there were.")
    attestations: Map[AccountId, ReserveReport | None] = storage(
        BLAKE2_128_CONCAT, docs="The report that an attestor signed and no other has."
    )
    is_stale: Value[bool] = storage(default=False, docs="Whether the latest report was found too old.")
    shortfall: Value[u128] = storage(default=0, docs="How much WATT the reserve does not cover.")
    mint_cap: Value[u128] = storage(
        default=MINT_CAP_DEFAULT, docs="How much WATT can be minted on a day of Thai time."
    )
    minted: Value[Minted] = storage(default=Minted(0, 0), docs="How much was minted on which day.")
    paused: Value[bool] = storage(default=False, docs="Whether minting is paused.")
    next_request: Value[u32] = storage(default=0, docs="The number of the next request for new WATT.")
    mint_requests: CountedMap[u32, MintRequest | None] = storage(
        TWOX_64_CONCAT, docs="Requests for new WATT that wait for approvals."
    )
    next_redemption: Value[u32] = storage(default=0, docs="The number of the next redemption.")
    redemptions: Map[u32, Redemption | None] = storage(TWOX_64_CONCAT, docs="Redemptions that wait.")
    redemptions_of: Map[AccountId, u32] = storage(
        BLAKE2_128_CONCAT, default=0, docs="How many redemptions of an account wait."
    )
    paid_satang: Value[u64] = storage(default=0, docs="What was paid out for WATT since genesis, in satang.")

    @constant
    def satang(self) -> u128:
        """Units of WATT in a satang, a hundredth of a baht."""
        return SATANG

    @constant
    def signatures(self) -> u32:
        """How many attestors must agree."""
        return SIGNATURES

    @constant
    def report_age_max(self) -> u64:
        """How old a report may be, in milliseconds, for new WATT."""
        return self.config.report_age_max_ms

    @constant
    def mint_requests_max(self) -> u32:
        """Most requests for new WATT that wait at once."""
        return MINT_REQUESTS_MAX

    @constant
    def redemptions_max(self) -> u32:
        """Most redemptions of one account that wait at once."""
        return REDEMPTIONS_MAX

    @constant
    def reports_kept(self) -> u32:
        """How many of the latest reports are kept."""
        return REPORTS_KEPT

    def genesis(self, start: GenesisReserve) -> None:
        """Set attestors, cap and a first report, which must cover the WATT that the chain starts with."""
        assert not start.attestors or _is_board(start.attestors), "the reserve has three attestors, or none"
        self.attestors.put(start.attestors)
        self.mint_cap.put(start.mint_cap)
        supply = self.config.watt.total_issuance()
        satang = 0 if start.report is None else start.report.satang
        assert supply <= satang * SATANG, (
            f"a reserve of {satang} satang does not cover {supply} units of WATT"
        )
        if start.report is not None:
            assert start.report.paid_satang == 0, "nothing was paid out before genesis"
            self._store_report(AcceptedReport(start.report, (), supply))

    def on_initialize(self, number: int) -> Weight:
        """Look at the age of the report and at the shortfall from time to time."""
        if number % AGE_CHECK_BLOCKS:
            return NO_WEIGHT
        latest = self.latest.get()
        if latest is not None:
            self._note_age(latest.report.as_of)
            self._note_shortfall()
        return weights.WATTRESERVE_CHECK

    # --- calls: who attests, and limits

    @call(0, weight=weights.WATTRESERVE_SET_ATTESTORS)
    def set_attestors(self, origin: Origin, attestors: Attestors) -> None:
        """Name the three attestors of the reserve. Only for Root.

        What those that go have signed counts no longer.
        """
        ensure_root(origin)
        if not _is_board(attestors):
            raise self.error(errors.WrongAttestors)
        for who in self.attestors.get():
            if who not in attestors:
                self.attestations.remove(who)
        self.attestors.put(attestors)
        self.deposit(events.AttestorsSet(attestors))

    @call(1, weight=weights.WATTRESERVE_SET_MINT_CAP)
    def set_mint_cap(self, origin: Origin, amount: u128) -> None:
        """Set how much WATT can be minted on a day of Thai time. Only for Root."""
        ensure_root(origin)
        self.mint_cap.put(amount)
        self.deposit(events.MintCapSet(amount))

    @call(2, weight=weights.WATTRESERVE_PAUSE, dispatch_class=DispatchClass.Operational)
    def pause(self, origin: Origin) -> None:
        """Let no WATT be minted until `resume`; redemptions go on. Only for Root."""
        ensure_root(origin)
        self.paused.put(True)  # noqa: FBT003  # the stored value
        self.deposit(events.MintPaused())

    @call(3, weight=weights.WATTRESERVE_RESUME)
    def resume(self, origin: Origin) -> None:
        """Let WATT be minted again. Only for Root."""
        ensure_root(origin)
        self.paused.kill()
        self.deposit(events.MintResumed())

    # --- calls: reports

    @call(4, weight=weights.WATTRESERVE_REPORT_RESERVE)
    def report_reserve(
        self,
        origin: Origin,
        as_of: u64,
        custodian: Custodian,
        satang: u64,
        paid_satang: u64,
        document_hash: Hash,
    ) -> None:
        """Sign a report of the reserve; it counts once two attestors have signed the same. Only for
        attestors.

        `as_of` is in milliseconds since 1970. `paid_satang` is what the account had paid out by then for all
        redemptions of this chain. Another report replaces one that still lacks a signature.
        """
        who = self._ensure_attestor(origin)
        report = ReserveReport(as_of, custodian, satang, paid_satang, document_hash)
        self._ensure_plausible(report)
        if self.attestations.get(who) == report:
            raise self.error(errors.AlreadyApproved)
        board = self.attestors.get()
        signers = tuple(one for one in board if one == who or self.attestations.get(one) == report)
        if len(signers) < SIGNATURES:
            self.attestations.put(who, report)
            self.deposit(events.ReserveAttested(who, as_of, satang))
            return
        self._accept(report, signers)

    # --- calls: minting

    @call(5, weight=weights.WATTRESERVE_REQUEST_MINT)
    def request_mint(self, origin: Origin, beneficiary: AccountId, amount: u128, payment: Hash) -> None:
        """Request new WATT for an account, with the hash of the payment into the reserve. Only for attestors.

        It counts as the sender's approval; the WATT is minted when another attestor approves.
        """
        who = self._ensure_attestor(origin)
        self._ensure_satang(amount)
        self._ensure_running()
        if self.mint_requests.count() >= MINT_REQUESTS_MAX:
            raise self.error(errors.TooManyRequests)
        request = self.next_request.get()
        self.next_request.put(checked_add(request, 1, U32_MAX))
        self.mint_requests.put(request, MintRequest(beneficiary, amount, payment, (who,)))
        self.deposit(events.MintRequested(request, who, beneficiary, amount, payment))

    @call(6, weight=weights.WATTRESERVE_APPROVE_MINT)
    def approve_mint(self, origin: Origin, request: u32) -> None:
        """Approve a request for new WATT; the second approval mints it. Only for attestors."""
        who = self._ensure_attestor(origin)
        found = self._get_request(request)
        approvals = self._add_approval(found.approvals, who)
        is_minted = len(approvals) >= SIGNATURES
        if is_minted:
            self._mint(found.beneficiary, found.amount)
            self.mint_requests.remove(request)
        else:
            self.mint_requests.put(request, structs.replace(found, approvals=approvals))
        self.deposit(events.MintApproved(request, who, is_minted))

    @call(7, weight=weights.WATTRESERVE_REJECT_MINT)
    def reject_mint(self, origin: Origin, request: u32) -> None:
        """Drop a request for new WATT. Only for attestors."""
        who = self._ensure_attestor(origin)
        self._get_request(request)
        self.mint_requests.remove(request)
        self.deposit(events.MintRejected(request, who))

    # --- calls: redemption

    @call(8, weight=weights.WATTRESERVE_REDEEM)
    def redeem(self, origin: Origin, amount: u128, payout: Hash) -> None:
        """Give a whole number of satang in WATT for baht.

        The WATT is held until they are paid out to the bank account that `payout` commits to, or the
        redemption is rejected.
        """
        who = ensure_signed(origin)
        self._ensure_satang(amount)
        waiting = self.redemptions_of.get(who)
        if waiting >= REDEMPTIONS_MAX:
            raise self.error(errors.TooManyRedemptions)
        redemption = self.next_redemption.get()
        following = checked_add(redemption, 1, U32_MAX)
        self.config.watt.hold(self._reason(), who, amount)
        self.next_redemption.put(following)
        self.redemptions.put(redemption, Redemption(who, amount, payout, None, ()))
        self.redemptions_of.put(who, waiting + 1)
        self.deposit(events.RedemptionRequested(redemption, who, amount, payout))

    @call(9, weight=weights.WATTRESERVE_CONFIRM_PAYOUT)
    def confirm_payout(self, origin: Origin, redemption: u32, reference: Hash) -> None:
        """Confirm that a redemption was paid out, with the hash of the payment. Only for attestors.

        Once two attestors have confirmed the same payment, the WATT is destroyed; another hash begins anew.
        """
        who = self._ensure_attestor(origin)
        found = self._get_redemption(redemption)
        approvals = self._add_approval(found.approvals if found.reference == reference else (), who)
        if len(approvals) < SIGNATURES:
            self.redemptions.put(redemption, structs.replace(found, reference=reference, approvals=approvals))
            self.deposit(events.PayoutConfirmed(redemption, who, reference))
            return
        paid = checked_add(self.paid_satang.get(), found.amount // SATANG, U64_MAX)
        self.config.watt.burn_held(self._reason(), found.who, found.amount)
        self.paid_satang.put(paid)
        self._close(redemption, found)
        self.deposit(events.RedemptionPaid(redemption, found.who, found.amount, reference))

    @call(10, weight=weights.WATTRESERVE_REJECT_REDEEM)
    def reject_redeem(self, origin: Origin, redemption: u32) -> None:
        """Refuse a redemption that was not paid out; its WATT is free again. Only for attestors."""
        self._ensure_attestor(origin)
        found = self._get_redemption(redemption)
        self.config.watt.release(self._reason(), found.who, found.amount)
        self._close(redemption, found)
        self.deposit(events.RedemptionRejected(redemption, found.who, found.amount))

    # --- what others may ask

    def covered(self) -> int:
        """Return how much WATT the reserve covers, in units: what was reported less what was paid since."""
        latest = self.latest.get()
        if latest is None:
            return 0
        paid_since = self.paid_satang.get() - latest.report.paid_satang
        return saturating_sub(latest.report.satang, paid_since, U64_MAX) * SATANG

    def try_state(self) -> None:
        """AssertionError unless WATT is covered but for the known shortfall, and redemptions are held."""
        supply, known = self.config.watt.total_issuance(), self.covered() + self.shortfall.get()
        assert supply <= known, f"{supply} units of WATT, of which {known} are covered or known to lack cover"
        board = self.attestors.get()
        assert not board or _is_board(board), "there are neither three attestors nor none"
        assert all(who in board for who, _ in self.attestations.items()), "a stranger signed a report"
        for number, request in self.mint_requests.items():
            assert request is not None
            assert number < self.next_request.get(), f"request {number} is still to come"
            assert not request.amount % SATANG, f"request {number} is of no whole satang"
        self._check_redemptions()

    # --- helpers

    def _reason(self) -> Reason:
        return Reason(self.index, HoldReason.Redemption)

    def _ensure_attestor(self, origin: Origin) -> AccountId:
        who = ensure_signed(origin)
        if who not in self.attestors.get():
            raise self.error(errors.NotAttestor)
        return who

    def _ensure_satang(self, amount: int) -> None:
        if amount == 0 or amount % SATANG:
            raise self.error(errors.NotWholeSatang)

    def _ensure_running(self) -> None:
        if self.paused.get():
            raise self.error(errors.Paused)

    def _ensure_plausible(self, report: ReserveReport) -> None:
        if report.as_of > self.config.clock.now_ms():
            raise self.error(errors.ReportFromFuture)
        latest = self.latest.get()
        if latest is not None and report.as_of <= latest.report.as_of:
            raise self.error(errors.ReportNotNewer)
        if report.paid_satang > self.paid_satang.get():
            raise self.error(errors.PaidTooMuch)

    def _add_approval(self, approvals: tuple[AccountId, ...], who: AccountId) -> tuple[AccountId, ...]:
        """Return the approvals of those who are still attestors, and one more."""
        if who in approvals:
            raise self.error(errors.AlreadyApproved)
        board = self.attestors.get()
        return (*(one for one in approvals if one in board), who)

    def _get_request(self, request: int) -> MintRequest:
        found = self.mint_requests.get(request)
        if found is None:
            raise self.error(errors.UnknownRequest)
        return found

    def _get_redemption(self, redemption: int) -> Redemption:
        found = self.redemptions.get(redemption)
        if found is None:
            raise self.error(errors.UnknownRedemption)
        return found

    def _close(self, redemption: int, found: Redemption) -> None:
        self.redemptions.remove(redemption)
        waiting = self.redemptions_of.get(found.who)
        if waiting > 1:
            self.redemptions_of.put(found.who, waiting - 1)
        else:
            self.redemptions_of.remove(found.who)

    def _mint(self, beneficiary: AccountId, amount: int) -> None:
        """Mint within reserve and cap, or raise."""
        self._ensure_running()
        latest, now = self.latest.get(), self.config.clock.now_ms()
        if latest is None or self._is_too_old(latest.report.as_of):
            raise self.error(errors.ReserveStale)
        if self.config.watt.total_issuance() + amount > self.covered():
            raise self.error(errors.ReserveInsufficient)
        day, minted = (now + BANGKOK_MS) // DAY_MS, self.minted.get()
        today = amount + (minted.amount if minted.day == day else 0)
        if today > self.mint_cap.get():
            raise self.error(errors.CapExceeded)
        self.config.watt.mint_into(beneficiary, amount)
        self.minted.put(Minted(day, today))

    def _is_too_old(self, as_of: int) -> bool:
        return self.config.clock.now_ms() - as_of > self.config.report_age_max_ms

    def _accept(self, report: ReserveReport, signers: tuple[AccountId, ...]) -> None:
        for one in self.attestors.get():
            signed = self.attestations.get(one)
            if signed is not None and signed.as_of <= report.as_of:
                self.attestations.remove(one)
        supply = self.config.watt.total_issuance()
        self._store_report(AcceptedReport(report, signers, supply))
        self.deposit(
            events.ReserveReported(report.as_of, report.satang, supply, report.document_hash, signers)
        )
        self.is_stale.kill()
        self._note_age(report.as_of)
        self._note_shortfall()
        if supply > self.covered():
            self.deposit(events.ReserveShort(supply, self.covered()))

    def _store_report(self, accepted: AcceptedReport) -> None:
        count = self.report_count.get()
        self.report_count.put(checked_add(count, 1, U32_MAX))
        self.reports.put(count, accepted)
        if count >= REPORTS_KEPT:
            self.reports.remove(count - REPORTS_KEPT)
        self.latest.put(accepted)

    def _note_age(self, as_of: int) -> None:
        """Tell, once, that the latest report has become too old."""
        if self._is_too_old(as_of) and not self.is_stale.get():
            self.is_stale.put(True)  # noqa: FBT003  # the stored value
            self.deposit(events.ReportStale(as_of))

    def _note_shortfall(self) -> None:
        lacking = max(0, self.config.watt.total_issuance() - self.covered())
        if lacking == self.shortfall.get():
            return
        if lacking:
            self.shortfall.put(lacking)
        else:
            self.shortfall.kill()

    def _check_redemptions(self) -> None:
        amounts: dict[AccountId, list[int]] = {}
        for number, found in self.redemptions.items():
            assert found is not None
            assert number < self.next_redemption.get(), f"redemption {number} is still to come"
            amounts.setdefault(found.who, []).append(found.amount)
        counts = {who: len(listed) for who, listed in amounts.items()}
        assert dict(self.redemptions_of.items()) == counts, "redemptions are counted wrongly"
        for who, listed in amounts.items():
            held = self.config.watt.balance_on_hold(self._reason(), who)
            assert held == sum(listed), f"{who.hex()} redeems {sum(listed)} and has {held} held"


def _is_board(attestors: tuple[AccountId, ...]) -> bool:
    return len(dict.fromkeys(attestors)) == len(attestors) == ATTESTORS
