"""The events of the Assets pallet, in pallet_assets' order; no behaviour."""

from pallets.token.assets_types import AssetId
from runtime.frame.event import Event
from runtime.primitives.scale import u8, u32, u128
from runtime.primitives.types import AccountId


class Created(Event, index=0):
    """An asset was created."""

    asset_id: AssetId
    creator: AccountId
    owner: AccountId


class Issued(Event, index=1):
    """Some of an asset was issued."""

    asset_id: AssetId
    owner: AccountId
    amount: u128


class Transferred(Event, index=2):
    """Some of an asset was transferred."""

    asset_id: AssetId
    from_: AccountId
    to: AccountId
    amount: u128


class Burned(Event, index=3):
    """Some of an asset was destroyed."""

    asset_id: AssetId
    owner: AccountId
    balance: u128


class TeamChanged(Event, index=4):
    """An asset has another issuer, admin and freezer."""

    asset_id: AssetId
    issuer: AccountId
    admin: AccountId
    freezer: AccountId


class OwnerChanged(Event, index=5):
    """An asset has another owner."""

    asset_id: AssetId
    owner: AccountId


class Frozen(Event, index=6):
    """An account can no longer send an asset."""

    asset_id: AssetId
    who: AccountId


class Thawed(Event, index=7):
    """An account can send and receive an asset again."""

    asset_id: AssetId
    who: AccountId


class AssetFrozen(Event, index=8):
    """An asset was frozen for everybody."""

    asset_id: AssetId


class AssetThawed(Event, index=9):
    """An asset can be moved again."""

    asset_id: AssetId


class AccountsDestroyed(Event, index=10):
    """Accounts of an asset were destroyed."""

    asset_id: AssetId
    accounts_destroyed: u32
    accounts_remaining: u32


class ApprovalsDestroyed(Event, index=11):
    """Approvals of an asset were destroyed."""

    asset_id: AssetId
    approvals_destroyed: u32
    approvals_remaining: u32


class DestructionStarted(Event, index=12):
    """The destruction of an asset began."""

    asset_id: AssetId


class Destroyed(Event, index=13):
    """An asset was destroyed."""

    asset_id: AssetId


class ForceCreated(Event, index=14):
    """An asset was created by Root."""

    asset_id: AssetId
    owner: AccountId


class MetadataSet(Event, index=15):
    """An asset has a new name, symbol and number of decimals."""

    asset_id: AssetId
    name: bytes
    symbol: bytes
    decimals: u8
    is_frozen: bool


class MetadataCleared(Event, index=16):
    """An asset has no name, symbol and decimals any more."""

    asset_id: AssetId


class ApprovedTransfer(Event, index=17):
    """A delegate may transfer more of an asset."""

    asset_id: AssetId
    source: AccountId
    delegate: AccountId
    amount: u128


class ApprovalCancelled(Event, index=18):
    """A delegate may no longer transfer an asset."""

    asset_id: AssetId
    owner: AccountId
    delegate: AccountId


class TransferredApproved(Event, index=19):
    """A delegate transferred some of an asset from its owner; not in use, `Transferred` tells of it."""

    asset_id: AssetId
    owner: AccountId
    delegate: AccountId
    destination: AccountId
    amount: u128


class AssetStatusChanged(Event, index=20):
    """Root changed the attributes of an asset."""

    asset_id: AssetId


class AssetMinBalanceChanged(Event, index=21):
    """An asset has another minimum balance."""

    asset_id: AssetId
    new_min_balance: u128


class Touched(Event, index=22):
    """An account of an asset was created against a deposit."""

    asset_id: AssetId
    who: AccountId
    depositor: AccountId


class Blocked(Event, index=23):
    """An account can neither send nor receive an asset."""

    asset_id: AssetId
    who: AccountId


class Deposited(Event, index=24):
    """Some of an asset was deposited, such as a refund of fees."""

    asset_id: AssetId
    who: AccountId
    amount: u128


class Withdrawn(Event, index=25):
    """Some of an asset was withdrawn, such as for fees."""

    asset_id: AssetId
    who: AccountId
    amount: u128
