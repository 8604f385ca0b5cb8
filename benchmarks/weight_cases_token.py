"""What the calls of the token pallets are measured on, in the dearest state that a weight must cover."""

from benchmarks.weight_scene import FUNDS, Act, Cases, Scene, person, stranger
from pallets.token.assets_types import REMOVE_ITEMS_MAX, STRING_MAX
from pallets.token.balances_types import AdjustmentDirection
from runtime.frame.account import AccountData
from runtime.frame.dispatch import ROOT
from tests.support.chain import ALICE

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
