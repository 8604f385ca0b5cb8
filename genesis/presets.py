"""Built-in chains: the `dev` and `local` presets with their publicly known accounts, and the template of a
production chain.

Everybody knows the secrets of these accounts; nothing of value may ever live on such a chain.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final, NamedTuple

from msgspec import structs

from genesis.consortium import (
    EXISTENTIAL_DEPOSIT,
    TOKEN_DECIMALS,
    TOKEN_SYMBOL,
    UNIT,
    WATT_ID,
    WATT_MINIMUM,
)
from genesis.energy_section import DEVNET, make_energy_section
from genesis.oracle import DEV_PROVIDERS, DEV_QUORUM, make_feeds, make_section
from genesis.pots import GRID_POTS, watt_pots
from genesis.production import MARKET, make_production_config
from genesis.reserve import RESERVE_SECTION
from pallets.compliance.compliance_types import LicenceKind, Tier
from pallets.compliance.office import Role
from pallets.energy_trading.grid_types import OperatorKind
from pallets.token.reserve_types import ATTESTORS, RESERVE_POT, SATANG
from runtime.primitives.crypto import Keypair, Scheme
from runtime.primitives.hashing import blake2_256
from runtime.primitives.keys import DEV_ACCOUNTS, DEV_NAMES
from runtime.primitives.ss58 import encode_address

DEV_BALANCE: Final = 1_000_000 * UNIT
DEV_WATT: Final = 1_000_000 * UNIT
DEV_SS58_PREFIX: Final = 42
DEV_LICENCES: Final = (LicenceKind.Trading.name, LicenceKind.Generation.name)
"""What every named account may do; all are of the tier Enhanced, so that they can send e-money too."""
DEV_ZONE: Final = 1
DEV_OPERATOR: Final = "//Eve"
"""The operator of the one zone, with a licence for it besides."""
DEV_ISSUER: Final = "//Alice"
DEV_WHEELING_TICKS: Final = 5_000
DEV_MARKET: Final = structs.replace(MARKET, gate_ms=15_000)
"""An auction whose gate closes a quarter of a minute before each slot, by production's other rules."""
DEV_OFFICERS: Final = ("//Alice", "//Bob")
"""Officers with every role; two, since it takes two to freeze an account."""

PROPERTIES: Final = {
    "ss58Format": DEV_SS58_PREFIX,
    "tokenDecimals": TOKEN_DECIMALS,
    "tokenSymbol": TOKEN_SYMBOL,
}
DEV_SOURCES: Final = blake2_256(b"none")
"""Of every provider's list of sources: they are what a developer makes up."""


class DevAccount(NamedTuple):
    """A publicly known account: secret URI, signature scheme, 32-byte account id."""

    uri: str
    scheme: Scheme
    account_id: bytes


class Preset(NamedTuple):
    """A built-in chain: identity and genesis configuration in spec form."""

    name: str
    id: str
    chain_type: str
    config: dict[str, Any]
    properties: dict[str, Any]


@cache
def dev_accounts() -> tuple[DevAccount, ...]:
    """Return the funded accounts of dev and local chains: each name and its stash, sr25519 then ed25519."""
    return tuple(
        DevAccount(uri, scheme, Keypair.from_uri(uri, scheme).account_id)
        for scheme in (Scheme.SR25519, Scheme.ED25519)
        for uri in DEV_ACCOUNTS
    )


def _attested(account: DevAccount) -> list[Any]:
    is_operator = account.uri == DEV_OPERATOR and account.scheme is Scheme.SR25519
    licences = [*DEV_LICENCES, *([LicenceKind.Grid.name] if is_operator else [])]
    return [_address(account.account_id), Tier.Enhanced.name, licences]


def _officers() -> list[DevAccount]:
    return [a for a in dev_accounts() if a.uri in DEV_OFFICERS and a.scheme is Scheme.SR25519]


def make_preset(name: str) -> Preset | None:
    """Return the preset of a name, None when there is none."""
    match name:
        case "dev":
            return _preset("Development", "dev", "Development", DEV_NAMES[:1])
        case "local":
            return make_local_preset(DEV_NAMES[:4])
        case "consortium":
            config = make_production_config()
            return Preset("Consortium", "loam_consortium", "Live", config, dict(PROPERTIES))
        case _:
            return None


def make_local_preset(authorities: tuple[str, ...]) -> Preset:
    """Return the local chain with these authorities; the keys of NAME are those of the secret `//NAME`."""
    return _preset("Local Testnet", "local_testnet", "Local", authorities)


def _preset(name: str, chain_id: str, chain_type: str, authorities: tuple[str, ...]) -> Preset:
    addresses = [_address(account.account_id) for account in dev_accounts()]
    watt_holders = [
        *((who, DEV_WATT) for who in addresses),
        *((_address(pot), WATT_MINIMUM) for pot in watt_pots((DEV_ZONE,)).values()),
    ]
    config = {
        "balances": {
            "balances": [
                *([who, DEV_BALANCE] for who in addresses),
                *([_address(pot), EXISTENTIAL_DEPOSIT] for pot in GRID_POTS.values()),
            ]
        },
        "session": {"keys": [_session_key(authority) for authority in authorities]},
        "sudo": {"key": addresses[0]},
        "assets": {
            "assets": [[WATT_ID, _address(RESERVE_POT), True, WATT_MINIMUM]],
            "metadata": [[WATT_ID, "Watt", "WATT", TOKEN_DECIMALS]],
            "accounts": [[WATT_ID, who, amount] for who, amount in watt_holders],
        },
        RESERVE_SECTION: {
            "attestors": [_dev_address(name) for name in DEV_NAMES[:ATTESTORS]],
            "report": {
                "asOf": 0,
                "custodian": "nobody: the baht of a development chain do not exist",
                "satang": -(-sum(amount for _, amount in watt_holders) // SATANG),
                "documentHash": "0x" + bytes(32).hex(),
            },
        },
        "compliance": {
            "officers": [[_address(a.account_id), [role.name for role in Role]] for a in _officers()],
            "attested": [_attested(account) for account in dev_accounts()],
        },
        "oracle": make_section(
            make_feeds(DEV_QUORUM), [_provider(name) for name in DEV_NAMES[:DEV_PROVIDERS]]
        ),
        "energy": make_energy_section(
            DEVNET,
            [(DEV_ZONE, OperatorKind.MEA, _dev_address(DEV_OPERATOR[2:]), DEV_WHEELING_TICKS, 0)],
            [(DEV_ZONE, DEV_MARKET)],
            issuers=[_dev_address(DEV_ISSUER[2:])],
        ),
    }
    return Preset(name, chain_id, chain_type, config, dict(PROPERTIES))


def _session_key(authority: str) -> list[Any]:
    account = _dev_address(authority)
    vote = _address(Keypair.from_uri(f"//{authority}", Scheme.ED25519).public)
    return [account, account, {"grandpa": vote}]


def dev_oracle_key(name: str) -> Keypair:
    """Return the ed25519 key with which the provider NAME of a dev chain signs statements:
    `//NAME//oracle`."""
    return Keypair.from_uri(f"//{name}//oracle", Scheme.ED25519)


def _provider(name: str) -> tuple[str, bytes, bytes]:
    return _dev_address(name), dev_oracle_key(name).public, DEV_SOURCES


def _dev_address(name: str) -> str:
    return _address(Keypair.from_uri(f"//{name}", Scheme.SR25519).account_id)


def _address(account_id: bytes) -> str:
    return encode_address(account_id, DEV_SS58_PREFIX)
