"""The reserve of WATT in a genesis configuration: its attestors and a first report.

`attestors`: three addresses, or none; `report`: nothing, or an object with `asOf` (milliseconds since 1970),
`custodian`, `satang` and `documentHash`; `mintCap`: units of WATT that can be minted on a day.
"""

from __future__ import annotations

from typing import Any, Final

from genesis.config import SpecError, as_account, as_amount, as_bytes, as_list, as_number, as_object, as_text
from pallets.token.reserve_types import CUSTODIAN_MAX, MINT_CAP_DEFAULT, GenesisReserve, ReserveReport
from runtime.primitives.arithmetic import U64_MAX
from runtime.primitives.types import Hash

RESERVE_SECTION: Final = "wattReserve"
REPORT_FIELDS: Final = ("asOf", "custodian", "satang", "documentHash")


def parse_reserve(section: Any, path: str) -> GenesisReserve:
    """Return the reserve of a genesis configuration; SpecError naming the place when it is wrong."""
    parts = as_object(section, path, ("attestors", "report", "mintCap"))
    report = parts.get("report")
    return GenesisReserve(
        as_list(parts.get("attestors", []), f"{path}.attestors", as_account),
        None if report is None else _report(report, f"{path}.report"),
        as_amount(parts.get("mintCap", MINT_CAP_DEFAULT), f"{path}.mintCap"),
    )


def _report(value: Any, path: str) -> ReserveReport:
    fields = as_object(value, path, REPORT_FIELDS)
    custodian = as_text(fields.get("custodian"), f"{path}.custodian").encode()
    if len(custodian) > CUSTODIAN_MAX:
        raise SpecError(f"{path}.custodian: more than {CUSTODIAN_MAX} bytes")
    return ReserveReport(
        as_number(fields.get("asOf"), f"{path}.asOf", U64_MAX),
        custodian,
        as_number(fields.get("satang"), f"{path}.satang", U64_MAX),
        0,
        Hash(as_bytes(fields.get("documentHash"), f"{path}.documentHash", 32)),
    )
