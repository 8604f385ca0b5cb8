"""What screens read of certificates; it changes nothing.

Responsible for the shapes of these answers, for their bounds, and for the runtime API. Batches of a device
and redemptions are found by their numbers, `SCAN_MAX` of which are looked at for one answer.

A redemption names its beneficiary by a salted commitment, and nothing here says more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Final, TypeAlias, TypeVar

from pallets.certificates.certificates import Certificates
from pallets.certificates.types import (
    ISSUERS_MAX,
    Batch,
    BatchId,
    Claimed,
    Commitment,
    DeviceId,
    MeterId,
    Period,
)
from runtime.frame.api import PAGE_MAX, Api, ApiMethod
from runtime.primitives.scale import MaxLen, Struct, u32, u64
from runtime.primitives.types import AccountId

CERTIFICATES_API: Final = ("CertificatesApi", 1)
"""Name and version, as the runtime's version announces them."""
T = TypeVar("T")

SCAN_MAX: Final = 1_000
"""Most batches or redemptions that one answer looks at."""


class DeviceView(Struct, path="loam::certificates::DeviceView"):
    """A device: its meter, fuel and technology codes, until when its verification counts, what it has
    claimed, and the period for which certificates are asked."""

    device: DeviceId
    owner: AccountId
    meter: MeterId
    fuel: str
    technology: str
    capacity_w: u64
    is_verified: bool
    verified_until_ms: u64
    is_assigned: bool
    claimed: Claimed
    requested: Period | None


class BatchView(Struct, path="loam::certificates::BatchView"):
    """A batch of certificates with its number."""

    batch: BatchId
    terms: Batch


class BatchPage(Struct, path="loam::certificates::BatchPage"):
    """Batches in the order of their numbers; `next` is where the next page begins, None at the end."""

    batches: Annotated[tuple[BatchView, ...], MaxLen(PAGE_MAX)]
    next: BatchId | None


class HoldingView(Struct, path="loam::certificates::HoldingView"):
    """Certificates that an account holds, with their batch; those of a cancelled batch do not count."""

    batch: BatchId
    count: u64
    terms: Batch


class RedemptionView(Struct, path="loam::certificates::RedemptionView"):
    """A redemption: who used certificates up, for whose consumption, and for what."""

    redemption: u32
    who: AccountId
    batch: BatchId
    count: u64
    beneficiary: Commitment
    purpose: str
    consumption: Period


class RedemptionPage(Struct, path="loam::certificates::RedemptionPage"):
    """Redemptions in the order of their numbers; `next` is where the next page begins, None at the end."""

    redemptions: Annotated[tuple[RedemptionView, ...], MaxLen(PAGE_MAX)]
    next: u32 | None


Holdings: TypeAlias = Annotated[tuple[HoldingView, ...], MaxLen(PAGE_MAX)]
Issuers: TypeAlias = Annotated[tuple[AccountId, ...], MaxLen(ISSUERS_MAX)]


