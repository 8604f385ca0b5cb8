"""Records and configuration of the Reports pallet: reports and the days of the audit log; no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, TypeAlias

from pallets.compliance.office import Clock, Commitment, Officers
from runtime.frame.block_numbers import BlockNumbers
from runtime.primitives.scale import MaxLen, Struct, enum_path, u16, u32, u64
from runtime.primitives.types import AccountId, Hash

PEAKS_MAX: Final = 64
"""Peaks of the largest tree that a u64 counts."""

Day: TypeAlias = u32
Period: TypeAlias = u32


@enum_path("pallet_reports::ReportKind")
class ReportKind(IntEnum):
    """For whom a report is, and of what period; see `months`."""

    SecQuarter = 0
    """Securities commission: what was traded in a quarter."""
    ErcMonth = 1
    """Energy regulator: what flowed and was paid in a month, by zone."""
    Amlo = 2
    """Anti-money-laundering office: what is to be reported of a month."""
    PdpaRopa = 3
    """Data protection: the record of processing of a year."""


MONTHS: Final = {
    ReportKind.SecQuarter: 3,
    ReportKind.ErcMonth: 1,
    ReportKind.Amlo: 1,
    ReportKind.PdpaRopa: 12,
}
"""How many months a period of each kind has."""


@enum_path("pallet_reports::ReportState")
class ReportState(IntEnum):
    """Where a report stands."""

    Draft = 0
    Submitted = 1
    Accepted = 2
    Returned = 3


class Content(Struct, path="pallet_reports::Content"):
    """What a report consists of: the Merkle root of its rows, how many there are, and a hash of the document
    that holds them."""

    root: Hash
    rows: u32
    document: Commitment


class Report(Struct, path="pallet_reports::Report"):
    """A report: its content, who drafted it, and how often it was returned before."""

    content: Content
    submitter: AccountId
    state: ReportState
    returned: u16 = 0


class OpenDay(Struct, path="pallet_reports::OpenDay"):
    """The day that the audit log is in: its leaves so far, as the peaks of their Merkle tree."""

    day: Day
    leaves: u64 = 0
    peaks: Annotated[tuple[Hash, ...], MaxLen(PEAKS_MAX)] = ()


class SealedDay(Struct, path="pallet_reports::SealedDay"):
    """A day of the audit log that is over: root and number of its leaves, and the hash chain's head then."""

    root: Hash
    leaves: u64
    head: Hash


@dataclass(frozen=True, slots=True)
class ReportsConfig:
    """What the pallet asks."""

    clock: Clock
    blocks: BlockNumbers
    officers: Officers
