"""What anybody reads of publications; it changes nothing.

Responsible for the shapes of these answers and for the runtime API. Who has a document computes its root and
asks what that is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, TypeAlias

from pallets.governance.transparency import Transparency
from pallets.governance.transparency_types import ISSUERS_MAX, VERSIONS_MAX, Kind, Kinds, Period, Publication
from runtime.frame.api import Api, ApiMethod
from runtime.primitives.scale import MaxLen, Struct, enum_path, u32
from runtime.primitives.types import AccountId, Hash

TRANSPARENCY_API: Final = ("TransparencyApi", 1)
"""Name and version, as the runtime's version announces them."""


@enum_path("loam::transparency::Verdict")
class Verdict(IntEnum):
    """What a root is worth."""

    Unpublished = 0
    InForce = 1
    Superseded = 2


class IssuerView(Struct, path="loam::transparency::IssuerView"):
    """A registered issuer."""

    who: AccountId
    name: str
    kinds: Kinds


class PublicationView(Struct, path="loam::transparency::PublicationView"):
    """A version of a publication, the block of it, and why it took the place of the one before."""

    version: u32
    root: Hash
    uri_hash: Hash
    number: u32
    reason: str


IssuerViews: TypeAlias = Annotated[tuple[IssuerView, ...], MaxLen(ISSUERS_MAX)]
Versions: TypeAlias = Annotated[tuple[PublicationView, ...], MaxLen(VERSIONS_MAX)]


@dataclass(frozen=True, slots=True)
class TransparencyViews:
    """Readings of one instance."""

    pallet: Transparency

    def list_issuers(self) -> tuple[IssuerView, ...]:
        """Return who publishes, in the order of the storage's keys."""
        found = self.pallet.issuers.items()
        return tuple(
            IssuerView(who, issuer.name.decode(errors="replace"), issuer.kinds)
            for who, issuer in found
            if issuer is not None
        )

    def list_versions(self, issuer: AccountId, kind: Kind, period: int) -> tuple[PublicationView, ...]:
        """Return all versions of a publication, the one in force last."""
        found = self.pallet.versions_of(issuer, kind, period)
        return tuple(_view(version, one) for version, one in enumerate(found))

    def view_publication(self, issuer: AccountId, kind: Kind, period: int) -> PublicationView | None:
        """Return the version in force, None when nothing was published."""
        found = self.list_versions(issuer, kind, period)
        return found[-1] if found else None

    def judge(self, issuer: AccountId, kind: Kind, period: int, root: Hash) -> Verdict:
        """Tell whether a root is the one in force, an earlier one, or none that the issuer published."""
        roots = [one.root for one in self.pallet.versions_of(issuer, kind, period)]
        if root not in roots:
            return Verdict.Unpublished
        return Verdict.InForce if roots[-1] == root else Verdict.Superseded


def _view(version: int, found: Publication) -> PublicationView:
    reason = found.reason.decode(errors="replace")
    return PublicationView(version, found.root, found.uri_hash, found.number, reason)


def transparency_api(views: TransparencyViews) -> Api:
    """Return `TransparencyApi`, by JSON-RPC `transparency_*`."""
    name, version = TRANSPARENCY_API
    key = (("issuer", AccountId), ("kind", Kind), ("period", Period))
    methods = (
        ApiMethod("issuers", (), IssuerViews, views.list_issuers, "Who publishes, and which kinds."),
        ApiMethod(
            "publication",
            key,
            PublicationView | None,
            views.view_publication,
            "The version that is in force.",
        ),
        ApiMethod("versions", key, Versions, views.list_versions, "All versions, the one in force last."),
        ApiMethod(
            "judge", (*key, ("root", Hash)), Verdict, views.judge, "Whether a root is published and in force."
        ),
    )
    return Api(name, version, methods, "What issuers publish.", rpc="transparency")
