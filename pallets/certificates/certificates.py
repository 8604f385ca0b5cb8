"""Certificates: one for each MWh that a verified device generated, transferred and in the end redeemed.

Responsible for devices, for each slot counting once, and for no certificate being used twice. What a device
generated, whose meter it is and what time it is it knows as Protocols only; it moves no money.

A device is registered, then verified for five years; a batch is requested, issued, transferred in parts,
redeemed, or cancelled by an issuer. A redemption is final. Source: the I-REC standard, whose issuer in
Thailand is EGAT.

Invariants (checked by `try_state`): a batch's certificates are held, redeemed or cancelled, and what accounts
hold of it is what it says; a device's certificates are those of its batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

from msgspec import structs

from pallets.certificates import weights
from pallets.certificates.issuance import WH_PER_CERTIFICATE, ClaimError, Claims, claim
from pallets.certificates.types import (
    ISSUERS_MAX,
    Batch,
    BatchId,
    BatchStatus,
    Claimed,
    Code,
    Commitment,
    Device,
    DeviceId,
    MeterId,
    Period,
    Purpose,
    Redemption,
    Slot,
)
from runtime.frame.account import lookup
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, PalletError, ensure_root, ensure_signed
from runtime.frame.event import Event
from runtime.frame.fungible import Reservable
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import Compact, MaxLen, u32, u64, u128
from runtime.primitives.types import AccountId


class Generation(Protocol):
    """What the pallet needs of meters."""

    def owner_of(self, meter: bytes) -> AccountId | None:
        """Return the owner of a meter, None when there is no such meter."""
        ...

    def generated_wh(self, meter: bytes, first: int, last: int) -> int | None:
        """Return what a meter exported in slots, both included; None while a reading at an end is missing."""
        ...


@dataclass(frozen=True, slots=True)
class CertificatesConfig:
    """`deposit` is reserved for a device in the currency's smallest unit, verification counts `valid_ms`.

    `now_ms` returns the time of the block in Unix milliseconds.
    """

    meters: Generation
    currency: Reservable
    now_ms: Callable[[], int]
    deposit: int
    valid_ms: int


class Certificates(Pallet[CertificatesConfig]):
    """Energy attribute certificates: devices, issue, transfer and redemption."""

    issuers: Value[Annotated[tuple[AccountId, ...], MaxLen(ISSUERS_MAX)]] = storage(
        default=(), docs="Who verifies devices and issues certificates."
    )
    devices: Map[DeviceId, Device | None] = storage(BLAKE2_128_CONCAT, docs="The devices that generate.")
    device_of_meter: Map[MeterId, DeviceId | None] = storage(
        BLAKE2_128_CONCAT, docs="The device behind a meter; a meter counts for one device."
    )
    claimed: Map[DeviceId, Claimed] = storage(
        BLAKE2_128_CONCAT, default=Claimed(), docs="What each device has claimed; no slot counts twice."
    )
    requests: Map[DeviceId, Period | None] = storage(
        BLAKE2_128_CONCAT, docs="The period for which a device's owner asks for certificates."
    )
    next_batch: Value[BatchId] = storage(default=0, docs="The id of the next batch.")
    batches: Map[BatchId, Batch | None] = storage(TWOX_64_CONCAT, docs="The batches that were issued.")
    holdings: DoubleMap[AccountId, BatchId, u64] = storage(
        BLAKE2_128_CONCAT, TWOX_64_CONCAT, default=0, docs="Certificates by holder and batch."
    )
    next_redemption: Value[u32] = storage(default=0, docs="The id of the next redemption.")
    redemptions: Map[u32, Redemption | None] = storage(TWOX_64_CONCAT, docs="What was redeemed, for whom.")

    class DeviceRegistered(Event, index=0):
        """A device was registered by the owner of its meter."""

        device: DeviceId
        owner: AccountId
        meter: MeterId

    class DeviceVerified(Event, index=1):
        """An issuer verified a device; its certificates may be issued until this time in milliseconds."""

        device: DeviceId
        until_ms: u64
        is_assigned: bool

    class IssueRequested(Event, index=2):
        """A device's owner asked for the certificates of these slots."""

        device: DeviceId
        first: Slot
        last: Slot

    class RequestWithdrawn(Event, index=3):
        """A request for certificates was taken back or refused."""

        device: DeviceId

    class Issued(Event, index=4):
        """Certificates were issued for whole MWh; the remaining Wh are carried to the next issue."""

        batch: BatchId
        device: DeviceId
        owner: AccountId
        count: u64
        remainder_wh: u32

    class Carried(Event, index=5):
        """The energy of a request made no whole certificate; its Wh are carried to the next issue."""

        device: DeviceId
        remainder_wh: u32

    class Transferred(Event, index=6):
        """Certificates changed hands."""

        batch: BatchId
        from_: AccountId
        to: AccountId
        count: u64

    class Redeemed(Event, index=7):
        """Certificates were used up for a beneficiary, who stands here as a commitment."""

        redemption: u32
        batch: BatchId
        who: AccountId
        count: u64
        beneficiary: Commitment

    class Cancelled(Event, index=8):
        """An issuer cancelled a batch: what was not redeemed yet counts no more."""

        batch: BatchId
        count: u64

    class IssuerSet(Event, index=9):
        """An account became an issuer, or is none any more."""

        who: AccountId
        is_issuer: bool

    class DeviceRemoved(Event, index=10):
        """A device that never earned a certificate was removed; its deposit went back."""

        device: DeviceId

    class NotIssuer(PalletError, index=0):
        """Only an issuer may do this."""

    class DeviceUnverified(PalletError, index=1):
        """No issuer has verified the device, or the verification is too old."""

    class AlreadyClaimed(PalletError, index=2):
        """A slot of the period was claimed before."""

    class VintageOpen(PalletError, index=3):
        """The readings of the period are not all there yet."""

    class NotEnough(PalletError, index=4):
        """The account holds fewer certificates of this batch."""

    class BatchCancelled(PalletError, index=5):
        """The batch was cancelled; its certificates do not count."""

    class AttributeAssigned(PalletError, index=6):
        """A contract gives the attribute of this device's energy to somebody else."""

    class UnknownDevice(PalletError, index=7):
        """There is no such device."""

    class DeviceExists(PalletError, index=8):
        """A device with this id is registered already."""

    class MeterTaken(PalletError, index=9):
        """The meter counts for another device."""

    class NotOwner(PalletError, index=10):
        """Only the owner may do this."""

    class UnknownBatch(PalletError, index=11):
        """There is no such batch."""

    class EmptyPeriod(PalletError, index=12):
        """The last slot of the period is before its first."""

    class AlreadyRequested(PalletError, index=13):
        """The device has an open request; withdraw it first."""

    class NothingRequested(PalletError, index=14):
        """The device has no open request."""

    class TooManyIssuers(PalletError, index=15):
        """There is no room for another issuer."""

    class ZeroCount(PalletError, index=16):
        """Nothing to transfer or to redeem."""

    class DeviceInUse(PalletError, index=17):
        """The device has claimed energy and stays on record."""

    @constant
    def wh_per_certificate(self) -> u32:
        """Energy of one certificate in Wh."""
        return WH_PER_CERTIFICATE

    @constant
    def device_deposit(self) -> u128:
        """Reserved from the owner for each device."""
        return self.config.deposit

    @constant
    def verification_ms(self) -> u64:
        """How long a verification counts, in milliseconds."""
        return self.config.valid_ms

    def genesis(self, issuers: tuple[AccountId, ...]) -> None:
        """Set the issuers that the chain starts with."""
        assert len(issuers) <= ISSUERS_MAX
        self.issuers.put(issuers)

    # --- devices

    @call(0, weight=weights.CERTIFICATES_REGISTER_DEVICE)
    def register_device(
        self,
        origin: Origin,
        device: DeviceId,
        meter: MeterId,
        fuel: Code,
        technology: Code,
        capacity_w: u64,
    ) -> None:
        """Register a device behind a meter of the sender. A deposit is reserved."""
        who = ensure_signed(origin)
        if self.config.meters.owner_of(meter) != who:
            raise self.NotOwner
        if self.devices.contains(device):
            raise self.DeviceExists
        if self._is_taken(meter):
            raise self.MeterTaken
        self.config.currency.reserve(who, self.config.deposit)
        self.devices.put(device, Device(who, meter, fuel, technology, capacity_w))
        self.device_of_meter.put(meter, device)
        self.deposit(self.DeviceRegistered(device, who, meter))

    @call(1, weight=weights.CERTIFICATES_VERIFY_DEVICE)
    def verify_device(
        self,
        origin: Origin,
        device: DeviceId,
        is_assigned: bool,  # noqa: FBT001  # the argument's type on the wire
    ) -> None:
        """Confirm what a device is, for five years. Only for issuers.

        `is_assigned`: a contract gives the attribute of its energy to somebody else.
        """
        self._ensure_issuer(origin)
        found = self._get_device(device)
        until_ms = self.config.now_ms() + self.config.valid_ms
        self.devices.put(device, structs.replace(found, verified_until_ms=until_ms, is_assigned=is_assigned))
        self.deposit(self.DeviceVerified(device, until_ms, is_assigned))

    @call(9, weight=weights.CERTIFICATES_REMOVE_DEVICE)
    def remove_device(self, origin: Origin, device: DeviceId) -> None:
        """Remove a device of the sender that has claimed nothing; the deposit goes back."""
        who = ensure_signed(origin)
        found = self._get_device(device)
        if found.owner != who:
            raise self.NotOwner
        if self.claimed.contains(device):
            raise self.DeviceInUse
        self.devices.remove(device)
        if self.device_of_meter.get(found.meter) == device:
            self.device_of_meter.remove(found.meter)
        self.requests.remove(device)
        self.config.currency.unreserve(who, self.config.deposit)
        self.deposit(self.DeviceRemoved(device))

    # --- issue

    @call(2, weight=weights.CERTIFICATES_REQUEST_ISSUE)
    def request_issue(self, origin: Origin, device: DeviceId, first: Slot, last: Slot) -> None:
        """Ask for the certificates of what a device of the sender generated in slots, both included."""
        who = ensure_signed(origin)
        found = self._get_device(device)
        if found.owner != who:
            raise self.NotOwner
        if self.requests.contains(device):
            raise self.AlreadyRequested
        self._count(device, found, Period(first, last))
        self.requests.put(device, Period(first, last))
        self.deposit(self.IssueRequested(device, first, last))

    @call(3, weight=weights.CERTIFICATES_APPROVE_ISSUE)
    def approve_issue(self, origin: Origin, device: DeviceId, carbon_g_per_kwh: u32) -> None:
        """Issue what was asked for, a certificate for each MWh; the rest is carried. Only for issuers."""
        self._ensure_issuer(origin)
        found = self._get_device(device)
        period = self.requests.take(device)
        if period is None:
            raise self.NothingRequested
        count, claims = self._count(device, found, period)
        self.claimed.put(device, Claimed(claims.claimed_up_to, claims.remainder_wh, claims.issued))
        if not count:
            self.deposit(self.Carried(device, claims.remainder_wh))
            return
        batch = self.next_batch.get()
        self.next_batch.put(batch + 1)
        self.batches.put(batch, Batch(device, period, count, carbon_g_per_kwh, held=count))
        self.holdings.put(found.owner, batch, count)
        self.deposit(self.Issued(batch, device, found.owner, count, claims.remainder_wh))

    @call(4, weight=weights.CERTIFICATES_WITHDRAW_REQUEST)
    def withdraw_request(self, origin: Origin, device: DeviceId) -> None:
        """Take back a request for certificates, or refuse it. Only for the device's owner and issuers."""
        who = ensure_signed(origin)
        if self._get_device(device).owner != who and who not in self.issuers.get():
            raise self.NotOwner
        if self.requests.take(device) is None:
            raise self.NothingRequested
        self.deposit(self.RequestWithdrawn(device))

    # --- certificates

    @call(5, weight=weights.CERTIFICATES_TRANSFER)
    def transfer(self, origin: Origin, dest: MultiAddress, batch: BatchId, count: Compact[u64]) -> None:
        """Give certificates of a batch to another account."""
        who, to = ensure_signed(origin), lookup(dest)
        self._get_valid(batch)
        self._take(who, batch, count)
        self.holdings.put(to, batch, self.holdings.get(to, batch) + count)
        self.deposit(self.Transferred(batch, who, to, count))

    @call(6, weight=weights.CERTIFICATES_REDEEM)
    def redeem(
        self,
        origin: Origin,
        batch: BatchId,
        count: Compact[u64],
        beneficiary: Commitment,
        purpose: Purpose,
        consumption: Period,
    ) -> None:
        """Use up certificates for somebody's consumption in a period. Final.

        The beneficiary is a salted commitment; never put a name on the chain.
        """
        who = ensure_signed(origin)
        if consumption.last < consumption.first:
            raise self.EmptyPeriod
        found = self._get_valid(batch)
        self._take(who, batch, count)
        self.batches.put(
            batch, structs.replace(found, held=found.held - count, redeemed=found.redeemed + count)
        )
        redemption = self.next_redemption.get()
        self.next_redemption.put(redemption + 1)
        self.redemptions.put(redemption, Redemption(who, batch, count, beneficiary, purpose, consumption))
        self.deposit(self.Redeemed(redemption, batch, who, count, beneficiary))

    @call(7, weight=weights.CERTIFICATES_CANCEL)
    def cancel(self, origin: Origin, batch: BatchId) -> None:
        """Cancel what is left of a batch that should not have been issued. Only for issuers."""
        self._ensure_issuer(origin)
        found = self._get_valid(batch)
        self.batches.put(
            batch, structs.replace(found, held=0, cancelled=found.held, status=BatchStatus.Cancelled)
        )
        self.deposit(self.Cancelled(batch, found.held))

    @call(8, weight=weights.CERTIFICATES_SET_ISSUER)
    def set_issuer(
        self,
        origin: Origin,
        who: MultiAddress,
        is_issuer: bool,  # noqa: FBT001  # the argument's type on the wire
    ) -> None:
        """Make an account an issuer, or none any more. Only for Root."""
        ensure_root(origin)
        account = lookup(who)
        others = tuple(one for one in self.issuers.get() if one != account)
        if is_issuer and len(others) == ISSUERS_MAX:
            raise self.TooManyIssuers
        self.issuers.put((*others, account) if is_issuer else others)
        self.deposit(self.IssuerSet(account, is_issuer))

    def try_state(self) -> None:
        """AssertionError unless batches, holdings, devices and requests agree."""
        held: Counter[int] = Counter()
        for (_, batch), count in self.holdings.items():
            assert count, "nothing is listed as held"
            held[batch] += count
        issued: Counter[bytes] = Counter()
        for batch, found in self.batches.items():
            assert found is not None
            issued[found.device] += found.issued
            assert found.held + found.redeemed + found.cancelled == found.issued, "certificates are missing"
            is_valid = found.status is BatchStatus.Valid
            assert held[batch] == (found.held if is_valid else found.cancelled), "holders have others"
            assert is_valid or not found.held, "a cancelled batch is held"
        for device, claimed in self.claimed.items():
            assert claimed.issued == issued[device], "a device has earned others than its batches say"
            assert claimed.remainder_wh < WH_PER_CERTIFICATE
            assert self.devices.contains(device), "a device that claimed is on record"
        for device, period in self.requests.items():
            assert period is not None
            assert self.devices.contains(device), "a request is of a device on record"
        for meter, listed in self.device_of_meter.items():
            assert listed is not None
            assert self._get_device(listed).meter == meter, "meter and device do not agree"

    # --- leaves of the above

    def _ensure_issuer(self, origin: Origin) -> None:
        if ensure_signed(origin) not in self.issuers.get():
            raise self.NotIssuer

    def _is_taken(self, meter: bytes) -> bool:
        """Tell whether a meter counts for a device of who owns it now."""
        listed = self.device_of_meter.get(meter)
        return listed is not None and self._get_device(listed).owner == self.config.meters.owner_of(meter)

    def _get_device(self, device: bytes) -> Device:
        found = self.devices.get(device)
        if found is None:
            raise self.UnknownDevice
        return found

    def _get_valid(self, batch: int) -> Batch:
        found = self.batches.get(batch)
        if found is None:
            raise self.UnknownBatch
        if found.status is BatchStatus.Cancelled:
            raise self.BatchCancelled
        return found

    def _take(self, who: AccountId, batch: int, count: int) -> None:
        """Take certificates from an account, whose entry goes with the last one."""
        if not count:
            raise self.ZeroCount
        has = self.holdings.get(who, batch)
        if count > has:
            raise self.NotEnough
        if count == has:
            self.holdings.remove(who, batch)
        else:
            self.holdings.put(who, batch, has - count)

    def _count(self, device: bytes, found: Device, period: Period) -> tuple[int, Claims]:
        """Return the certificates for a period and the claims after them; raises what stands in the way.

        A meter that was removed and then registered for somebody else counts no more for its old device.
        """
        if self.config.meters.owner_of(found.meter) != found.owner:
            raise self.NotOwner
        if self.device_of_meter.get(found.meter) != device:
            raise self.MeterTaken
        if found.is_assigned:
            raise self.AttributeAssigned
        if found.verified_until_ms < self.config.now_ms():
            raise self.DeviceUnverified
        if period.last < period.first:
            raise self.EmptyPeriod
        energy_wh = self.config.meters.generated_wh(found.meter, period.first, period.last)
        if energy_wh is None:
            raise self.VintageOpen
        claimed = self.claimed.get(device)
        claims = Claims(claimed.up_to, claimed.remainder_wh, claimed.issued)
        try:
            return claim(claims, period.first, period.last, energy_wh)
        except ClaimError as error:
            raise self.AlreadyClaimed from error
