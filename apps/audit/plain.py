"""Values of a chain as plain JSON, in one form: what rows are hashed in.

Responsible for the form alone. Bytes and accounts are hex after `0x`; numbers are whole, of any size; a
variant is its name, or an object of its name and what it holds.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from apps.chain.values import Value, Variant

Plain: TypeAlias = Any
"""None, bool, int, str, or lists and objects of them."""
Record: TypeAlias = dict[str, Plain]


def to_plain(value: Value) -> Plain:
    """Return the plain form of what the client library decoded."""
    match value:
        case bytes():
            return "0x" + value.hex()
        case Variant(name=name, value=None):
            return name
        case Variant(name=name, value=inner):
            return {name: to_plain(inner)}
        case dict():
            return {key: to_plain(one) for key, one in value.items()}
        case tuple() | list():
            return [to_plain(one) for one in value]
        case _:
            return value


def to_fields(value: Value) -> Record:
    """Return the plain form of an event's fields by name; a lone field without a name is `value`."""
    plain = to_plain(value)
    if plain is None:
        return {}
    return plain if isinstance(plain, dict) and isinstance(value, dict) else {"value": plain}
