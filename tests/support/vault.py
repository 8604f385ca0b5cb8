"""A runtime of two assets and what is held of them, for sixty reasons."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, cast

from genesis.consortium import BLOCK_LENGTH_MAX, BLOCK_WEIGHT_MAX, NORMAL_PERCENT, make_version
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.token.asset_holds import AssetHolds, AssetHoldsConfig
from pallets.token.assets import Assets
from pallets.token.assets_types import AssetsConfig, GenesisAsset
from pallets.token.balances import Balances, BalancesConfig
from pallets.token.one_asset import OneAsset
from runtime.frame.fungible import Reason
from runtime.frame.fungibles import IssuedAsset
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, BOB, CHARLIE, EVE, Chain

COIN, PLAIN = 7, 8
"""Two assets: one is reason enough for an account to exist, the other is not."""
MINIMUM = 10
START = 1_000
KEEPER = 31

REASONS = [f"Reason{number}" for number in range(60)]
FIRST, SECOND = (Reason(KEEPER, number) for number in (0, 1))


class Keeper(Pallet[None]):
    """A pallet with more reasons to hold than one account may have."""

    hold_reasons: ClassVar[type[IntEnum] | None] = cast("type[IntEnum]", IntEnum("Why", REASONS, start=0))


@dataclass(frozen=True, slots=True)
class Vault:
    """What the runtime is composed of; `coin` has the asset's id bound."""

    api: RuntimeApi
    system: System
    balances: Balances
    assets: Assets
    holds: AssetHolds
    coin: IssuedAsset
    plain: IssuedAsset


def compose_vault(state: State) -> Vault:
    build = RuntimeBuilder(state)
    version = make_version()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    balances = build.add(Balances, index=10, name="Balances", config=BalancesConfig(MINIMUM, system))
    config = AssetsConfig(balances, system, lambda: holds, 1, 1, 1, 1, 1)
    assets = build.add(Assets, index=12, name="Assets", config=config)
    holds = build.add(AssetHolds, index=20, name="AssetHolds", config=AssetHoldsConfig(assets.ledger))
    build.add(Keeper, index=KEEPER, name="Keeper", config=None)
    runtime = build.build(version, system, system.extensions())
    coin, plain = (OneAsset(asset_id, assets, holds) for asset_id in (COIN, PLAIN))
    return Vault(RuntimeApi(runtime, session, ()), system, balances, assets, holds, coin, plain)


def vault_chain(holders: Iterable[AccountId] = (BOB, EVE)) -> Chain[Vault]:
    """Return a chain in block 1 with `START` of both assets on each holder; Alice is their whole team."""

    def write_genesis(vault: Vault) -> None:
        vault.system.genesis()
        vault.balances.genesis(tuple((who, START) for who in (ALICE, BOB, CHARLIE, EVE)))
        vault.api.runtime.pallet("Session").genesis(((ALICE, SessionKeys(bytes(32))),))  # type: ignore[attr-defined]  # it is Session
        held = tuple((who, START) for who in holders)
        vault.assets.genesis(
            (
                GenesisAsset(COIN, ALICE, True, MINIMUM, b"Coin", b"COIN", 0, held),
                GenesisAsset(PLAIN, ALICE, False, MINIMUM, b"Plain", b"PLAIN", 0, held),
            )
        )
        vault.system.events.kill()

    return Chain(compose_vault, write_genesis)
