"""What the calls of the compliance pallets are measured on, in the dearest state that a weight must cover."""

from benchmarks.weight_scene import Act, Cases, Scene, person, stranger
from genesis.consortium import UNIT, WATT_ID
from genesis.regulation import WattGuard, WattMovements
from pallets.compliance.aml import AMOUNTS_MAX, RECEIVERS_MAX, VELOCITY_MAX
from pallets.compliance.compliance import FREEZE, THAW, make_order
from pallets.compliance.compliance_types import LICENCES_PER_HOLDER_MAX, LicenceKind, Tier, Withdrawal
from pallets.compliance.due import QUARTER_MS, WALK_MAX
from pallets.compliance.monitoring_types import (
    FLAGS_KEPT,
    Action,
    Clearance,
    Flagged,
    Reported,
    RuleKind,
    Window,
)
from pallets.compliance.office import Role
from pallets.core.timestamp import Timestamp
from runtime.frame.dispatch import ROOT
from runtime.frame.permissions import Activity, Movement
from tests.support.chain import ALICE

CASES = Cases()


class Blind:
    """Looks at no movement, so that what a monitor costs is measured by itself."""

    def screen(self, movement: Movement) -> None:
        """Do nothing."""


OFFICER, SECOND, HOLDER, OTHER = ALICE, person(0), person(1), person(2)
PAPER = b"\x07" * 32
SALT = b"\x05" * 32
HOUR_MS = 4 * QUARTER_MS
DAY_S = 86_400


def staff(scene: Scene) -> None:
    """Register two officers with every role."""
    for who in (OFFICER, SECOND):
        scene.ok(ROOT, "Compliance.register_officer", who, tuple(Role))


def clock(scene: Scene) -> Timestamp:
    found = scene.chain.runtime.pallet("Timestamp")
    assert isinstance(found, Timestamp)
    return found


def soon(scene: Scene) -> int:
    return clock(scene).now_ms() + HOUR_MS


def attest(scene: Scene, tier: Tier = Tier.Basic) -> None:
    """Let the holder be known."""
    staff(scene)
    scene.ok(OFFICER, "Compliance.file_kyc", HOLDER, PAPER, b"TH")
    scene.ok(OFFICER, "Compliance.attest_kyc", HOLDER, tier, soon(scene), None)


def license_(scene: Scene, kind: LicenceKind = LicenceKind.Trading) -> None:
    scene.ok(OFFICER, "Compliance.issue_licence", HOLDER, kind, soon(scene), PAPER)


# --- compliance


@CASES.add("COMPLIANCE_DUE", ENTRY=50, QUARTER=WALK_MAX)
def expire(scene: Scene, entries: int, quarters: int) -> Act:
    staff(scene)
    base = clock(scene).now_ms()
    for number in range(entries):
        who = stranger(number)
        scene.ok(OFFICER, "Compliance.issue_licence", who, LicenceKind.Grid, base + 1, PAPER)
    if quarters:
        scene.ok(OFFICER, "Compliance.issue_licence", HOLDER, LicenceKind.Grid, base + 10**12, PAPER)
    passed = base + (quarters + 1) * QUARTER_MS if entries or quarters else base
    hook = scene.hook("Compliance", "on_initialize", 2)

    def run() -> None:
        clock(scene).now.put(passed)
        hook()

    return run


@CASES.add("COMPLIANCE_REGISTER_OFFICER")
def register_officer(scene: Scene) -> Act:
    return scene.act(ROOT, "Compliance.register_officer", HOLDER, tuple(Role))


