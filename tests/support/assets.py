"""What tests of the Assets pallet share: an asset with a team of four accounts, and short readers."""

from genesis.consortium import UNIT, Consortium
from pallets.token.assets import Assets
from pallets.token.assets_types import AssetAccount, AssetDetails
from runtime.frame.dispatch import ROOT
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, DAVE, Chain

LOCAL = Chain[Consortium]
OWNER, ISSUER, ADMIN, FREEZER = ALICE, BOB, CHARLIE, DAVE
ASSET = 7
MINIMUM = 10


def assets(chain: LOCAL) -> Assets:
    return chain.pallets.assets


def make_asset(chain: LOCAL, asset_id: int = ASSET, *, is_sufficient: bool = False) -> None:
    """Create an asset with a deposit, or a sufficient one by Root, and give it its team."""
    if is_sufficient:
        chain.ok(ROOT, "Assets.force_create", asset_id, OWNER, True, MINIMUM)
    else:
        chain.ok(OWNER, "Assets.create", asset_id, OWNER, MINIMUM)
    chain.ok(OWNER, "Assets.set_team", asset_id, ISSUER, ADMIN, FREEZER)


def mint(chain: LOCAL, who: AccountId, amount: int, asset_id: int = ASSET) -> None:
    chain.ok(ISSUER, "Assets.mint", asset_id, who, amount)


def details(chain: LOCAL, asset_id: int = ASSET) -> AssetDetails:
    found = assets(chain).asset.get(asset_id)
    assert found is not None
    return found


def holding(chain: LOCAL, who: AccountId, asset_id: int = ASSET) -> AssetAccount:
    found = assets(chain).account.get(asset_id, who)
    assert found is not None
    return found


def balance(chain: LOCAL, who: AccountId, asset_id: int = ASSET) -> int:
    found = assets(chain).account.get(asset_id, who)
    return 0 if found is None else found.balance


def reserved(chain: LOCAL, who: AccountId) -> int:
    return chain.pallets.balances.reserved_balance(who)


def give(chain: LOCAL, who: AccountId, amount: int = UNIT) -> None:
    """Endow an account with the native token."""
    chain.ok(ALICE, "Balances.transfer_keep_alive", who, amount)
