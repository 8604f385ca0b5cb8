"""Which calls of the consortium are regulated, and what each takes.

The one table that decides it: a call that is not in it needs nothing, so that the native token, fees and all
that keeps the chain running are open to everybody. Each entry is a guard in front of the dispatch of its
call; see `runtime.frame.dispatcher`. The extension adds nothing to a block: it keeps out of the pool what a
guard would refuse, where that is certain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, TypeAlias

from genesis.pots import COLLATERAL_FUND
from pallets.compliance import weights
from pallets.compliance.compliance import Compliance
from pallets.compliance.compliance_errors import AccountFrozen
from pallets.compliance.compliance_types import LicenceKind, Requirement, Tier
from pallets.compliance.monitoring_types import Action, Rule, RuleKind
from pallets.compliance.office import Purpose
from pallets.compliance.privacy_types import Category, Retention, RetentionAction
from pallets.settlement.meters_types import NewMeter
from pallets.token.assets import Assets
from pallets.token.reserve_types import RESERVE_POT
from runtime.frame.account import lookup
from runtime.frame.call import Call
from runtime.frame.dispatch import Weight
from runtime.frame.dispatcher import CallGuard
from runtime.frame.extension import Extension, Extrinsic
from runtime.frame.permissions import Activity, Movement, MovementMonitor
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.validity import InvalidReason, InvalidTransaction
from runtime.primitives.types import AccountId

REQUIREMENTS: Final[Mapping[Activity, Requirement]] = MappingProxyType(
    {
        Activity.SendWatt: Requirement(Tier.Basic),
        Activity.Trade: Requirement(Tier.Basic, LicenceKind.Trading),
        Activity.Generate: Requirement(Tier.Basic, LicenceKind.Generation),
        Activity.Operate: Requirement(Tier.Enhanced, LicenceKind.Grid),
        Activity.PublishMeter: Requirement(Tier.Basic, consent=Purpose.MeterPublication),
    }
)
"""What activities take; to receive takes nothing."""

ACTIVITIES: Final[Mapping[Activity, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        Activity.Trade: {
            "Market": (
                *("register_participant", "submit_order", "submit_orders", "amend_order"),
                *("propose_bilateral", "accept_bilateral"),
            ),
            "Certificates": ("transfer",),
        },
        Activity.Generate: {"Certificates": ("register_device", "request_issue")},
        Activity.Operate: {
            "Grid": ("set_capacity", "raise_alert", "clear_alert", "curtail", "lift"),
            "Meters": ("rotate_key", "retire_meter", "remove_meter"),
        },
    }
)
"""Calls of the energy market that are an activity, whatever their arguments."""

OPEN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Oracle": (
            *("submit", "submit_report", "report_equivocation", "restore_bond", "set_feed"),
            *("pause_feed", "resume_feed", "add_provider", "set_provider", "remove_provider"),
        ),
        "Grid": ("set_zone", "set_line", "claim_rent"),
        "Market": (
            *("leave", "set_limits", "cancel_order", "cancel_all", "claim", "step_clearing"),
            *("halt_market", "resume_market", "set_market", "collect_fees", "terminate_bilateral"),
        ),
        "Meters": ("submit_readings",),
        "Settlement": ("settle_page", "net_page", "set_tariff", "set_prices", "claim"),
        "Collateral": (
            *("deposit_collateral", "withdraw_collateral", "margin_call", "liquidate", "write_off"),
            *("claim_recovery", "release_requirement"),
        ),
        "Certificates": (
            *("verify_device", "approve_issue", "withdraw_request", "cancel", "set_issuer"),
            "remove_device",
        ),
    }
)
"""Calls of the same pallets that need nothing besides what they check themselves: those of Root, officers,
issuers, regulators and providers; work that anybody may do; and whatever takes back, releases or pays out
what is an account's own, so that a revoked licence stops new orders and no refund. Readings are signed by
meters and carried by anyone: the owner's consent is asked for when the meter is registered."""

UNLESS_FROZEN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({"Certificates": ("redeem",)})
"""Calls that anybody may make of whom nothing is frozen: who redeems certificates, which may be for somebody
else's consumption, gives them away."""

