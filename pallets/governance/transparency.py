"""Transparency: reports, audit roots and settlement digests, published once by registered issuers.

Responsible for who publishes what, for one publication of each issuer, kind and period, and for corrections,
which take its place with a reason and leave what was said before to be seen. It knows no document: a root
stands for one, and anybody who has it computes the root again.

A period is published when it is over, so that how much an issuer can store grows with time alone.

Invariants (checked by `try_state`): versions of a publication are numbered from 0 without a gap, only the
first has no reason, and no two that follow each other say the same.
"""

from __future__ import annotations

from pallets.governance import weights
from pallets.governance.transparency_types import (
    ISSUERS_MAX,
    VERSIONS_MAX,
    Issuer,
    Kind,
    Kinds,
    Name,
    Period,
    Publication,
    PublicationKey,
    Reason,
    TransparencyConfig,
    Version,
    VersionKey,
    period_of,
)
from runtime.frame.account import lookup
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError, ensure_signed
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, CountedMap, NMap, storage
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import u16
from runtime.primitives.types import AccountId, Hash


class Transparency(Pallet[TransparencyConfig]):
    """What issuers publish."""

    issuers: CountedMap[AccountId, Issuer | None] = storage(
        BLAKE2_128_CONCAT, docs="Who publishes, and which kinds."
    )
    version_count: NMap[PublicationKey, u16] = storage(
        BLAKE2_128_CONCAT,
        TWOX_64_CONCAT,
        TWOX_64_CONCAT,
        default=0,
        docs="How many versions a publication has; the last one is in force.",
    )
    publications: NMap[VersionKey, Publication | None] = storage(
        BLAKE2_128_CONCAT,
        TWOX_64_CONCAT,
        TWOX_64_CONCAT,
        TWOX_64_CONCAT,
        docs="All versions by issuer, kind, period and version.",
    )

    class IssuerRegistered(Event, index=0):
        """An account may publish these kinds from now on, and no others."""

        who: AccountId
        kinds: Kinds

    class IssuerRemoved(Event, index=1):
        """An account publishes no more; what it published stays."""

        who: AccountId

    class Published(Event, index=2):
        """Something was published."""

        issuer: AccountId
        kind: Kind
        period: Period
        root: Hash
        uri_hash: Hash

    class Superseded(Event, index=3):
        """A new version took the place of the one before."""

        issuer: AccountId
        kind: Kind
        period: Period
        version: Version
        root: Hash
        uri_hash: Hash
        reason: Reason

    class InvalidIssuer(PalletError, index=0):
        """An issuer has a name and at least one kind, each once and in ascending order."""

    class TooManyIssuers(PalletError, index=1):
        """No more issuers can be registered."""

    class UnknownIssuer(PalletError, index=2):
        """The account is no issuer."""

    class KindNotAllowed(PalletError, index=3):
        """The issuer does not publish this kind."""

    class PeriodNotOver(PalletError, index=4):
        """The period is not over yet."""

    class AlreadyPublished(PalletError, index=5):
        """This was published before; supersede it with a reason."""

    class NotPublished(PalletError, index=6):
        """Nothing was published for this period."""

    class NothingNew(PalletError, index=7):
        """The new version says what the last one says."""

    class ReasonMissing(PalletError, index=8):
        """A new version needs a reason."""

    class TooManyVersions(PalletError, index=9):
        """The publication was superseded too often."""

    @call(0, weight=weights.TRANSPARENCY_REGISTER_ISSUER)
    def register_issuer(self, origin: Origin, who: MultiAddress, name: Name, kinds: Kinds) -> None:
        """Let an account publish these kinds; replaces what it could publish before."""
        self.config.registrars.ensure_registrar(origin)
        if not name or not kinds or kinds != tuple(sorted(set(kinds))):
            raise self.InvalidIssuer
        account = lookup(who)
        if not self.issuers.contains(account) and self.issuers.count() >= ISSUERS_MAX:
            raise self.TooManyIssuers
        self.issuers.put(account, Issuer(name, kinds))
        self.deposit(self.IssuerRegistered(account, kinds))

    @call(1, weight=weights.TRANSPARENCY_REMOVE_ISSUER)
    def remove_issuer(self, origin: Origin, who: MultiAddress) -> None:
        """Let an account publish no more."""
        self.config.registrars.ensure_registrar(origin)
        account = lookup(who)
        if not self.issuers.contains(account):
            raise self.UnknownIssuer
        self.issuers.remove(account)
        self.deposit(self.IssuerRemoved(account))

    @call(2, weight=weights.TRANSPARENCY_PUBLISH)
    def publish(self, origin: Origin, kind: Kind, period: Period, root: Hash, uri_hash: Hash) -> None:
        """Publish the root of a document of a period that is over, and the hash of where it is found."""
        who = self._ensure_issuer(origin, kind)
        if period >= period_of(kind, self.config.clock.now_ms()):
            raise self.PeriodNotOver
        if self.version_count.get((who, kind, period)):
            raise self.AlreadyPublished
        self._put(who, kind, period, 0, Publication(root, uri_hash, self._number(), b""))
        self.deposit(self.Published(who, kind, period, root, uri_hash))

    @call(3, weight=weights.TRANSPARENCY_SUPERSEDE)
    def supersede(
        self, origin: Origin, kind: Kind, period: Period, root: Hash, uri_hash: Hash, reason: Reason
    ) -> None:
        """Correct what was published, with a reason; earlier versions stay to be seen."""
        who = self._ensure_issuer(origin, kind)
        if not reason:
            raise self.ReasonMissing
        version = self.version_count.get((who, kind, period))
        if not version:
            raise self.NotPublished
        if version >= VERSIONS_MAX:
            raise self.TooManyVersions
        last = self.publications.get((who, kind, period, version - 1))
        assert last is not None, "versions have no gap"
        if (last.root, last.uri_hash) == (root, uri_hash):
            raise self.NothingNew
        self._put(who, kind, period, version, Publication(root, uri_hash, self._number(), reason))
        self.deposit(self.Superseded(who, kind, period, version, root, uri_hash, reason))

    def versions_of(self, issuer: AccountId, kind: Kind, period: int) -> tuple[Publication, ...]:
        """Return all versions of a publication, the one in force last; empty where there is none."""
        count = self.version_count.get((issuer, kind, period))
        found = (self.publications.get((issuer, kind, period, version)) for version in range(count))
        return tuple(one for one in found if one is not None)

    def try_state(self) -> None:
        """AssertionError unless versions and their counts agree."""
        assert self.issuers.count() <= ISSUERS_MAX, "too many issuers"
        for who, issuer in self.issuers.items():
            assert issuer is not None
            assert issuer.name, f"{who.hex()} has no name"
            assert issuer.kinds == tuple(sorted(set(issuer.kinds))) != (), f"the kinds of {who.hex()}"
        total = 0
        for key, count in self.version_count.items_of():
            versions = self.versions_of(*key)
            assert len(versions) == count <= VERSIONS_MAX, "versions and their count differ"
            assert [not one.reason for one in versions] == [True] + [False] * (count - 1), (
                "a reason is missing"
            )
            said = [(one.root, one.uri_hash) for one in versions]
            assert all(one != said[place] for place, one in enumerate(said[1:])), "a version says nothing new"
            total += count
        assert sum(1 for _ in self.publications.items_of()) == total, "a version that is not counted"

    def _ensure_issuer(self, origin: Origin, kind: Kind) -> AccountId:
        who = ensure_signed(origin)
        issuer = self.issuers.get(who)
        if issuer is None:
            raise self.UnknownIssuer
        if kind not in issuer.kinds:
            raise self.KindNotAllowed
        return who

    def _number(self) -> int:
        return self.config.blocks.current_number()

    def _put(self, who: AccountId, kind: Kind, period: int, version: int, found: Publication) -> None:
        self.publications.put((who, kind, period, version), found)
        self.version_count.put((who, kind, period), version + 1)
