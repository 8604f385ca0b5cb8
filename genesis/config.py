"""Genesis configuration as chain specs write it: JSON sections by pallet, read with errors that name the
path.

Responsible for turning JSON into typed values and nothing else; which sections exist is the composition's
business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from runtime.primitives.ss58 import Ss58Error, decode_address
from runtime.primitives.types import AccountId

T = TypeVar("T")
U128_MAX = (1 << 128) - 1
FILL_IN: Final = "FILL IN: "
"""What a template begins texts with that somebody has to put something else in the place of."""


class SpecError(ValueError):
    """A chain spec is not usable; the message names the place and what was expected."""


def as_object(value: Any, path: str, known: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return a JSON object, whose keys must be known ones when these are given."""
    if not isinstance(value, dict):
        raise SpecError(f"{path}: expected an object, found {_kind(value)}")
    for key in value:
        if known is not None and key not in known:
            raise SpecError(f"{path}.{key}: unknown; known here: {', '.join(known)}")
    return value


def as_list(value: Any, path: str, item: Callable[[Any, str], T]) -> tuple[T, ...]:
    """Return a JSON array with each item converted."""
    if not isinstance(value, list):
        raise SpecError(f"{path}: expected an array, found {_kind(value)}")
    return tuple(item(entry, f"{path}[{position}]") for position, entry in enumerate(value))


def as_text(value: Any, path: str) -> str:
    """Return a JSON string, which must be text that UTF-8 can hold."""
    if not isinstance(value, str):
        raise SpecError(f"{path}: expected a string, found {_kind(value)}")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise SpecError(f"{path}: a lone surrogate is no text")
    if value.startswith(FILL_IN):
        raise SpecError(f"{path} is still to be filled in: {value.removeprefix(FILL_IN)[:60]}")
    return value


def as_amount(value: Any, path: str) -> int:
    """Return a u128 from a JSON integer or a decimal string."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 40:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= U128_MAX:
        raise SpecError(f"{path}: expected an integer from 0 to 2^128 - 1, found {str(value)[:60]!r}")
    return value


def as_number(value: Any, path: str, maximum: int) -> int:
    """Return a JSON integer from 0 to a maximum."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= maximum:
        raise SpecError(f"{path}: expected an integer from 0 to {maximum}, found {str(value)[:60]!r}")
    return value


def as_flag(value: Any, path: str) -> bool:
    """Return a JSON boolean."""
    if not isinstance(value, bool):
        raise SpecError(f"{path}: expected true or false, found {_kind(value)}")
    return value


def as_row(value: Any, path: str, columns: tuple[str, ...]) -> list[Any]:
    """Return a JSON array with exactly these columns."""
    if not isinstance(value, list) or len(value) != len(columns):
        raise SpecError(f"{path}: expected [{', '.join(columns)}]")
    return value


def as_account(value: Any, path: str) -> AccountId:
    """Return the account of an SS58 address of any prefix, or of 0x and 64 hex digits."""
    text = as_text(value, path)
    if text.startswith("0x"):
        return AccountId(as_bytes(text, path, 32))
    try:
        return AccountId(decode_address(text).account_id)
    except Ss58Error as error:
        raise SpecError(f"{path}: {text[:60]!r} is no address: {error}") from error


def as_bytes(value: Any, path: str, length: int | None = None) -> bytes:
    """Return bytes from 0x and hex digits."""
    text = as_text(value, path)
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise SpecError(f"{path}: expected 0x and hex digits, found {text[:60]!r}") from error
    if not text.startswith("0x") or (length is not None and len(raw) != length):
        raise SpecError(f"{path}: expected 0x and {'' if length is None else f'{2 * length} '}hex digits")
    return raw


def merge_patch(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with a patch laid over it: objects merge, anything else replaces. RFC 7396."""
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge_patch(merged[key], value)
        else:
            merged[key] = value
    return merged


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
