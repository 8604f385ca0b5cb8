"""Pallets as Substrate's own node describes them: indices, names and types of calls, events, errors, storage
and constants are ours too, where we have them.

The file's types are texts, made of a metadata's type registry; `describe` makes the same texts of ours. What
differs on purpose is listed here with its reason, and must go on differing.
"""

from collections.abc import Mapping
from functools import cache, partial

from runtime.primitives import type_info
from runtime.primitives.metadata import MapEntry, MetadataV15, PalletV14, StorageEntry
from runtime.primitives.scale import codec
from runtime.primitives.type_info import Field, Type
from tests.support.chain import consortium_chain
from tests.vectors.case import Case, Document, Entry, Mismatch, Plan, ensure_equal, get_cases

HASHERS = (
    *("Blake2_128", "Blake2_256", "Blake2_128Concat", "Twox128"),
    *("Twox256", "Twox64Concat", "Identity"),
)
LEAVES = ("MultiAddress", "DispatchError", "RuntimeCall", "RuntimeEvent", "OriginCaller", "ProxyType")
LEAVES_OF_REASONS = ("RuntimeHoldReason", "RuntimeFreezeReason")
"""Types that a composition settles, or that other vectors hold; the file names them only."""

WRAPPERS = ("BoundedVec", "WeakBoundedVec", "Cow", "ExtraFlags")
"""Types without bytes of their own, which the file leaves out."""

DIFFERENCES: Mapping[str, str] = {
    "Proxy event PureKilled": "Substrate put it before Announced later; our indices stay as they are",
    "Proxy event Announced": "as PureKilled",
    "Proxy event ProxyAdded": "as PureKilled",
    "Proxy event ProxyRemoved": "as PureKilled",
    "Session storage NextKeys": "a validator of ours has the one key that it votes with",
}
OURS: Mapping[str, str] = {
    "Timestamp error TimestampAlreadySet": "Substrate's node panics instead",
    "Timestamp error TimestampTooEarly": "Substrate's node panics instead",
    "Timestamp error TimestampMismatch": "our digest holds the time, Substrate's does not",
    "Assets error IncompleteDepositTransfer": "Substrate has it since, after errors of pallets that we lack",
    "Assets error ContainsHolds": "Substrate's; the runtime of the file has no holds on assets",
    "Session event NewSession": "Substrate's, which the file leaves out: its chains have a fixed set",
    "Session storage SetId": "the number that certificates name a set by",
    "Session storage PastSets": "earlier sets, whose offences are judged; Substrate has roots elsewhere",
    "Session constant SetsKept": "as PastSets",
    "Session storage QueuedKeys": "Substrate's; the runtime of the file has no keys to set",
    "Session storage KeyOwner": "Substrate's; the runtime of the file has no keys to set",
    "Session call set_keys": "Substrate's; the runtime of the file has no keys to set",
    "Session call purge_keys": "Substrate's; the runtime of the file has no keys to set",
    "Session error InvalidProof": "Substrate's; the runtime of the file has no keys to set",
    "Session error NoAssociatedValidatorId": "Substrate's; the runtime of the file has no keys to set",
    "Session error DuplicatedKey": "Substrate's; the runtime of the file has no keys to set",
    "Session error NoKeys": "Substrate's; the runtime of the file has no keys to set",
}
"""What the pallets of the file have here and not there."""

_READING = 15


def plan_pallets(document: Document) -> Plan:
    """Return one case for each item of a pallet."""
    entries = get_cases(document)
    return Plan(tuple(Case(get_name(entry), partial(check_item, entry)) for entry in entries))


def get_name(entry: Entry) -> str:
    """Return how an item is called in this module: pallet, kind and name."""
    return f"{entry['pallet']} {entry['kind']} {entry['name']}"


def check_item(entry: Entry) -> None:
    """Compare an item with ours of the same name."""
    name = get_name(entry)
    ours = describe_all()[name]
    if name not in DIFFERENCES:
        ensure_equal(ours, entry, name)
    elif ours == entry:
        raise Mismatch(f"{name} does not differ any more")


