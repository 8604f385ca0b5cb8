"""An oracle for SCALE: encodes and decodes values of generated types with scalecodec.

Standard input: JSON lines {type, value} or {type, hex}. Standard output: one JSON line each, the hex of the
value, or the hex of what the bytes decode to, or null when they are refused.
"""

import json
import sys
from typing import Any

from scalecodec.base import (  # type: ignore[import-not-found]  # lives in the client's own environment
    RuntimeConfigurationObject,
    ScaleBytes,
)
from scalecodec.type_registry import (  # type: ignore[import-not-found]  # lives in the client's own environment
    load_type_registry_preset,
)

_names: dict[str, str] = {}


def _configuration() -> Any:
    configuration = RuntimeConfigurationObject()
    configuration.update_type_registry(load_type_registry_preset("core"))
    return configuration


CONFIGURATION = _configuration()


def name_of(shape: list[Any]) -> str:
    """The library's name of the type; composed types are registered, since its parser does not nest."""
    key = json.dumps(shape)
    if key not in _names:
        definition = _definition(shape)
        if len(shape) == 1:
            return str(definition)
        name = f"Generated{len(_names)}"
        CONFIGURATION.update_type_registry({"types": {name: definition}})
        _names[key] = name
    return _names[key]


def _definition(shape: list[Any]) -> str | dict[str, Any]:
    match shape:
        case ["text"]:
            return "String"
        case ["bytes"]:
            return "Bytes"
        case ["fixed", length]:
            return f"[u8; {length}]"
        case ["array", item, length]:
            return f"[{name_of(item)}; {length}]"
        case ["compact" | "option" | "vec" as kind, item]:
            inner = item if kind == "compact" else name_of(item)
            return f"{kind.capitalize()}<{inner}>"
        case [plain]:
            return str(plain)
        case [kind, items]:
            return _composed(kind, [name_of(item) if item else "Null" for item in items])
        case _:
            raise ValueError(shape)


def _composed(kind: str, names: list[str]) -> str | dict[str, Any]:
    if kind == "tuple":
        return f"({', '.join(names)})"
    word = "field" if kind == "struct" else "Variant"
    return {"type": kind, "type_mapping": [[f"{word}{number}", name] for number, name in enumerate(names)]}


def value_of(shape: list[Any], value: Any) -> Any:
    match shape:
        case ["option", item]:
            return None if value is None else value_of(item, value)
        case ["vec" | "array", item, *_]:
            return [value_of(item, each) for each in value]
        case ["tuple", items]:
            return tuple(value_of(item, each) for item, each in zip(items, value, strict=True))
        case ["struct", items]:
            return {f"field{n}": value_of(item, value[n]) for n, item in enumerate(items)}
        case ["enum", items]:
            index, inner = value
            name = f"Variant{index}"
            return {name: value_of(items[index], inner)} if items[index] else name
        case ["text" | "bytes" | "fixed" | "bool", *_]:
            return value
        case _:
            return int(value)


def answer(request: dict[str, Any]) -> str | None:
    shape = request["type"]
    subject = CONFIGURATION.create_scale_object(name_of(shape))
    if "hex" not in request:
        return str(subject.encode(value_of(shape, request["value"])).to_hex())
    try:
        subject.decode(ScaleBytes(request["hex"]), check_remaining=True)
        again = CONFIGURATION.create_scale_object(name_of(shape))
        return str(again.encode(subject.value).to_hex())
    except Exception:  # noqa: BLE001 - whatever the library raises is a refusal
        return None


def main() -> None:
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