BASIC_LIMIT_THB: Final = 50_000
"""E-money that an account of the lowest tier may send in a day."""
UNIT: Final = 10**12
"""A baht of e-money."""
HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
FROZEN: Final = 1
"""The custom code with which the pool refuses a regulated call of a frozen account."""

RULES: Final[tuple[tuple[RuleKind, Rule], ...]] = (
    (RuleKind.Single, Rule(100_000 * UNIT, 0, Action.Flag)),
    (RuleKind.Rolling, Rule(100_000 * UNIT, DAY_S, Action.Flag)),
    (RuleKind.Velocity, Rule(20, HOUR_S, Action.Flag)),
    (RuleKind.Counterparty, Rule(20, DAY_S, Action.Flag)),
    (RuleKind.Sanction, Rule(0, 0, Action.Reject)),
)
"""The rules that a chain starts with: the law's threshold for electronic transfers, at once and in parts."""

RETENTION: Final[tuple[tuple[Category, Retention], ...]] = (
    (Category.AuditTrail, Retention(2_555, RetentionAction.Archive)),
    (Category.MoneyLaundering, Retention(1_826, RetentionAction.Erase)),
    (Category.Identity, Retention(1_826, RetentionAction.Erase)),
    (Category.PersonalData, Retention(365, RetentionAction.Erase)),
    (Category.MeterData, Retention(365, RetentionAction.Anonymise)),
)
"""How many days records are kept at first: seven years of audit trail, five after the end of a relation of
what the law against money laundering has kept, one of the rest."""

METER_WEIGHT: Final = weights.COMPLIANCE_ENSURE.times(2)
SEND_WEIGHT: Final = weights.COMPLIANCE_SEND.plus(weights.MONITORING_SCREEN)

MovementOf: TypeAlias = Callable[[Call, AccountId], Movement]
"""Tells what a call of an account moves of its asset; raises what the call itself would raise."""


@dataclass(frozen=True, slots=True)
class ActivityGuard:
    """In front of a call that is an activity, whatever its arguments."""

    compliance: Compliance
    activity: Activity
    weight: Weight = weights.COMPLIANCE_ENSURE

    def ensure_allowed(self, call: Call, who: AccountId) -> None:  # noqa: ARG002  # whatever its arguments
        """Raise what the account lacks for the activity."""
        self.compliance.ensure(who, self.activity)


@dataclass(frozen=True, slots=True)
class FreezeGuard:
    """In front of a call that takes nothing but not to be frozen."""

    compliance: Compliance
    weight: Weight = weights.COMPLIANCE_ENSURE

    def ensure_allowed(self, call: Call, who: AccountId) -> None:  # noqa: ARG002  # whatever its arguments
        """Raise AccountFrozen where the account is."""
        if self.compliance.is_frozen(who):
            raise self.compliance.error(AccountFrozen)


@dataclass(frozen=True, slots=True)
class WattGuard:
    """In front of a call that sends an asset, its first argument, from one account to another; e-money is the
    asset `watt_id`."""

    compliance: Compliance
    monitor: MovementMonitor
    watt_id: int
    movement_of: MovementOf
    weight: Weight = SEND_WEIGHT

    def applies(self, call: Call) -> bool:
        """Tell whether it is e-money that the call sends. Raises nothing."""
        asset_id: int = call.args[0]
        return asset_id == self.watt_id

    def ensure_allowed(self, call: Call, who: AccountId) -> None:
        """Raise what the signer or the owner of the money lacks, where it is too much for a day, and where a
        rule against money laundering forbids it."""
        if not self.applies(call):
            return
        movement = self.movement_of(call, who)
        self.compliance.ensure(who, Activity.SendWatt)
        if movement.sender != who:
            self.compliance.ensure(movement.sender, Activity.SendWatt)
        self.compliance.note_sent(movement.sender, movement.amount)
        self.monitor.screen(movement)


