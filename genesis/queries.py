"""What screens ask of the consortium: the runtime APIs of its energy market, certificates and supervision.

Responsible for which views stand on which pallets, and for the one answer that takes several of them: what an
account has in the whole market. What the answers say is the views' business.
"""

from __future__ import annotations

from typing import Final

from genesis.energy import Energy
from pallets.certificates.views import CERTIFICATES_API, CertificatesViews, certificates_api
from pallets.compliance.compliance_api import COMPLIANCE_API, compliance_api
from pallets.compliance.compliance_views import ComplianceViews
from pallets.energy_trading.grid_views import GRID_API, GridViews, grid_api
from pallets.energy_trading.market_answers import TraderView
from pallets.energy_trading.market_api import MARKET_API, market_api
from pallets.energy_trading.market_views import MarketViews
from pallets.settlement.collateral_types import Guarantees
from pallets.settlement.meters_views import METERS_API, MetersViews, meters_api
from pallets.settlement.settlement_api import SETTLEMENT_API, settlement_api
from pallets.settlement.settlement_views import SettlementViews
from runtime.frame.api import Api, ApiMethod
from runtime.primitives.scale import Struct, i128, u128
from runtime.primitives.types import AccountId

ACCOUNT_API: Final = ("EnergyAccountApi", 1)
QUERY_APIS: Final = (
    MARKET_API,
    GRID_API,
    METERS_API,
    SETTLEMENT_API,
    ACCOUNT_API,
    CERTIFICATES_API,
    COMPLIANCE_API,
)
"""Names and versions, as the runtime's version announces them."""


class AccountView(Struct, path="loam::energy::AccountView"):
    """An account in the whole market: as a trader, what stands for it, what it is to receive of epochs that
    are not netted, below zero to pay, and payments of settlement that it may claim."""

    trader: TraderView
    guarantees: Guarantees
    accrued: i128
    unclaimed: u128


def query_apis(energy: Energy, supervision: ComplianceViews) -> tuple[Api, ...]:
    """Return the APIs over the pallets of a chain."""
    settled = SettlementViews(energy.settlement, energy.collateral)
    market = MarketViews(energy.market, settled)
    return (
        market_api(market),
        grid_api(GridViews(energy.grid, market)),
        meters_api(MetersViews(energy.meters)),
        settlement_api(settled),
        _account_api(energy, market, settled),
        certificates_api(CertificatesViews(energy.certificates)),
        compliance_api(supervision),
    )


def _account_api(energy: Energy, market: MarketViews, settled: SettlementViews) -> Api:
    def view(who: AccountId) -> AccountView:
        return AccountView(
            market.view_trader(who),
            energy.collateral.guarantees_of(who),
            settled.sum_accrued(who),
            energy.settlement.unclaimed.get(who),
        )

    name, version = ACCOUNT_API
    docs = "An account in the market: limits, orders, escrow, guarantees, arrears, and what it may claim."
    method = ApiMethod("account", (("who", AccountId),), AccountView, view, docs, is_live=True)
    return Api(name, version, (method,), "What an account has in the whole energy market.", rpc="energy")
