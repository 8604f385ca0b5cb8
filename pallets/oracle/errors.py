"""The errors of the Oracle pallet; no behaviour."""

from runtime.frame.dispatch import PalletError


class NotMember(PalletError, index=0):
    """The account is no provider."""


class AlreadySubmitted(PalletError, index=1):
    """The feed has this provider's answer of this round already."""


class OutOfRange(PalletError, index=2):
    """The value is outside the range of its feed."""


class FutureTimestamp(PalletError, index=3):
    """The value was measured after this block, or is of a round to come."""


class TooOld(PalletError, index=4):
    """The value was measured too long ago, or its round is over."""


class BadQuorum(PalletError, index=5):
    """A report has fewer signatures than its feed needs, or a feed needs none or more than there can be."""


class BadSignature(PalletError, index=6):
    """A signature is not that of the provider's key."""


class DuplicateSigner(PalletError, index=7):
    """A provider signed the report twice."""


class FeedPaused(PalletError, index=8):
    """The feed is paused."""


class BondTooLow(PalletError, index=9):
    """The bond is too low to answer, or the account cannot pay it: see `restore_bond`."""


class UnknownFeed(PalletError, index=10):
    """There is no such feed."""


class NothingSubmitted(PalletError, index=11):
    """An answer without a value."""


class BadFeed(PalletError, index=12):
    """A feed cannot have this key, this range or these times; its heartbeat and its decimals never change."""


class TooManyFeeds(PalletError, index=13):
    """The chain has as many feeds as it can have."""


class TooManyProviders(PalletError, index=14):
    """The chain has as many providers as it can have."""


class AlreadyMember(PalletError, index=15):
    """The account is a provider already."""


class KeyTaken(PalletError, index=16):
    """Another provider signs with this key."""


class NoContradiction(PalletError, index=17):
    """These two statements do not contradict each other."""


class BondComplete(PalletError, index=18):
    """Nothing is missing from the bond."""


class FeedActive(PalletError, index=19):
    """The feed is not paused."""
