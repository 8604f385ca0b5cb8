"""Rows of what a chain did, one kind for each question of an auditor, made of the events of its blocks.

Pure. Responsible for which events belong to a kind, for the form of a row, and for its columns in CSV. A
row names its block, the event's place in it and, where one event tells of many, the part of it; so no two
rows are alike, and their order is that of the chain.

Amounts are in the smallest units of their asset, energy in Wh, prices in ticks of 0.0001 THB per kWh.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from apps.audit.day_log import encode_leaf, is_noted
from apps.audit.plain import Record, to_fields, to_plain
from apps.audit.witness import BlockEvents
from apps.chain.metadata import Metadata
from apps.chain.runtime import EventRecord

MARKET: Final = "Market"
GRID: Final = "Grid"
FILLS: Final = "OrdersFilled"
LEADING: Final = ("block", "event", "part", "extrinsic", "pallet", "name")
"""The first columns of every kind; `extrinsic` is empty where the block itself did it."""
MORE: Final = "more"
"""The last column: fields that a later runtime added, as JSON."""


class Kind(StrEnum):
    """What rows are of."""

    ORDERS = "orders"
    TRADES = "trades"
    SETTLEMENTS = "settlements"
    BALANCES = "balances"
    REGULATED = "regulated"


class Row(NamedTuple):
    """A row: where it comes from, and what it says."""

    block: int
    event: int
    part: int
    record: Record


_EVERY: Final = frozenset[str]()
"""All events of a pallet."""

_EVENTS: Final[Mapping[Kind, Mapping[str, frozenset[str]]]] = MappingProxyType(
    {
        Kind.ORDERS: {MARKET: frozenset({"OrderPlaced", "OrderAmended", "OrderCancelled", "OrderAnnulled"})},
        Kind.TRADES: {
            MARKET: frozenset(
                {
                    "TradeExecuted",
                    FILLS,
                    "SlotHalted",
                    "TradesSealed",
                    "BilateralAccepted",
                    "BilateralTerminated",
                }
            )
        },
        Kind.SETTLEMENTS: {
            MARKET: frozenset({"SlotSettled"}),
            "Settlement": _EVERY,
            "Collateral": _EVERY,
            GRID: frozenset({"Curtailed", "CongestionRent"}),
        },
        Kind.BALANCES: {
            "Balances": _EVERY,
            "Assets": frozenset({"Issued", "Transferred", "Burned", "Deposited", "Withdrawn"}),
            "AssetHolds": _EVERY,
            "WattReserve": _EVERY,
            "TransactionPayment": _EVERY,
        },
    }
)


def belongs(kind: Kind, event: EventRecord) -> bool:
    """Tell whether an event has rows of a kind."""
    if kind is Kind.REGULATED:
        return is_noted(event)
    names = _EVENTS[kind].get(event.pallet)
    return names is not None and (not names or event.name in names)


def rows_of(kind: Kind, block: BlockEvents) -> Iterator[Row]:
    """Give the rows of a block's events in order."""
    number = block.header.number
    for place, event in enumerate(block.events):
        if not belongs(kind, event):
            continue
        for part, fields in enumerate(_parts(event)):
            record: Record = {
                "block": number,
                "event": place,
                "part": part,
                "extrinsic": event.extrinsic,
                "pallet": event.pallet,
                "name": event.name,
                "fields": fields,
            }
            if kind is Kind.REGULATED:
                record["leaf"] = "0x" + encode_leaf(block.runtime, number, event).hex()
            yield Row(number, place, part, record)


def columns_of(kind: Kind, metadata: Metadata) -> tuple[str, ...]:
    """Return the columns of a kind: those that all rows have, then the fields of its events as metadata has
    them, then what is new."""
    fields: dict[str, None] = {}
    for name, pallet in metadata.pallets.items():
        for variant in pallet.events.values():
            if belongs(kind, EventRecord(None, name, variant.name, None)):
                fields |= dict.fromkeys(one.name for one in variant.fields if one.name is not None)
    if kind is Kind.TRADES:
        fields.pop("rows", None)
        fields |= dict.fromkeys(("order", "who", "side", "qty", "price", "energy", "fee", "wheeling", "rows"))
    leaf = ("leaf",) if kind is Kind.REGULATED else ()
    return (*LEADING, *leaf, *fields, MORE)


def csv_line(columns: tuple[str, ...], row: Row) -> str:
    """Return a row's line; what is neither number nor text is JSON."""
    fields: Record = dict(row.record["fields"])
    values = {**{name: fields.pop(name) for name in columns if name in fields}, MORE: fields or None}
    values |= {name: row.record[name] for name in (*LEADING, "leaf") if name in row.record}
    return csv_text([_cell(values.get(name)) for name in columns])


def csv_text(cells: list[str] | tuple[str, ...]) -> str:
    """Return one line of CSV as RFC 4180 has it, but with a bare line feed."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue()


def json_line(row: Row) -> str:
    """Return a row's line of JSON."""
    return json.dumps(row.record, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"


def csv_table(records: Sequence[Record]) -> str:
    """Return records as CSV, with the columns of all of them in the order of their first use."""
    columns = tuple(dict.fromkeys(name for record in records for name in record))
    lines = [csv_text([_cell(record.get(name)) for name in columns]) for record in records]
    return "".join([csv_text(columns), *lines])


def _parts(event: EventRecord) -> Iterator[Record]:
    """Give what an event tells: one record, or one for each fill of an auction."""
    if (event.pallet, event.name) != (MARKET, FILLS):
        yield to_fields(event.value)
        return
    for fill in event.value["rows"]:
        yield {"zone": event.value["zone"], "slot": event.value["slot"], **to_plain(fill)}


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int | str) else json.dumps(value, separators=(",", ":"))