@dataclass(frozen=True, slots=True)
class CertificatesViews:
    """Readings of one instance of the certificates."""

    pallet: Certificates

    def view_device(self, device: bytes) -> DeviceView | None:
        """Return a device, None when there is none of this id."""
        found = self.pallet.devices.get(device)
        if found is None:
            return None
        return DeviceView(
            device,
            found.owner,
            found.meter,
            found.fuel.decode(errors="replace"),
            found.technology.decode(errors="replace"),
            found.capacity_w,
            found.verified_until_ms >= self.pallet.config.now_ms(),
            found.verified_until_ms,
            found.is_assigned,
            self.pallet.claimed.get(device),
            self.pallet.requests.get(device),
        )

    def view_device_of_meter(self, meter: bytes) -> DeviceView | None:
        """Return the device behind a meter, None when there is none."""
        device = self.pallet.device_of_meter.get(meter)
        return None if device is None else self.view_device(device)

    def view_batch(self, number: int) -> BatchView | None:
        """Return a batch, None when there is none of this number."""
        found = self.pallet.batches.get(number)
        return None if found is None else BatchView(number, found)

    def list_batches(self, device: bytes, first: int, limit: int) -> BatchPage:
        """Return at most so many batches of a device from a number on, among the next `SCAN_MAX`."""
        found, following = _scan(
            self.view_batch,
            lambda batch: batch.terms.device == device,
            range(first, self.pallet.next_batch.get()),
            limit,
        )
        return BatchPage(tuple(found), following)

    def list_holdings(self, who: AccountId, after: int | None, limit: int) -> tuple[HoldingView, ...]:
        """Return what an account holds of at most so many batches, in the order of the storage's keys, after
        that of a batch."""
        holdings = self.pallet.holdings
        prefix = holdings.raw_prefix(who)
        start = None if after is None else holdings.raw_key((who, after))
        keys = islice(holdings.raw_keys(prefix, start), min(limit, PAGE_MAX))
        return tuple(self._view_holding(who, holdings.decode_key(raw)[1]) for raw in keys)

    def view_redemption(self, number: int) -> RedemptionView | None:
        """Return a redemption, None when there is none of this number."""
        found = self.pallet.redemptions.get(number)
        if found is None:
            return None
        return RedemptionView(
            number,
            found.who,
            found.batch,
            found.count,
            found.beneficiary,
            found.purpose.decode(errors="replace"),
            found.consumption,
        )

    def list_redemptions(self, who: AccountId | None, first: int, limit: int) -> RedemptionPage:
        """Return at most so many redemptions from a number on, of all accounts or of one, among the next
        `SCAN_MAX`."""
        found, following = _scan(
            self.view_redemption,
            lambda redemption: who is None or redemption.who == who,
            range(first, self.pallet.next_redemption.get()),
            limit,
        )
        return RedemptionPage(tuple(found), following)

    def list_issuers(self) -> tuple[AccountId, ...]:
        """Return who verifies devices and issues certificates."""
        return self.pallet.issuers.get()

    def _view_holding(self, who: AccountId, batch: int) -> HoldingView:
        terms = self.pallet.batches.get(batch)
        assert terms is not None, "certificates are of a batch"
        return HoldingView(batch, self.pallet.holdings.get(who, batch), terms)


def _scan(
    view: Callable[[int], T | None], is_wanted: Callable[[T], bool], numbers: range, limit: int
) -> tuple[list[T], int | None]:
    """Return what is wanted of the first `SCAN_MAX` numbers, at most so many, and where to go on."""
    limit, found = min(limit, PAGE_MAX), list[T]()
    for number in numbers[:SCAN_MAX]:
        if len(found) == limit:
            return found, number
        one = view(number)
        if one is not None and is_wanted(one):
            found.append(one)
    return found, numbers[SCAN_MAX] if len(numbers) > SCAN_MAX else None


def certificates_api(views: CertificatesViews) -> Api:
    """Return `CertificatesApi`, by JSON-RPC `certificates_*`."""
    name, version = CERTIFICATES_API
    methods = (*_device_methods(views), *_account_methods(views))
    return Api(name, version, methods, "Energy certificates, their devices and holders.", rpc="certificates")


def _device_methods(views: CertificatesViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod("issuers", (), Issuers, views.list_issuers, "Who verifies devices and issues."),
        ApiMethod(
            "device",
            (("device", DeviceId),),
            DeviceView | None,
            views.view_device,
            "A device, its verification, and what it has claimed.",
        ),
        ApiMethod(
            "device_of_meter",
            (("meter", MeterId),),
            DeviceView | None,
            views.view_device_of_meter,
            "The device behind a meter.",
        ),
        ApiMethod(
            "of_device",
            (("device", DeviceId), ("first", BatchId), ("limit", u32)),
            BatchPage,
            views.list_batches,
            "The batches of a device from a number on, among the next 1,000 of all.",
        ),
        ApiMethod(
            "batch", (("batch", BatchId),), BatchView | None, views.view_batch, "A batch.", is_live=True
        ),
    )


def _account_methods(views: CertificatesViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "of_account",
            (("who", AccountId), ("after", BatchId | None), ("limit", u32)),
            Holdings,
            views.list_holdings,
            "What an account holds, by batch, after one of them.",
            is_live=True,
        ),
        ApiMethod(
            "redemption",
            (("redemption", u32),),
            RedemptionView | None,
            views.view_redemption,
            "A redemption.",
        ),
        ApiMethod(
            "redemptions",
            (("who", AccountId | None), ("first", u32), ("limit", u32)),
            RedemptionPage,
            views.list_redemptions,
            "Redemptions of all accounts, or of one, from a number on, among the next 1,000 of all.",
        ),
    )
