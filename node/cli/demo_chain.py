"""The chain of the energy week: the local chain with short slots and the rules of the week's market.

Responsible for what differs from the built-in chain. An hour of the week is one slot; a day of the netting is
to end two slots after the last hour. It starts nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from msgspec import structs

from apps.demo.cast import PROVIDERS
from apps.demo.play import LEAD_MS, NETTING_LAG_SLOTS
from apps.demo.providers import FEEDS
from apps.demo.week import HOURS_PER_DAY, Week
from genesis.chain_spec import make_local_spec
from genesis.energy_section import EnergyParameters, make_energy_section
from genesis.oracle import DEV_QUORUM, make_feeds, make_section
from genesis.presets import DEV_SOURCES, DEV_SS58_PREFIX, dev_oracle_key
from node.devnet.chains import AUTHORITY_NAMES, NetworkChain
from pallets.energy_trading.fills import Rationing
from pallets.energy_trading.grid_types import OperatorKind
from pallets.energy_trading.market_types import HORIZON_MAX, MarketKind, MarketParameters
from pallets.oracle.types import GenesisFeed
from pallets.settlement.settlement_types import Tariff, TariffKind
from pallets.settlement.tariff import ON_PEAK_TICKS
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.ss58 import encode_address

HOUR_MS: Final = 3_600_000
ZONE: Final = 1
OPERATOR: Final = "//Ferdie"
REGISTRATION_MS: Final = 35_000
"""From making the chain until a run chooses its first slot, at most: later, and it waits for a day more."""
DEADLINE_MS: Final = 40_000
"""A reading may be so late before something stands in for it: a busy machine shall not change the figures."""
GATE_MS: Final = 1_000
KEPT_SLOTS: Final = 2_000
QTY_MAX_WH: Final = 1_000_000


def make_demo_chain(week: Week, nodes: int, hours: int, speed: int, now_ms: int) -> NetworkChain:
    """Return the chain with so many validators, on which an hour passes `speed` times faster."""
    slot_ms = HOUR_MS // speed
    authorities = AUTHORITY_NAMES[:nodes]
    spec = make_local_spec(authorities)
    assert spec.config is not None, "a built-in chain is plain"
    config = {**spec.config, **_make_sections(week, hours, slot_ms, now_ms)}
    spec = replace(spec, name="Energy Week", id="energy_week", config=config)
    return NetworkChain(spec, authorities, None)


def _make_sections(week: Week, hours: int, slot_ms: int, now_ms: int) -> dict[str, Any]:
    epoch_slots = min(HOURS_PER_DAY, hours)
    first_slot = (now_ms + REGISTRATION_MS + LEAD_MS) // slot_ms + 2
    parameters = EnergyParameters(
        slot_ms=slot_ms,
        deadline_slots=-(-DEADLINE_MS // slot_ms),
        correction_slots=KEPT_SLOTS,
        pattern_slots=7 * HOURS_PER_DAY,
        epoch_slots=epoch_slots,
        epoch_offset_slots=-(first_slot + hours + NETTING_LAG_SLOTS) % epoch_slots,
        margin_slots=HOURS_PER_DAY,
        archive_slots=KEPT_SLOTS,
        gate_stagger_ms=0,
    )
    zone = (ZONE, OperatorKind.MEA, _address(OPERATOR), week.rules.wheeling_ticks, 0)
    feeds = [_quicken(feed, slot_ms) for feed in make_feeds(DEV_QUORUM)]
    names = [uri.removeprefix("//") for uri in PROVIDERS]
    providers = [(_address(f"//{name}"), dev_oracle_key(name).public, DEV_SOURCES) for name in names]
    return {
        "energy": make_energy_section(
            parameters,
            [zone],
            [(ZONE, _make_market(week))],
            [(ZONE, Tariff(TariffKind.Flat, week.feed_in_ticks, ON_PEAK_TICKS, 0, 0, 0, has_netting=True))],
        ),
        "oracle": make_section(feeds, providers),
    }


def _make_market(week: Week) -> MarketParameters:
    return MarketParameters(
        kind=MarketKind.CallUniform,
        rationing=Rationing.PRO_RATA,
        k_permille=week.rules.k_permille,
        fee_bps=week.rules.fee_bps,
        gate_ms=GATE_MS,
        horizon=HORIZON_MAX,
        qty_min=1,
        qty_max=QTY_MAX_WH,
        price_min=100,
        price_max=100_000,
        price_step=1,
    )


def _address(uri: str) -> str:
    return encode_address(Keypair.from_uri(uri, Scheme.SR25519).account_id, DEV_SS58_PREFIX)


def _quicken(feed: GenesisFeed, slot_ms: int) -> GenesisFeed:
    """Return a feed with one round in each slot, where the week has values for it."""
    if feed.key.decode() not in FEEDS:
        return feed
    times = {"heartbeat_ms": slot_ms, "fresh_ms": 2 * slot_ms, "usable_ms": 10 * slot_ms}
    return GenesisFeed(feed.key, structs.replace(feed.rules, **times))
