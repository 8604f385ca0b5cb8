"""What the calls of the compliance pallets are measured on, in the dearest state that a weight must cover."""

from benchmarks.weight_scene import Act, Cases, Scene, person, stranger
from genesis.consortium import UNIT, WATT_ID
from genesis.regulation import WattGuard, of_transfer_approved
from pallets.compliance.aml import AMOUNTS_MAX, RECEIVERS_MAX, VELOCITY_MAX
from pallets.compliance.compliance import FREEZE, THAW, make_order
from pallets.compliance.compliance_types import LICENCES_PER_HOLDER_MAX, LicenceKind, Tier, Withdrawal
from pallets.compliance.due import QUARTER_MS, WALK_MAX, QueueState
from pallets.compliance.monitoring_types import (
    FLAGS_KEPT,
    Action,
    Clearance,
    Flagged,
    Reported,
    RuleKind,
    Window,
)
from pallets.compliance.office import Purpose, Role, day_of
from pallets.compliance.privacy import make_consent, make_tombstone
from pallets.compliance.privacy_types import (
    ERASURE_MS,
    NEVER,
    Category,
    Fulfilled,
    RequestKind,
    RetentionAction,
    Risk,
    Statement,
)
from pallets.compliance.reports_types import Content, OpenDay, ReportKind
from pallets.core.timestamp import Timestamp
from runtime.frame.dispatch import ROOT
from runtime.frame.permissions import Activity, Movement
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.extrinsic import Sr25519Signature
from runtime.primitives.types import ZERO_HASH, AccountId
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
    pallet = scene.chain.pallets.supervision.compliance

    def run() -> None:
        pallet.ensure(HOLDER, Activity.Trade)

    return run


@CASES.add("COMPLIANCE_SEND")
def send(scene: Scene) -> Act:
    """The money of another account than the signer's, with a daily limit."""
    attest(scene)
    scene.ok(OFFICER, "Compliance.file_kyc", OTHER, PAPER, b"TH")
    scene.ok(OFFICER, "Compliance.attest_kyc", OTHER, Tier.Basic, soon(scene), None)
    guard = WattGuard(scene.chain.pallets.supervision.compliance, Blind(), WATT_ID, of_transfer_approved)
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
    pallet = scene.chain.pallets.supervision.monitoring
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


# --- privacy


def file_request(scene: Scene, kind: RequestKind) -> None:
    """Let the holder ask for something, and an officer find that it is the holder."""
    staff(scene)
    scene.ok(HOLDER, "Privacy.file_dsr", kind, PAPER)
    scene.ok(OFFICER, "Privacy.verify_dsr", 0)


def breach(scene: Scene, risk: Risk | None) -> None:
    staff(scene)
    scene.ok(OFFICER, "Privacy.report_breach", PAPER, 0)
    if risk is not None:
        scene.ok(OFFICER, "Privacy.assess_breach", 0, risk)