@CASES.add("COMPLIANCE_FILE_KYC")
def file_kyc(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Compliance.file_kyc", HOLDER, PAPER, b"TH")


@CASES.add("COMPLIANCE_ATTEST_KYC")
def attest_kyc(scene: Scene) -> Act:
    attest(scene)
    return scene.act(OFFICER, "Compliance.attest_kyc", HOLDER, Tier.Enhanced, soon(scene), 1)


@CASES.add("COMPLIANCE_REVOKE_KYC")
def revoke_kyc(scene: Scene) -> Act:
    attest(scene)
    return scene.act(OFFICER, "Compliance.revoke_kyc", HOLDER, Withdrawal.Suspend)


@CASES.add("COMPLIANCE_ISSUE_LICENCE")
def issue_licence(scene: Scene) -> Act:
    attest(scene)
    for _ in range(LICENCES_PER_HOLDER_MAX):
        license_(scene)
    scene.ok(OFFICER, "Compliance.revoke_licence", 0)
    kind = LicenceKind.Grid
    return scene.act(OFFICER, "Compliance.issue_licence", HOLDER, kind, soon(scene), PAPER)


@CASES.add("COMPLIANCE_SUSPEND_LICENCE")
def suspend_licence(scene: Scene) -> Act:
    attest(scene)
    license_(scene)
    return scene.act(OFFICER, "Compliance.suspend_licence", 0)


@CASES.add("COMPLIANCE_RESTORE_LICENCE")
def restore_licence(scene: Scene) -> Act:
    attest(scene)
    license_(scene)
    scene.ok(OFFICER, "Compliance.suspend_licence", 0)
    return scene.act(OFFICER, "Compliance.restore_licence", 0)


@CASES.add("COMPLIANCE_REVOKE_LICENCE")
def revoke_licence(scene: Scene) -> Act:
    attest(scene)
    license_(scene)
    return scene.act(OFFICER, "Compliance.revoke_licence", 0)


@CASES.add("COMPLIANCE_PROPOSE_ORDER")
def propose_order(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Compliance.propose_order", PAPER)


@CASES.add("COMPLIANCE_FREEZE")
def freeze(scene: Scene) -> Act:
    staff(scene)
    scene.ok(OFFICER, "Compliance.propose_order", make_order(FREEZE, SALT, HOLDER))
    return scene.act(SECOND, "Compliance.freeze", HOLDER, SALT)


@CASES.add("COMPLIANCE_UNFREEZE")
def unfreeze(scene: Scene) -> Act:
    staff(scene)
    scene.ok(OFFICER, "Compliance.propose_order", make_order(FREEZE, SALT, HOLDER))
    scene.ok(SECOND, "Compliance.freeze", HOLDER, SALT)
    scene.ok(OFFICER, "Compliance.propose_order", make_order(THAW, SALT, HOLDER))
    return scene.act(SECOND, "Compliance.unfreeze", HOLDER, SALT)


@CASES.add("COMPLIANCE_ENSURE")
def ensure(scene: Scene) -> Act:
    """As many licences as an account can have, of which the last one is of the kind."""
    attest(scene)
    for _ in range(LICENCES_PER_HOLDER_MAX - 1):
        license_(scene, LicenceKind.Grid)
    license_(scene)
    pallet = scene.chain.pallets.compliance

    def run() -> None:
        pallet.ensure(HOLDER, Activity.Trade)

    return run


@CASES.add("COMPLIANCE_SEND")
def send(scene: Scene) -> Act:
    """The money of another account than the signer's, with a daily limit."""
    attest(scene)
    scene.ok(OFFICER, "Compliance.file_kyc", OTHER, PAPER, b"TH")
    scene.ok(OFFICER, "Compliance.attest_kyc", OTHER, Tier.Basic, soon(scene), None)
    movements = WattMovements(scene.chain.pallets.assets, WATT_ID)
    guard = WattGuard(scene.chain.pallets.compliance, Blind(), movements.of_transfer_approved)
    call = scene.call("Assets.transfer_approved", WATT_ID, OTHER, stranger(0), UNIT)

    def run() -> None:
        guard.ensure_allowed(call, HOLDER)

    return run


# --- monitoring


@CASES.add("MONITORING_SET_RULE")
def set_rule(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Monitoring.set_rule", RuleKind.Velocity, VELOCITY_MAX, DAY_S, Action.Hold)


@CASES.add("MONITORING_REMOVE_RULE")
def remove_rule(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Monitoring.remove_rule", RuleKind.Velocity)


@CASES.add("MONITORING_CLEAR_TRANSFER")
def clear_transfer(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Monitoring.clear_transfer", HOLDER, UNIT, soon(scene))


@CASES.add("MONITORING_OPEN_CASE")
def open_case(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Monitoring.open_case", PAPER)


@CASES.add("MONITORING_REVIEW_CASE")
def review_case(scene: Scene) -> Act:
    staff(scene)
    scene.ok(OFFICER, "Monitoring.open_case", PAPER)
    return scene.act(OFFICER, "Monitoring.review_case", 0, PAPER)


@CASES.add("MONITORING_DECIDE_CASE")
def decide_case(scene: Scene) -> Act:
    staff(scene)
    scene.ok(OFFICER, "Monitoring.open_case", PAPER)
    scene.ok(OFFICER, "Monitoring.review_case", 0, PAPER)
    return scene.act(OFFICER, "Monitoring.decide_case", 0, Reported(PAPER))


@CASES.add("MONITORING_SCREEN")
def screen(scene: Scene) -> Act:
    """A sender whose windows are full, found by every rule, let through by a clearance."""
    staff(scene)
    for kind, threshold, window_s in (
        (RuleKind.Single, 10**6 * UNIT, 0),
        (RuleKind.Rolling, UNIT, DAY_S),
        (RuleKind.Velocity, VELOCITY_MAX, DAY_S),
        (RuleKind.Counterparty, RECEIVERS_MAX - 1, DAY_S),
    ):
        scene.ok(OFFICER, "Monitoring.set_rule", kind, threshold, window_s, Action.Hold)
    pallet = scene.chain.pallets.monitoring
    now = clock(scene).now_ms() // 1_000
    pallet.window.put(
        HOLDER,
        Window(
            ((now, UNIT),) * AMOUNTS_MAX,
            (now,) * VELOCITY_MAX,
            tuple((now, stranger(number)) for number in range(RECEIVERS_MAX)),
        ),
    )
    pallet.clearance.put(HOLDER, Clearance(UNIT, soon(scene)))
    pallet.flag_count.put(FLAGS_KEPT)
    for number in range(FLAGS_KEPT):
        pallet.flagged.put(number, Flagged(1, 1, ()))
    movement = Movement(HOLDER, OTHER, UNIT)

    def run() -> None:
        pallet.screen(movement)

    return run
