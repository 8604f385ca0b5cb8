"""What the calls of the token pallets are measured on, in the dearest state that a weight must cover."""

from msgspec import structs

from benchmarks.weight_scene import FUNDS, Act, Cases, Scene, person, stranger
from pallets.compliance.compliance_types import NEVER, Kyc, KycStatus, Tier
from pallets.token.assets_types import REMOVE_ITEMS_MAX, STRING_MAX
from pallets.token.balances_types import AdjustmentDirection
from pallets.token.reserve_types import (
    AGE_CHECK_BLOCKS,
    CUSTODIAN_MAX,
    REDEMPTIONS_MAX,
    REPORTS_KEPT,
    SATANG,
    ReserveReport,
)
from runtime.frame.account import AccountData
from runtime.frame.dispatch import ROOT
from runtime.primitives.types import Hash
from tests.support.chain import ALICE, BLOCK_TIME_MS, START_MS

CASES = Cases()
ASSET = 7
MINIMUM = 10
HELD = 1_000
SENDER, RECEIVER, DELEGATE = person(0), person(1), person(2)
TEXT = b"x" * STRING_MAX


# --- balances: transfers create the receiver and reap the sender


@CASES.add("BALANCES_TRANSFER_ALLOW_DEATH")
def transfer_allow_death(scene: Scene) -> Act:
    return scene.act(SENDER, "Balances.transfer_allow_death", stranger(0), FUNDS)


@CASES.add("BALANCES_FORCE_TRANSFER")
def force_transfer(scene: Scene) -> Act:
    return scene.act(ROOT, "Balances.force_transfer", SENDER, stranger(0), FUNDS)