@CASES.add("PRIVACY_DUE", ENTRY=50, QUARTER=WALK_MAX)
def pass_deadlines(scene: Scene, entries: int, quarters: int) -> Act:
    staff(scene)
    base = clock(scene).now_ms()
    for number in range(entries):
        scene.ok(person(number), "Privacy.file_dsr", RequestKind.Erase, PAPER)
    if quarters:
        scene.ok(OFFICER, "Privacy.start_retention", Category.AuditTrail, PAPER)
    passed = base + (quarters + 1) * QUARTER_MS if quarters else base
    if entries:
        passed = base + ERASURE_MS + QUARTER_MS
        queue = scene.chain.pallets.supervision.privacy.due_state
        queue.put(QueueState((base + ERASURE_MS) // QUARTER_MS, entries, entries))
    hook = scene.hook("Privacy", "on_initialize", 2)

    def run() -> None:
        clock(scene).now.put(passed)
        hook()

    return run


@CASES.add("PRIVACY_GIVE_CONSENT")
def give_consent(scene: Scene) -> Act:
    return scene.act(HOLDER, "Privacy.give_consent", Purpose.Research, 1, None)


@CASES.add("PRIVACY_WITHDRAW_CONSENT")
def withdraw_consent(scene: Scene) -> Act:
    scene.ok(HOLDER, "Privacy.give_consent", Purpose.Research, 1, None)
    return scene.act(HOLDER, "Privacy.withdraw_consent", Purpose.Research)


@CASES.add("PRIVACY_RECORD_CONSENT")
def record_consent(scene: Scene) -> Act:
    """With the dearest of the three schemes."""
    pair = Keypair.from_uri("//Alice", Scheme.SR25519)
    subject = AccountId(pair.account_id)
    statement = Statement(Purpose.Research, 1, NEVER, clock(scene).now_ms())
    message = make_consent(scene.chain.pallets.system.block_hash.get(0), subject, statement)
    signature = Sr25519Signature(pair.sign(message))
    return scene.act(HOLDER, "Privacy.record_consent", subject, statement, signature)


@CASES.add("PRIVACY_FILE_DSR")
def file_dsr(scene: Scene) -> Act:
    return scene.act(HOLDER, "Privacy.file_dsr", RequestKind.Access, PAPER)


@CASES.add("PRIVACY_VERIFY_DSR")
def verify_dsr(scene: Scene) -> Act:
    staff(scene)
    scene.ok(HOLDER, "Privacy.file_dsr", RequestKind.Access, PAPER)
    return scene.act(OFFICER, "Privacy.verify_dsr", 0)


@CASES.add("PRIVACY_ANSWER_DSR")
def answer_dsr(scene: Scene) -> Act:
    file_request(scene, RequestKind.Access)
    return scene.act(OFFICER, "Privacy.answer_dsr", 0, Fulfilled(PAPER))


@CASES.add("PRIVACY_CONFIRM_ERASURE")
def confirm_erasure(scene: Scene) -> Act:
    file_request(scene, RequestKind.Erase)
    pair = Keypair.from_uri("//Alice", Scheme.ED25519)
    scene.ok(ROOT, "Privacy.set_vault_key", pair.public)
    message = make_tombstone(scene.chain.pallets.system.block_hash.get(0), 0, PAPER)
    return scene.act(OFFICER, "Privacy.confirm_erasure", 0, PAPER, pair.sign(message))


@CASES.add("PRIVACY_REPORT_BREACH")
def report_breach(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Privacy.report_breach", PAPER, clock(scene).now_ms())


@CASES.add("PRIVACY_ASSESS_BREACH")
def assess_breach(scene: Scene) -> Act:
    breach(scene, None)
    return scene.act(OFFICER, "Privacy.assess_breach", 0, Risk.High)


@CASES.add("PRIVACY_NOTIFY_BREACH")
def notify_breach(scene: Scene) -> Act:
    breach(scene, Risk.High)
    return scene.act(OFFICER, "Privacy.notify_breach", 0, PAPER)


@CASES.add("PRIVACY_CLOSE_BREACH")
def close_breach(scene: Scene) -> Act:
    breach(scene, Risk.Unlikely)
    return scene.act(OFFICER, "Privacy.close_breach", 0)


@CASES.add("PRIVACY_SET_RETENTION")
def set_retention(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Privacy.set_retention", Category.MeterData, 1, RetentionAction.Erase)


@CASES.add("PRIVACY_START_RETENTION")
def start_retention(scene: Scene) -> Act:
    staff(scene)
    return scene.act(OFFICER, "Privacy.start_retention", Category.MeterData, PAPER)


@CASES.add("PRIVACY_SET_VAULT_KEY")
def set_vault_key(scene: Scene) -> Act:
    return scene.act(ROOT, "Privacy.set_vault_key", PAPER)


# --- reports

PERIOD = 12 * 2022
CONTENT = Content(ZERO_HASH, 1, PAPER)
PEAKS = 20
"""A day of a million leaves but one."""


def fill_log(scene: Scene, days_ago: int) -> None:
    """Let the log have a day of many leaves."""
    pallet = scene.chain.pallets.supervision.reports
    leaves = (1 << PEAKS) - 1
    day = day_of(clock(scene).now_ms()) - days_ago
    pallet.audit_day.put(OpenDay(day, leaves, (ZERO_HASH,) * PEAKS))
    pallet.audit_len.put(leaves)


def submit(scene: Scene) -> None:
    staff(scene)
    scene.ok(OFFICER, "Reports.draft_report", ReportKind.ErcMonth, PERIOD, CONTENT)
    scene.ok(OFFICER, "Reports.submit_report", ReportKind.ErcMonth, PERIOD, ZERO_HASH)


@CASES.add("REPORTS_SEAL")
def seal(scene: Scene) -> Act:
    """Once in a day, and yet in every block's weight, which it hardly adds to."""
    scene.chain.pallets.supervision.reports.audit_day.kill()
    fill_log(scene, 0)
    pallet = scene.chain.pallets.supervision.reports
    now = clock(scene).now_ms()

    def run() -> None:
        clock(scene).now.put(now + 2 * DAY_S * 1_000)
        pallet.on_finalize(2)

    return run


@CASES.add("REPORTS_DRAFT_REPORT")
def draft_report(scene: Scene) -> Act:
    staff(scene)
    fill_log(scene, 0)
    return scene.act(OFFICER, "Reports.draft_report", ReportKind.ErcMonth, PERIOD, CONTENT)


@CASES.add("REPORTS_SUBMIT_REPORT")
def submit_report(scene: Scene) -> Act:
    staff(scene)
    scene.ok(OFFICER, "Reports.draft_report", ReportKind.ErcMonth, PERIOD, CONTENT)
    return scene.act(OFFICER, "Reports.submit_report", ReportKind.ErcMonth, PERIOD, ZERO_HASH)


@CASES.add("REPORTS_ACCEPT_REPORT")
def accept_report(scene: Scene) -> Act:
    submit(scene)
    return scene.act(OFFICER, "Reports.accept_report", ReportKind.ErcMonth, PERIOD, ZERO_HASH)


@CASES.add("REPORTS_RETURN_REPORT")
def return_report(scene: Scene) -> Act:
    submit(scene)
    return scene.act(OFFICER, "Reports.return_report", ReportKind.ErcMonth, PERIOD)
