"""The parameter of `dev_setStorage`: raw keys and values, or names and JSON; and the digest item they make.

Responsible for taking both forms within bounds, and for refusing, before anything is made, what the chain's
storage items cannot hold. It knows no pallet: names are looked up in the runtime.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, cast

from node.rpc.jsonrpc import INVALID_PARAMS, Json, RpcError
from node.rpc.params import Bound, Hex, ParamError, Schema, shown
from node.rpc.signatures import converter_of
from runtime.frame.by_hand import (
    KEY_BYTES_MAX,
    OVERRIDE_BYTES_MAX,
    OVERRIDES_MAX,
    OverrideError,
    find_overrides,
    locate,
    make_override_item,
)
from runtime.frame.by_name import read_entries
from runtime.frame.runtime_api import RuntimeApi
from runtime.primitives.block import PreRuntime
from runtime.primitives.json_values import JsonValueError

_RAW: Final = converter_of(
    Annotated[
        list[
            tuple[
                Annotated[bytes, Hex(limit=KEY_BYTES_MAX)],
                Annotated[bytes, Hex(limit=OVERRIDE_BYTES_MAX)] | None,
            ]
        ],
        Bound(OVERRIDES_MAX),
    ]
)


class RawValues(NamedTuple):
    """Pairs of raw key and raw value, None to remove."""

    pairs: list[tuple[bytes, bytes | None]]


class NamedValues(NamedTuple):
    """Pallets by name, their items by name, values as JSON."""

    pallets: dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class _Values:
    """An array of pairs, or an object of pallets."""

    kinds: frozenset[str] = frozenset({"array", "object"})

    @property
    def schema(self) -> Schema:
        return {"oneOf": [dict(_RAW.schema), {"type": "object"}]}

    def convert(self, value: Json) -> RawValues | NamedValues:
        match value:
            case dict():
                return NamedValues(value)
            case list():
                return RawValues(cast(list[tuple[bytes, bytes | None]], _RAW.convert(value)))
            case _:
                raise ParamError(f"must be an array of pairs or an object of pallets, got {shown(value)}")


StorageValues: TypeAlias = Annotated[RawValues | NamedValues, _Values()]


def make_item(api: RuntimeApi, values: RawValues | NamedValues) -> PreRuntime:
    """Return the digest item that sets values on the state that a runtime stands on; RpcError with
    INVALID_PARAMS when it cannot."""
    try:
        item = make_override_item(_read(api, values))
        for override in find_overrides((item,)):
            locate(api.state, override)
    except (JsonValueError, OverrideError) as error:
        raise RpcError(INVALID_PARAMS, f"Invalid params: {error}") from error
    return item


def _read(api: RuntimeApi, values: RawValues | NamedValues) -> dict[bytes, bytes | None]:
    match values:
        case RawValues(pairs):
            return dict(pairs)
        case NamedValues(pallets):
            return read_entries(api.runtime, pallets)
