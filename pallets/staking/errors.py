"""The errors of the Staking pallet, with the numbers of polkadot-stable2503; no behaviour."""

from runtime.frame.dispatch import PalletError


class NotController(PalletError, index=0):
    """The account has nothing staked, or is not the one that controls the stake."""


class NotStash(PalletError, index=1):
    """The account has nothing staked."""


class AlreadyBonded(PalletError, index=2):
    """The account has a stake already; add to it."""


class AlreadyPaired(PalletError, index=3):
    """The account controls another's stake."""


class EmptyTargets(PalletError, index=4):
    """Nobody is listed."""


class DuplicateIndex(PalletError, index=5):
    """A number is listed twice."""


class InvalidSlashIndex(PalletError, index=6):
    """There is no slash with this number."""


class InsufficientBond(PalletError, index=7):
    """The stake would be below the least that is allowed: withdraw, chill or add to it."""


class NoMoreChunks(PalletError, index=8):
    """Too many parts of the stake are unlocking already: withdraw some first."""


class NoUnlockChunk(PalletError, index=9):
    """Nothing of the stake is unlocking."""


class FundedTarget(PalletError, index=10):
    """The account has too much at stake to be reaped."""


class InvalidEraToReward(PalletError, index=11):
    """Rewards of this era cannot be paid: it is not over, or too long ago."""


class InvalidNumberOfNominations(PalletError, index=12):
    """The number of nominations is not allowed."""


class NotSortedAndUnique(PalletError, index=13):
    """The numbers must be in order, each once."""


class AlreadyClaimed(PalletError, index=14):
    """These rewards are paid already."""


class InvalidPage(PalletError, index=15):
    """The validator has no such page of nominators in this era."""


class IncorrectHistoryDepth(PalletError, index=16):
    """The history depth is not allowed."""


class IncorrectSlashingSpans(PalletError, index=17):
    """The account has more slashing spans than the call says."""


class BadState(PalletError, index=18):
    """The stake is in a state that should not be."""


class TooManyTargets(PalletError, index=19):
    """More validators are nominated than is allowed."""


class BadTarget(PalletError, index=20):
    """A nominated validator takes no new nominators."""


class CannotChillOther(PalletError, index=21):
    """The account has not got to leave its role by another's call."""


class TooManyNominators(PalletError, index=22):
    """There are too many nominators; governance can allow more."""


class TooManyValidators(PalletError, index=23):
    """There are too many validators; governance can allow more."""


class CommissionTooLow(PalletError, index=24):
    """The commission is below the least that is allowed."""


class BoundNotMet(PalletError, index=25):
    """A bound is not met."""


class ControllerDeprecated(PalletError, index=26):
    """Separate controller accounts are retired."""


class CannotRestoreLedger(PalletError, index=27):
    """The ledger cannot be restored."""


class RewardDestinationRestricted(PalletError, index=28):
    """Rewards cannot be paid to this destination."""


class NotEnoughFunds(PalletError, index=29):
    """The account has not enough to stake or to withdraw."""


class VirtualStakerNotAllowed(PalletError, index=30):
    """This cannot be done for a stake that another pallet manages."""


class CannotReapStash(PalletError, index=31):
    """The account cannot be reaped, for something else depends on it."""


class AlreadyMigrated(PalletError, index=32):
    """The stake is held already."""


class Restricted(PalletError, index=33):
    """The account must not stake, for example since it stakes in another way already."""
