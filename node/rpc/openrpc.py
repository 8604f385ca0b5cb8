"""What a server says of itself: `rpc_methods` and the OpenRPC document, both from the declarations.

Knows the OpenRPC 1.3 document format; knows no method by name except the two it adds.
"""

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Final

from node.rpc.jsonrpc import RawJson, encode
from node.rpc.methods import Entry, Method, Methods, Subscription, Unsubscription, method
from node.rpc.params import Field

OPENRPC_VERSION: Final = "1.3.2"


class Introspection:
    """The methods that list the methods; add it to the table last, the lists are made at the first call."""

    def __init__(self, methods: Methods, *, title: str, version: str) -> None:
        self._methods = methods
        self._title = title
        self._version = version
        self._texts: dict[str, RawJson] = {}

    @method("rpc_methods")
    def rpc_methods(self) -> RawJson:
        """Names of all methods, aliases and subscriptions included."""
        if "methods" not in self._texts:
            self._texts["methods"] = RawJson(encode({"methods": self._methods.names()}))
        return self._texts["methods"]

    @method("rpc.discover", listed=False)
    def discover(self) -> RawJson:
        """The OpenRPC document of this server."""
        if "document" not in self._texts:
            self._texts["document"] = RawJson(encode(document(self._methods, self._title, self._version)))
        return self._texts["document"]


def document(methods: Methods, title: str, version: str) -> Mapping[str, object]:
    """Return the OpenRPC document of a table; aliases stand as methods of their own."""
    described: list[Mapping[str, object]] = []
    for entry in methods:
        names = (entry.name,) if isinstance(entry, Unsubscription) else (entry.name, *entry.aliases)
        described.extend(_described(name, entry) for name in names)
    described.sort(key=lambda item: str(item["name"]))
    return {"openrpc": OPENRPC_VERSION, "info": {"title": title, "version": version}, "methods": described}


def _described(name: str, entry: Entry) -> Mapping[str, object]:
    tags = ["unsafe"] if entry.unsafe else []
    if isinstance(entry, Subscription):
        tags.append("subscription")
    if isinstance(entry, Method) and entry.dev:
        tags.append("dev")
    described = _describe(name, entry, tags)
    if isinstance(entry, Subscription) and entry.schema is not None:
        described["x-notification"] = {"name": entry.notification, "schema": entry.schema}
    return described


def _describe(name: str, entry: Entry, tags: list[str]) -> dict[str, object]:
    description = _description(entry).strip()
    return {
        "name": name,
        "summary": description.partition("\n")[0],
        "description": description if name == entry.name else f"Alias of {entry.name}. {description}",
        "tags": [{"name": tag} for tag in tags],
        "paramStructure": "either",
        "params": _params(entry.params.fields),
        "result": _result(entry),
    }


def _description(entry: Entry) -> str:
    match entry:
        case Method():
            return entry.description
        case Subscription():
            ends = ", ".join(entry.unsubscribe)
            return f"{entry.description}\n\nNotices are named {entry.notification}; ended by {ends}."
        case Unsubscription():
            return f"End a subscription of {entry.subscription}; false when there is none of that id."


def _result(entry: Entry) -> Mapping[str, object]:
    match entry:
        case Method():
            schema = _schema_of(entry.result) if entry.schema is None else entry.schema
            return {"name": "result", "schema": schema}
        case Subscription():
            return {"name": "subscription", "schema": {"type": "string"}}
        case Unsubscription():
            return {"name": "ended", "schema": {"type": "boolean"}}


def _params(fields: Sequence[Field]) -> list[Mapping[str, object]]:
    return [
        {"name": field.wire_name, "required": field.required, "schema": dict(field.converter.schema)}
        for field in fields
    ]


def _schema_of(annotation: object) -> Mapping[str, object]:
    """Return what a return annotation says; an unknown type says nothing."""
    plain: Mapping[object, str] = {str: "string", bool: "boolean", int: "integer", types.NoneType: "null"}
    if annotation in plain:
        return {"type": plain[annotation]}
    origin = typing.get_origin(annotation)
    if origin is typing.Union or isinstance(annotation, types.UnionType):
        return {"oneOf": [_schema_of(member) for member in typing.get_args(annotation)]}
    if origin in (list, tuple, Sequence):
        return {"type": "array"}
    if origin in (dict, Mapping):
        return {"type": "object"}
    return {}
