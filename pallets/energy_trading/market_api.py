"""The runtime API of the market: what a trader, an operator or an auditor asks of it.

Responsible for names, parameters and texts as clients know them. Every answer is bounded: lists come in pages
of at most `PAGE_MAX` entries, a book with at most `DEPTH_MAX` prices of each side.
"""

from __future__ import annotations

from typing import Final

from pallets.energy_trading.market_answers import (
    BookView,
    Contracts,
    ContractView,
    DayView,
    Markets,
    OrderView,
    PositionView,
    SlotView,
    TradeProof,
    TradesView,
)
from pallets.energy_trading.market_types import ContractId, OrderId, SlotId, ZoneId
from pallets.energy_trading.market_views import MarketViews
from runtime.frame.api import Api, ApiMethod
from runtime.primitives.scale import u32, u64
from runtime.primitives.types import AccountId

MARKET_API: Final = ("EnergyMarketApi", 1)
"""Name and version, as the runtime's version announces them."""
_SLOT: Final = (("zone", ZoneId), ("slot", SlotId))
_ACCOUNT: Final = ("who", AccountId)


def market_api(views: MarketViews) -> Api:
    """Return `EnergyMarketApi`, by JSON-RPC `energy_*`."""
    name, version = MARKET_API
    methods = (*_market_methods(views), *_order_methods(views), *_account_methods(views))
    return Api(name, version, methods, "Markets, books, orders, trades and positions.", rpc="energy")


def _market_methods(views: MarketViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "markets",
            (),
            Markets,
            views.list_markets,
            "The markets of all zones: rules, halts, and which slots take orders now.",
        ),
        ApiMethod(
            "slot",
            _SLOT,
            SlotView,
            views.view_slot,
            "A slot of a zone: phase, gate, price, volumes, fees, and the root of its trades.",
            is_live=True,
        ),
        ApiMethod(
            "slots",
            (("zone", ZoneId), ("first", SlotId), ("limit", u32)),
            tuple[SlotView, ...],
            views.list_slots,
            "Slots of a zone from one on.",
        ),
        ApiMethod(
            "order_book",
            (*_SLOT, ("depth", u32)),
            BookView,
            views.view_book,
            "The open book of a slot: its best prices on both sides, and what its auction would find now.",
            is_live=True,
        ),
        ApiMethod(
            "trades",
            (*_SLOT, ("first", u32), ("limit", u32)),
            TradesView,
            views.list_trades,
            "Rows of a slot's trades from a place on, and their root; kept until the slot is archived.",
        ),
        ApiMethod(
            "trade_proof",
            (*_SLOT, ("place", u32)),
            TradeProof,
            views.prove_trade,
            "The proof that a row stands under the root of a slot's trades.",
        ),
        ApiMethod(
            "market_stats",
            (("zone", ZoneId), ("first", u32), ("limit", u32)),
            tuple[DayView, ...],
            views.list_days,
            "A zone's trade by Thai day, counted from 1970, of the days from one on.",
        ),
    )


def _order_methods(views: MarketViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "order",
            (("order", OrderId),),
            OrderView | None,
            views.view_order,
            "An active order, null once it is filled, cancelled or returned.",
            is_live=True,
        ),
        ApiMethod(
            "orders",
            (_ACCOUNT, ("after", u64 | None), ("limit", u32)),
            tuple[OrderView, ...],
            views.list_orders,
            "The active orders of an account, those after one of them.",
            is_live=True,
        ),
        ApiMethod(
            "contract",
            (("contract", ContractId),),
            ContractView | None,
            views.view_contract,
            "A bilateral contract.",
        ),
        ApiMethod(
            "contracts",
            (_ACCOUNT,),
            Contracts,
            views.list_contracts,
            "The bilateral contracts that an account has proposed.",
        ),
    )


def _account_methods(views: MarketViews) -> tuple[ApiMethod, ...]:
    return (
        ApiMethod(
            "position",
            (_ACCOUNT, *_SLOT),
            PositionView | None,
            views.view_position,
            "What an account wants, offers and traded in a slot, and what it saves against the grid.",
            is_live=True,
        ),
        ApiMethod(
            "positions",
            (_ACCOUNT, ("zone", ZoneId), ("first", SlotId), ("limit", u32)),
            tuple[PositionView, ...],
            views.list_positions,
            "What an account has in slots of a zone, of those from one on.",
        ),
    )
