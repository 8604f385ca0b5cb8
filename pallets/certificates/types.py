"""What the Certificates pallet stores: devices, requests, batches and redemptions."""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, TypeAlias

from runtime.primitives.scale import Length, MaxLen, Struct, enum_path, u32, u64
from runtime.primitives.types import AccountId

CODE_MAX = 8
"""Bytes of a fuel or technology code, such as ES100 and TC120 of the I-REC standard."""
PURPOSE_MAX = 128
"""Bytes of the purpose of a redemption."""
ISSUERS_MAX = 16

DeviceId: TypeAlias = Annotated[bytes, Length(32)]
MeterId: TypeAlias = Annotated[bytes, Length(32)]
Commitment: TypeAlias = Annotated[bytes, Length(32)]
Code: TypeAlias = Annotated[bytes, MaxLen(CODE_MAX)]
Purpose: TypeAlias = Annotated[bytes, MaxLen(PURPOSE_MAX)]
Slot: TypeAlias = u32
BatchId: TypeAlias = u32


class Device(Struct, path="pallet_certificates::Device"):
    """What generates: its meter, what it burns and how, and how long its verification counts.

    `verified_until_ms` is 0 until an issuer has verified it; with `is_assigned` a contract gives the
    attribute of its energy to somebody else, so it earns no certificate.
    """

    owner: AccountId
    meter: MeterId
    fuel: Code
    technology: Code
    capacity_w: u64
    verified_until_ms: u64 = 0
    is_assigned: bool = False


class Claimed(Struct, path="pallet_certificates::Claimed"):
    """What a device has claimed: up to which slot, the Wh carried over, and certificates issued."""

    up_to: Slot | None = None
    remainder_wh: u32 = 0
    issued: u64 = 0


class Period(Struct, path="pallet_certificates::Period"):
    """Delivery slots, first and last included."""

    first: Slot
    last: Slot


@enum_path("pallet_certificates::BatchStatus")
class BatchStatus(IntEnum):
    """Whether the certificates of a batch count."""

    Valid = 0
    Cancelled = 1


class Batch(Struct, path="pallet_certificates::Batch"):
    """Certificates issued together, each for a MWh that a device generated in a period.

    `held`, `redeemed` and `cancelled` add up to `issued`.
    """

    device: DeviceId
    vintage: Period
    issued: u64
    carbon_g_per_kwh: u32
    held: u64
    redeemed: u64 = 0
    cancelled: u64 = 0
    status: BatchStatus = BatchStatus.Valid


class Redemption(Struct, path="pallet_certificates::Redemption"):
    """Certificates used up for somebody's consumption: final.

    `beneficiary` is a salted commitment; who is behind it stands off the chain.
    """

    who: AccountId
    batch: BatchId
    count: u64
    beneficiary: Commitment
    purpose: Purpose
    consumption: Period