@CASES.add("BALANCES_TRANSFER_KEEP_ALIVE")
def transfer_keep_alive(scene: Scene) -> Act:
    return scene.act(SENDER, "Balances.transfer_keep_alive", stranger(0), FUNDS // 2)


@CASES.add("BALANCES_TRANSFER_ALL")
def transfer_all(scene: Scene) -> Act:
    return scene.act(SENDER, "Balances.transfer_all", stranger(0), False)


@CASES.add("BALANCES_FORCE_UNRESERVE")
def force_unreserve(scene: Scene) -> Act:
    scene.chain.pallets.balances.reserve(SENDER, FUNDS // 2)
    return scene.act(ROOT, "Balances.force_unreserve", SENDER, FUNDS)


@CASES.add("BALANCES_UPGRADE_ACCOUNTS", ACCOUNT=100)
def upgrade_accounts(scene: Scene, accounts: int) -> Act:
    listed = tuple(person(number) for number in range(accounts))
    for who in listed:
        scene.chain.pallets.system.put_data(who, AccountData(FUNDS, 0, 0, 0))
    return scene.act(ALICE, "Balances.upgrade_accounts", listed)


@CASES.add("BALANCES_FORCE_SET_BALANCE")
def force_set_balance(scene: Scene) -> Act:
    return scene.act(ROOT, "Balances.force_set_balance", stranger(0), FUNDS)


@CASES.add("BALANCES_FORCE_ADJUST_TOTAL_ISSUANCE")
def force_adjust(scene: Scene) -> Act:
    name = "Balances.force_adjust_total_issuance"
    return scene.act(ROOT, name, AdjustmentDirection.Increase, 1)


@CASES.add("BALANCES_BURN")
def burn(scene: Scene) -> Act:
    return scene.act(SENDER, "Balances.burn", FUNDS, False)


# --- assets


def make(scene: Scene, *, is_sufficient: bool = True) -> None:
    """Create an asset whose whole team is Alice and of which the sender holds some."""
    scene.ok(ROOT, "Assets.force_create", ASSET, ALICE, is_sufficient, MINIMUM)
    scene.ok(ALICE, "Assets.mint", ASSET, SENDER, HELD)


def paid(scene: Scene) -> None:
    """Create an asset with a deposit and metadata."""
    scene.ok(ALICE, "Assets.create", ASSET, ALICE, MINIMUM)
    scene.ok(ALICE, "Assets.set_metadata", ASSET, TEXT, TEXT, 12)


@CASES.add("ASSETS_CREATE")
def create(scene: Scene) -> Act:
    return scene.act(ALICE, "Assets.create", ASSET, ALICE, MINIMUM)


@CASES.add("ASSETS_FORCE_CREATE")
def force_create(scene: Scene) -> Act:
    return scene.act(ROOT, "Assets.force_create", ASSET, ALICE, True, MINIMUM)


@CASES.add("ASSETS_START_DESTROY")
def start_destroy(scene: Scene) -> Act:
    paid(scene)
    return scene.act(ALICE, "Assets.start_destroy", ASSET)


@CASES.add("ASSETS_DESTROY_ACCOUNTS", ACCOUNT=100)
def destroy_accounts(scene: Scene, accounts: int) -> Act:
    assert accounts <= REMOVE_ITEMS_MAX
    scene.ok(ROOT, "Assets.force_create", ASSET, ALICE, False, MINIMUM)
    for number in range(accounts):
        scene.ok(person(number), "Assets.touch", ASSET)
    scene.ok(ALICE, "Assets.start_destroy", ASSET)
    return scene.act(ALICE, "Assets.destroy_accounts", ASSET)


@CASES.add("ASSETS_DESTROY_APPROVALS", APPROVAL=100)
def destroy_approvals(scene: Scene, approvals: int) -> Act:
    make(scene)
    for number in range(approvals):
        scene.ok(person(number), "Assets.approve_transfer", ASSET, DELEGATE, 1)
    scene.ok(ALICE, "Assets.start_destroy", ASSET)
    return scene.act(ALICE, "Assets.destroy_approvals", ASSET)


@CASES.add("ASSETS_FINISH_DESTROY")
def finish_destroy(scene: Scene) -> Act:
    paid(scene)
    scene.ok(ALICE, "Assets.start_destroy", ASSET)
    return scene.act(ALICE, "Assets.finish_destroy", ASSET)


@CASES.add("ASSETS_MINT")
def mint(scene: Scene) -> Act:
    make(scene)
    return scene.act(ALICE, "Assets.mint", ASSET, stranger(0), HELD)


@CASES.add("ASSETS_BURN")
def burn_asset(scene: Scene) -> Act:
    make(scene)
    return scene.act(ALICE, "Assets.burn", ASSET, SENDER, HELD)


@CASES.add("ASSETS_TRANSFER")
def transfer(scene: Scene) -> Act:
    make(scene)
    return scene.act(SENDER, "Assets.transfer", ASSET, stranger(0), HELD)


@CASES.add("ASSETS_TRANSFER_KEEP_ALIVE")
def transfer_asset_keep_alive(scene: Scene) -> Act:
    make(scene)
    return scene.act(SENDER, "Assets.transfer_keep_alive", ASSET, stranger(0), HELD // 2)


@CASES.add("ASSETS_FORCE_TRANSFER")
def force_transfer_asset(scene: Scene) -> Act:
    make(scene)
    return scene.act(ALICE, "Assets.force_transfer", ASSET, SENDER, stranger(0), HELD)


@CASES.add("ASSETS_FREEZE")
def freeze(scene: Scene) -> Act:
    make(scene)
    return scene.act(ALICE, "Assets.freeze", ASSET, SENDER)


@CASES.add("ASSETS_THAW")
def thaw(scene: Scene) -> Act:
    make(scene)
    scene.ok(ALICE, "Assets.freeze", ASSET, SENDER)
    return scene.act(ALICE, "Assets.thaw", ASSET, SENDER)


@CASES.add("ASSETS_FREEZE_ASSET")
def freeze_asset(scene: Scene) -> Act:
    make(scene)
    return scene.act(ALICE, "Assets.freeze_asset", ASSET)


@CASES.add("ASSETS_THAW_ASSET")
def thaw_asset(scene: Scene) -> Act:
    make(scene)
    scene.ok(ALICE, "Assets.freeze_asset", ASSET)
    return scene.act(ALICE, "Assets.thaw_asset", ASSET)


@CASES.add("ASSETS_TRANSFER_OWNERSHIP")
def transfer_ownership(scene: Scene) -> Act:
    paid(scene)
    return scene.act(ALICE, "Assets.transfer_ownership", ASSET, RECEIVER)


@CASES.add("ASSETS_SET_TEAM")
def set_team(scene: Scene) -> Act:
    paid(scene)
    return scene.act(ALICE, "Assets.set_team", ASSET, person(0), person(1), person(2))


@CASES.add("ASSETS_SET_METADATA")
def set_metadata(scene: Scene) -> Act:
    scene.ok(ALICE, "Assets.create", ASSET, ALICE, MINIMUM)
    return scene.act(ALICE, "Assets.set_metadata", ASSET, TEXT, TEXT, 12)


@CASES.add("ASSETS_CLEAR_METADATA")
def clear_metadata(scene: Scene) -> Act:
    paid(scene)
    return scene.act(ALICE, "Assets.clear_metadata", ASSET)


@CASES.add("ASSETS_FORCE_SET_METADATA")
def force_set_metadata(scene: Scene) -> Act:
    paid(scene)
    return scene.act(ROOT, "Assets.force_set_metadata", ASSET, TEXT, TEXT, 6, True)


@CASES.add("ASSETS_FORCE_CLEAR_METADATA")
def force_clear_metadata(scene: Scene) -> Act:
    paid(scene)
    return scene.act(ROOT, "Assets.force_clear_metadata", ASSET)


@CASES.add("ASSETS_FORCE_ASSET_STATUS")
def force_asset_status(scene: Scene) -> Act:
    paid(scene)
    team = (person(0), person(1), person(2), person(3))
    return scene.act(ROOT, "Assets.force_asset_status", ASSET, *team, 99, True, True)


@CASES.add("ASSETS_APPROVE_TRANSFER")
def approve_transfer(scene: Scene) -> Act:
    make(scene)
    return scene.act(SENDER, "Assets.approve_transfer", ASSET, DELEGATE, HELD)


@CASES.add("ASSETS_CANCEL_APPROVAL")
def cancel_approval(scene: Scene) -> Act:
    approve_transfer(scene)()
    return scene.act(SENDER, "Assets.cancel_approval", ASSET, DELEGATE)


@CASES.add("ASSETS_FORCE_CANCEL_APPROVAL")
def force_cancel_approval(scene: Scene) -> Act:
    approve_transfer(scene)()
    return scene.act(ALICE, "Assets.force_cancel_approval", ASSET, SENDER, DELEGATE)


@CASES.add("ASSETS_TRANSFER_APPROVED")
def transfer_approved(scene: Scene) -> Act:
    approve_transfer(scene)()
    return scene.act(DELEGATE, "Assets.transfer_approved", ASSET, SENDER, stranger(0), HELD)


@CASES.add("ASSETS_TOUCH")
def touch(scene: Scene) -> Act:
    make(scene)
    return scene.act(RECEIVER, "Assets.touch", ASSET)


@CASES.add("ASSETS_REFUND")
def refund(scene: Scene) -> Act:
    make(scene)
    scene.ok(RECEIVER, "Assets.touch", ASSET)
    scene.ok(ALICE, "Assets.mint", ASSET, RECEIVER, HELD)
    return scene.act(RECEIVER, "Assets.refund", ASSET, True)


@CASES.add("ASSETS_SET_MIN_BALANCE")
def set_min_balance(scene: Scene) -> Act:
    paid(scene)
    return scene.act(ALICE, "Assets.set_min_balance", ASSET, 50)


@CASES.add("ASSETS_TOUCH_OTHER")
def touch_other(scene: Scene) -> Act:
    make(scene)
    return scene.act(RECEIVER, "Assets.touch_other", ASSET, stranger(0))


@CASES.add("ASSETS_REFUND_OTHER")
def refund_other(scene: Scene) -> Act:
    touch_other(scene)()
    return scene.act(RECEIVER, "Assets.refund_other", ASSET, stranger(0))


@CASES.add("ASSETS_BLOCK")
def block(scene: Scene) -> Act:
    make(scene)
    return scene.act(ALICE, "Assets.block", ASSET, SENDER)


@CASES.add("ASSETS_TRANSFER_ALL")
def transfer_all_assets(scene: Scene) -> Act:
    make(scene)
    return scene.act(SENDER, "Assets.transfer_all", ASSET, stranger(0), False)


# --- the reserve of WATT


BOARD = (ALICE, person(3), person(4))
OTHERS = tuple(person(number) for number in (5, 6, 7))
HASH = Hash(b"\1" * 32)
AMOUNT = 1_000 * SATANG


def sign(scene: Scene, position: int, as_of: int) -> Act:
    """Sign a report that covers a lot, as one of the attestors."""
    name = "WattReserve.report_reserve"
    return scene.act(BOARD[position], name, as_of, b"x" * CUSTODIAN_MAX, 10**12, 0, HASH)


def cover(scene: Scene) -> None:
    """Let the reserve have attestors and a report, as many reports as are kept, and the sender WATT."""
    scene.ok(ROOT, "WattReserve.set_attestors", BOARD)
    for position in (0, 1):
        sign(scene, position, START_MS)()
    reserve = scene.chain.pallets.reserve
    latest = reserve.latest.get()
    assert latest is not None
    for number in range(REPORTS_KEPT):
        reserve.reports.put(number, latest)
    reserve.report_count.put(REPORTS_KEPT)
    request(scene)()
    scene.ok(BOARD[1], "WattReserve.approve_mint", 0)


def request(scene: Scene) -> Act:
    return scene.act(ALICE, "WattReserve.request_mint", SENDER, AMOUNT, HASH)


def redemptions(scene: Scene) -> None:
    cover(scene)
    known = Kyc(Tier.Enhanced, KycStatus.Verified, NEVER, HASH, b"TH", None)
    scene.chain.pallets.supervision.compliance.kyc.put(SENDER, known)
    for _ in range(REDEMPTIONS_MAX - 1):
        scene.ok(SENDER, "WattReserve.redeem", SATANG, HASH)


@CASES.add("WATTRESERVE_CHECK")
def check(scene: Scene) -> Act:
    """The report is too old, and more seems to lack cover than does."""
    cover(scene)
    reserve = scene.chain.pallets.reserve
    latest = reserve.latest.get()
    assert latest is not None
    reserve.latest.put(structs.replace(latest, report=structs.replace(latest.report, as_of=0)))
    reserve.shortfall.put(1)
    return scene.hook("WattReserve", "on_initialize", AGE_CHECK_BLOCKS)


@CASES.add("WATTRESERVE_SET_ATTESTORS")
def set_attestors(scene: Scene) -> Act:
    cover(scene)
    for position in range(3):
        scene.chain.pallets.reserve.attestations.put(BOARD[position], any_report(scene))
    return scene.act(ROOT, "WattReserve.set_attestors", OTHERS)


def any_report(scene: Scene) -> ReserveReport:
    latest = scene.chain.pallets.reserve.latest.get()
    assert latest is not None
    return latest.report


@CASES.add("WATTRESERVE_SET_MINT_CAP")
def set_mint_cap(scene: Scene) -> Act:
    return scene.act(ROOT, "WattReserve.set_mint_cap", AMOUNT)


@CASES.add("WATTRESERVE_PAUSE")
def pause(scene: Scene) -> Act:
    return scene.act(ROOT, "WattReserve.pause")


@CASES.add("WATTRESERVE_RESUME")
def resume(scene: Scene) -> Act:
    scene.ok(ROOT, "WattReserve.pause")
    return scene.act(ROOT, "WattReserve.resume")


@CASES.add("WATTRESERVE_REPORT_RESERVE")
def report_reserve(scene: Scene) -> Act:
    """The second signature under a report that is too old and shows a shortfall; the third attestor has
    signed an older one."""
    cover(scene)
    reserve, latest = scene.chain.pallets.reserve, any_report(scene)
    reserve.config.watt.mint_into(SENDER, 10**12 * SATANG)
    reserve.shortfall.put(10**12 * SATANG)
    as_of = START_MS + BLOCK_TIME_MS
    reserve.attestations.put(BOARD[1], structs.replace(latest, as_of=as_of))
    reserve.attestations.put(BOARD[2], structs.replace(latest, as_of=0))
    reserve.is_stale.put(True)
    return sign(scene, 0, as_of)


@CASES.add("WATTRESERVE_REQUEST_MINT")
def request_mint(scene: Scene) -> Act:
    cover(scene)
    return request(scene)


@CASES.add("WATTRESERVE_APPROVE_MINT")
def approve_mint(scene: Scene) -> Act:
    """It creates the account that receives."""
    cover(scene)
    scene.ok(ALICE, "WattReserve.request_mint", stranger(0), AMOUNT, HASH)
    return scene.act(BOARD[1], "WattReserve.approve_mint", 1)


@CASES.add("WATTRESERVE_REJECT_MINT")
def reject_mint(scene: Scene) -> Act:
    cover(scene)
    request(scene)()
    return scene.act(BOARD[1], "WattReserve.reject_mint", 1)


@CASES.add("WATTRESERVE_REDEEM")
def redeem(scene: Scene) -> Act:
    redemptions(scene)
    return scene.act(SENDER, "WattReserve.redeem", SATANG, HASH)


@CASES.add("WATTRESERVE_CONFIRM_PAYOUT")
def confirm_payout(scene: Scene) -> Act:
    redemptions(scene)
    scene.ok(ALICE, "WattReserve.confirm_payout", 0, HASH)
    return scene.act(BOARD[1], "WattReserve.confirm_payout", 0, HASH)


@CASES.add("WATTRESERVE_REJECT_REDEEM")
def reject_redeem(scene: Scene) -> Act:
    redemptions(scene)
    return scene.act(BOARD[1], "WattReserve.reject_redeem", 0)