@dataclass(frozen=True, slots=True)
class PotGuard:
    """In front of a call that pays e-money into a pot, its argument at `place`: what is given back for baht,
    which leave the chain for a bank account, and what the market's default fund gets."""

    compliance: Compliance
    monitor: MovementMonitor
    pot: AccountId
    place: int = 0
    weight: Weight = SEND_WEIGHT

    def ensure_allowed(self, call: Call, who: AccountId) -> None:
        """Raise what the account lacks for sending e-money, and where a rule against money laundering forbids
        it. The daily limit is for what people send one another."""
        amount: int = call.args[self.place]
        self.compliance.ensure(who, Activity.SendWatt)
        self.monitor.screen(Movement(who, self.pot, amount))


@dataclass(frozen=True, slots=True)
class MeterGuard:
    """In front of the call by which a zone's operator registers a meter of somebody else, whose readings will
    stand on the chain."""

    compliance: Compliance
    weight: Weight = METER_WEIGHT

    def ensure_allowed(self, call: Call, who: AccountId) -> None:
        """Raise what the operator lacks for running a grid, or the owner for having its readings shown."""
        meter: NewMeter = call.args[0]
        self.compliance.ensure(who, Activity.Operate)
        self.compliance.ensure(meter.owner, Activity.PublishMeter)


def regulate(
    build: RuntimeBuilder, compliance: Compliance, monitor: MovementMonitor, assets: Assets, watt_id: int
) -> Extension:
    """Put the guards in front of their calls; return the extension that goes with them."""
    movements: dict[str, MovementOf] = {
        "transfer": of_transfer,
        "transfer_keep_alive": of_transfer,
        "transfer_all": partial(of_transfer_all, assets),
        "transfer_approved": of_transfer_approved,
    }
    table: list[tuple[str, str, CallGuard]] = [
        ("Assets", name, WattGuard(compliance, monitor, watt_id, movement_of))
        for name, movement_of in movements.items()
    ]
    table += [
        ("WattReserve", "redeem", PotGuard(compliance, monitor, RESERVE_POT)),
        ("Collateral", "contribute_default_fund", PotGuard(compliance, monitor, COLLATERAL_FUND)),
        ("Collateral", "pay_arrears", PotGuard(compliance, monitor, COLLATERAL_FUND, place=2)),
        ("Meters", "register_meter", MeterGuard(compliance)),
    ]
    for activity, calls in ACTIVITIES.items():
        guard = ActivityGuard(compliance, activity)
        table += [(pallet, name, guard) for pallet, names in calls.items() for name in names]
    table += [
        (pallet, name, FreezeGuard(compliance)) for pallet, names in UNLESS_FROZEN.items() for name in names
    ]
    guards = {build.guard(pallet, name, guard).prefix: guard for pallet, name, guard in table}
    return check_compliance(compliance, guards)


def check_compliance(compliance: Compliance, guards: Mapping[bytes, CallGuard]) -> Extension:
    """Return the extension that keeps regulated calls of frozen accounts out of the pool.

    In a block they are not refused: they cost fee and nonce, and fail with the error that names the reason.
    """

    def validate(_index: int, extrinsic: Extrinsic) -> None:
        guard = guards.get(extrinsic.call.spec.prefix)
        who = extrinsic.signer
        if guard is None or who is None:
            return
        if isinstance(guard, WattGuard) and not guard.applies(extrinsic.call):
            return
        if compliance.is_frozen(who):
            raise InvalidTransaction(InvalidReason.Custom, FROZEN)

    return Extension("CheckCompliance", validate=validate, is_listed=False)


def of_transfer(call: Call, who: AccountId) -> Movement:
    """Return what `transfer` or `transfer_keep_alive` moves."""
    _, target, amount = call.args
    return Movement(who, lookup(target), amount)


def of_transfer_all(assets: Assets, call: Call, who: AccountId) -> Movement:
    """Return what `transfer_all` moves: what the account can send."""
    asset_id, target, keep_alive = call.args
    amount = assets.ledger.reducible_balance(asset_id, who, keep_alive=keep_alive)
    return Movement(who, lookup(target), amount)


def of_transfer_approved(call: Call, who: AccountId) -> Movement:
    """Return what `transfer_approved` moves: money of the owner, not of who signed."""
    del who
    _, owner, target, amount = call.args
    return Movement(lookup(owner), lookup(target), amount)
