"""The errors of the Assets pallet, in pallet_assets' order; no behaviour.

Variants that nothing raises stay for the numbering, which wallets know.
"""

from runtime.frame.dispatch import PalletError


class BalanceLow(PalletError, index=0):
    """The account holds less than the amount."""


class NoAccount(PalletError, index=1):
    """The account holds nothing of this asset."""


class NoPermission(PalletError, index=2):
    """The signer has no permission to do this."""


class Unknown(PalletError, index=3):
    """There is no such asset, approval or metadata."""


class Frozen(PalletError, index=4):
    """The account is frozen."""


class InUse(PalletError, index=5):
    """The asset id is taken, or accounts or approvals still refer to the asset."""


class BadWitness(PalletError, index=6):
    """The witness data is wrong; no longer in use."""


class MinBalanceZero(PalletError, index=7):
    """The minimum balance must not be zero."""


class UnavailableConsumer(PalletError, index=8):
    """The account needs some of the native token, or refers to too many things already."""


class BadMetadata(PalletError, index=9):
    """The name or the symbol is too long."""


class Unapproved(PalletError, index=10):
    """The owner approved no transfer of this amount."""


class WouldDie(PalletError, index=11):
    """The source would not survive the transfer; reported as `NotExpendable`."""


class AlreadyExists(PalletError, index=12):
    """The account of this asset exists already."""


class NoDeposit(PalletError, index=13):
    """The account of this asset has no deposit that could be refunded."""


class WouldBurn(PalletError, index=14):
    """The refund would destroy a balance."""


class LiveAsset(PalletError, index=15):
    """The asset is in use; no longer reported."""


class AssetNotLive(PalletError, index=16):
    """The asset is frozen or being destroyed."""


class IncorrectStatus(PalletError, index=17):
    """The asset's status does not allow this."""


class NotFrozen(PalletError, index=18):
    """The asset is not frozen."""


class CallbackFailed(PalletError, index=19):
    """A callback failed; this chain has none."""


class BadAssetId(PalletError, index=20):
    """The asset must be created with the id in `NextAssetId`."""


class IncompleteDepositTransfer(PalletError, index=21):
    """A lock or freeze keeps part of the asset's deposits with their owner."""


class ContainsHolds(PalletError, index=22):
    """Some of the account, or of the asset, is held: that has to be released first."""