@cache
def describe_all() -> Mapping[str, Entry]:
    """Return every item of every pallet of the consortium's metadata, by name."""
    raw = consortium_chain().api.call("Metadata_metadata_at_version", _READING.to_bytes(4, "little"))
    metadata: MetadataV15 = codec(MetadataV15).decode(raw[raw.index(b"meta") + 5 :])
    describer = Describer({made.id: made.type for made in metadata.types})
    items = [item for pallet in metadata.pallets for item in describer.pallet(pallet.v14)]
    return {get_name(item): item for item in items}


class Describer:
    """Makes texts of the types of one registry."""

    def __init__(self, types: Mapping[int, Type]) -> None:
        self.types = types

    def pallet(self, pallet: PalletV14) -> list[Entry]:
        """Return the items of a pallet in the form of the file."""
        entries = () if pallet.storage is None else pallet.storage.entries
        found = [
            *self.variants("call", pallet.calls),
            *self.variants("event", pallet.events),
            *self.variants("error", pallet.errors),
            *(self.storage(entry) for entry in entries),
            *({"kind": "constant", "name": c.name, "type": self.text(c.type)} for c in pallet.constants),
        ]
        return [{"pallet": pallet.name, **item} for item in found]

    def variants(self, kind: str, number: int | None) -> list[Entry]:
        """Return the variants of a pallet's enum of calls, events or errors."""
        if number is None:
            return []
        definition = self.types[number].definition
        assert isinstance(definition, type_info.VariantDef)
        return [
            {
                "kind": kind,
                "name": variant.name,
                "index": variant.index,
                "fields": [[field.name, self.text(field.type)] for field in variant.fields],
            }
            for variant in definition.variants
        ]

    def storage(self, entry: StorageEntry) -> Entry:
        """Return one item of storage."""
        kind = entry.type
        return {
            "kind": "storage",
            "name": entry.name,
            "modifier": entry.modifier.name,
            "hashers": [HASHERS[h] for h in kind.hashers] if isinstance(kind, MapEntry) else [],
            "key": self.text(kind.key) if isinstance(kind, MapEntry) else None,
            "value": self.text(kind.value),
            "default": "0x" + entry.default.hex(),
        }

    def text(self, number: int) -> str:
        """Return a type as text: paths and variant indices included, down to the primitives."""
        made = self.types[number]
        last = made.path[-1] if made.path else ""
        if last in LEAVES or last in LEAVES_OF_REASONS:
            return last
        if last in WRAPPERS and isinstance(made.definition, type_info.Composite):
            return self.text(made.definition.fields[0].type)
        if last in {"Option", "Result"}:
            return f"{last}<{', '.join(self.text(p.type) for p in made.params if p.type is not None)}>"
        return "::".join(made.path) + self.body(made.definition)

    def body(self, definition: type_info.TypeDef) -> str:
        """Return what stands behind a type's path."""
        match definition:
            case type_info.PrimitiveDef(primitive=primitive):
                return primitive.name.lower()
            case type_info.CompactDef(type=inner):
                return f"Compact<{self.text(inner)}>"
            case type_info.SequenceDef(type=inner):
                return f"Vec<{self.text(inner)}>"
            case type_info.ArrayDef(length=length, type=inner):
                return f"[{self.text(inner)}; {length}]"
            case type_info.TupleDef(types=types):
                return f"({', '.join(self.text(inner) for inner in types)})"
            case type_info.BitSequenceDef(store=store, order=order):
                return f"BitVec<{self.text(store)}, {self.text(order)}>"
            case type_info.Composite(fields=fields):
                return f"{{{self.fields(fields)}}}"
            case type_info.VariantDef(variants=variants):
                return f"[{', '.join(self.variant(v) for v in variants)}]"

    def variant(self, variant: type_info.Variant) -> str:
        """Return a variant with its index and fields."""
        fields = f"({self.fields(variant.fields)})" if variant.fields else ""
        return f"{variant.name}={variant.index}{fields}"

    def fields(self, fields: tuple[Field, ...]) -> str:
        """Return fields with their names, where they have some."""
        return ", ".join(f"{f.name}: {self.text(f.type)}" if f.name else self.text(f.type) for f in fields)
