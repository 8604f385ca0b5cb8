"""What the calls of the compliance pallets are measured on, in the dearest state that a weight must cover."""

from benchmarks.weight_scene import Act, Cases, Scene, person, stranger
from genesis.consortium import UNIT, WATT_ID
from genesis.regulation import WattGuard, WattMovements
from pallets.compliance.compliance import FREEZE, THAW, make_order
from pallets.compliance.compliance_types import LICENCES_PER_HOLDER_MAX, LicenceKind, Tier, Withdrawal
from pallets.compliance.due import QUARTER_MS, WALK_MAX
from pallets.compliance.office import Role
from pallets.core.timestamp import Timestamp
from runtime.frame.dispatch import ROOT
from runtime.frame.permissions import Activity
from tests.support.chain import ALICE

CASES = Cases()
OFFICER, SECOND, HOLDER, OTHER = ALICE, person(0), person(1), person(2)
PAPER = b"\x07" * 32
SALT = b"\x05" * 32
HOUR_MS = 4 * QUARTER_MS


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
    guard = WattGuard(scene.chain.pallets.compliance, movements.of_transfer_approved)
    call = scene.call("Assets.transfer_approved", WATT_ID, OTHER, stranger(0), UNIT)

    def run() -> None:
        guard.ensure_allowed(call, HOLDER)

    return run
