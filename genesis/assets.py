"""Assets in a genesis configuration, in the layout that pallet_assets' genesis has in chain specs.

`assets`: [id, owner, isSufficient, minBalance]; `metadata`: [id, name, symbol, decimals]; `accounts`:
[id, holder, amount].
"""

from __future__ import annotations

from typing import Any

from genesis.config import (
    SpecError,
    as_account,
    as_amount,
    as_flag,
    as_list,
    as_number,
    as_object,
    as_row,
    as_text,
)
from pallets.token.assets_types import STRING_MAX, GenesisAsset
from runtime.primitives.arithmetic import U8_MAX, U32_MAX
from runtime.primitives.types import AccountId

Metadata = tuple[bytes, bytes, int]


def parse_assets(section: Any, path: str) -> tuple[GenesisAsset, ...]:
    """Return the assets of a genesis configuration; SpecError naming the place when it is wrong."""
    parts = as_object(section, path, ("assets", "metadata", "accounts"))
    metadata = dict(as_list(parts.get("metadata", []), f"{path}.metadata", _metadata))
    holders: dict[int, list[tuple[AccountId, int]]] = {}
    for asset_id, holder in as_list(parts.get("accounts", []), f"{path}.accounts", _holder):
        holders.setdefault(asset_id, []).append(holder)
    found: list[GenesisAsset] = []
    for asset_id, owner, is_sufficient, minimum in as_list(parts.get("assets", []), f"{path}.assets", _asset):
        name, symbol, decimals = metadata.pop(asset_id, (b"", b"", 0))
        held = tuple(holders.pop(asset_id, []))
        found.append(GenesisAsset(asset_id, owner, is_sufficient, minimum, name, symbol, decimals, held))
    for asset_id in (*metadata, *holders):
        raise SpecError(f"{path}: there is no asset {asset_id} for its metadata or accounts")
    return tuple(found)


def with_watt(assets: tuple[GenesisAsset, ...], watt: GenesisAsset) -> tuple[GenesisAsset, ...]:
    """Return the assets with WATT among them, so that nobody can create an asset with its id.

    AssertionError where it is listed with another owner, who could mint without the reserve.
    """
    listed = next((asset for asset in assets if asset.asset_id == watt.asset_id), None)
    if listed is None:
        return (*assets, watt)
    assert listed.owner == watt.owner, (
        f"asset {watt.asset_id} belongs to the reserve's account 0x{watt.owner.hex()}"
    )
    return assets


def _asset(value: Any, path: str) -> tuple[int, AccountId, bool, int]:
    asset_id, owner, is_sufficient, minimum = as_row(
        value, path, ("id", "owner", "isSufficient", "minBalance")
    )
    return (
        as_number(asset_id, f"{path}[0]", U32_MAX),
        as_account(owner, f"{path}[1]"),
        as_flag(is_sufficient, f"{path}[2]"),
        as_amount(minimum, f"{path}[3]"),
    )


def _metadata(value: Any, path: str) -> tuple[int, Metadata]:
    asset_id, name, symbol, decimals = as_row(value, path, ("id", "name", "symbol", "decimals"))
    strings = (
        _string(name, f"{path}[1]"),
        _string(symbol, f"{path}[2]"),
        as_number(decimals, f"{path}[3]", U8_MAX),
    )
    return as_number(asset_id, f"{path}[0]", U32_MAX), strings


def _string(value: Any, path: str) -> bytes:
    raw = as_text(value, path).encode()
    if len(raw) > STRING_MAX:
        raise SpecError(f"{path}: more than {STRING_MAX} bytes")
    return raw


def _holder(value: Any, path: str) -> tuple[int, tuple[AccountId, int]]:
    asset_id, holder, amount = as_row(value, path, ("id", "holder", "amount"))
    account = (as_account(holder, f"{path}[1]"), as_amount(amount, f"{path}[2]"))
    return as_number(asset_id, f"{path}[0]", U32_MAX), account
