"""The runtime API of settlement: what an account, an operator or an auditor asks of it.

Responsible for names, parameters and texts as clients know them. Lists come in pages of at most `PAGE_MAX`.
"""

from __future__ import annotations

from typing import Final

from pallets.settlement.settlement_answers import (
    BillView,
    EpochView,
    MeteredView,
    SettlementView,
    StatementRow,
    TariffView,
    ZoneSettlements,
)
from pallets.settlement.settlement_types import EpochId, SlotId, ZoneId
from pallets.settlement.settlement_views import SettlementViews
from runtime.frame.api import Api, ApiMethod
from runtime.primitives.scale import u32, u64, u128
from runtime.primitives.types import AccountId

SETTLEMENT_API: Final = ("EnergySettlementApi", 1)
"""Name and version, as the runtime's version announces them."""


def settlement_api(views: SettlementViews) -> Api:
    """Return `EnergySettlementApi`, by JSON-RPC `energy_*`."""
    name, version = SETTLEMENT_API
    methods = (*_slot_methods(views), *_account_methods(views))
    return Api(name, version, methods, "Settled slots, netted epochs, bills and guarantees.", rpc="energy")


def _slot_methods(views: SettlementViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "settlements",
            (),
            ZoneSettlements,
            views.list_zones,
            "The slot of each zone that is settled next, and what it waits for.",
        ),
        ApiMethod(
            "settlement",
            (("zone", ZoneId), ("slot", SlotId)),
            SettlementView,
            views.view_slot,
            "The settlement of a slot: how far it has come, its prices, and its imbalances in all.",
            is_live=True,
        ),
        ApiMethod(
            "epoch",
            (("epoch", EpochId | None),),
            EpochView,
            views.view_epoch,
            "An epoch, by default the open one: what is owed in all, and the batch once it is netted.",
            is_live=True,
        ),
        ApiMethod(
            "epochs",
            (("first", EpochId), ("limit", u32)),
            tuple[EpochView, ...],
            views.list_epochs,
            "Epochs from one on, up to the open one.",
        ),
        ApiMethod(
            "tariff",
            (("zone", ZoneId),),
            TariffView,
            views.view_tariff,
            "What the grid pays and asks in a zone, and what comes next.",
        ),
        ApiMethod(
            "default_fund", (), u128, views.get_default_fund, "What the default fund has, in smallest units."
        ),
    )


def _account_methods(views: SettlementViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "statement",
            (("who", AccountId), ("first", EpochId), ("limit", u32)),
            tuple[StatementRow, ...],
            views.list_statement,
            "What an account is to get or pay of epochs from one on, until they are netted, its arrears, "
            "and what it went without.",
        ),
        ApiMethod(
            "bill",
            (("who", AccountId), ("month", u32), ("surcharge_ticks", u32), ("service", u64)),
            BillView | None,
            views.view_bill,
            "The grid's bill with VAT for what an account took in a local month, counted from January 1970, "
            "under a block tariff; null where the chain does not know. Surcharge in ticks per kWh and "
            "service in smallest units are yours to give.",
        ),
        ApiMethod(
            "metered",
            (("who", AccountId), ("zone", ZoneId), ("first", SlotId), ("limit", u32)),
            tuple[MeteredView, ...],
            views.list_metered,
            "What an account traded and what its meters counted in slots from one on.",
        ),
    )
