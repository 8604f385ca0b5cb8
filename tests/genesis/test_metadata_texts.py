"""What a wallet shows of a chain is readable: all has a text, every argument a name, every type a word."""

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest

from genesis.chain_spec import load_spec
from runtime.frame.state import MemoryBackend, State
from runtime.primitives.metadata import MetadataV15, PalletV14
from runtime.primitives.scale import codec
from runtime.primitives.type_info import Composite, Type, Variant, VariantDef

READING = 15
WORD = re.compile(r"[a-z][a-z0-9_]*")
ENERGY = ("Oracle", "Grid", "Market", "Meters", "Settlement", "Collateral", "Certificates")
KINDS = ("call", "event", "error", "constant", "storage")


class Shown(NamedTuple):
    """Something that wallets show, with its text and the names of its arguments."""

    kind: str
    name: str
    docs: tuple[str, ...]
    arguments: tuple[str | None, ...]


@cache
def read_metadata() -> MetadataV15:
    backend = MemoryBackend(dict(load_spec("dev").genesis_state()))
    api = load_spec("dev").runtimes()[1](State(backend))
    raw = api.call("Metadata_metadata_at_version", READING.to_bytes(4, "little"))
    found: MetadataV15 = codec(MetadataV15).decode(raw[raw.index(b"meta") + 5 :])
    return found


@cache
def read_types() -> dict[int, Type]:
    return {made.id: made.type for made in read_metadata().types}


def pallet_names() -> list[str]:
    return [one.v14.name for one in read_metadata().pallets]


def list_shown(pallet: PalletV14) -> Iterator[Shown]:
    for kind, number in (("call", pallet.calls), ("event", pallet.events), ("error", pallet.errors)):
        for one in () if number is None else list_variants(number):
            names = tuple(field.name for field in one.fields)
            yield Shown(kind, f"{pallet.name}.{one.name}", one.docs, names)
    for constant in pallet.constants:
        yield Shown("constant", f"{pallet.name}.{constant.name}", constant.docs, ())
    for entry in () if pallet.storage is None else pallet.storage.entries:
        yield Shown("storage", f"{pallet.name}.{entry.name}", entry.docs, ())


def list_variants(number: int) -> tuple[Variant, ...]:
    definition = read_types()[number].definition
    assert isinstance(definition, VariantDef)
    return definition.variants


@pytest.mark.parametrize("name", pallet_names())
def test_every_call_event_error_constant_and_storage_item_has_a_text_that_is_a_sentence(name: str) -> None:
    (pallet,) = (one for one in read_metadata().pallets if one.v14.name == name)
    for one in list_shown(pallet.v14):
        text = " ".join(one.docs).strip()
        assert text, f"{one.kind} {one.name} has no text"
        assert text[0] == text[0].upper(), f"{one.kind} {one.name}: {text}"
        assert text.rstrip("`)").endswith((".", ":")), f"{one.kind} {one.name}: {text}"
    assert " ".join(pallet.docs).strip(), f"{name} has no text"


@pytest.mark.parametrize("name", pallet_names())
def test_every_argument_of_a_call_and_event_has_a_name(name: str) -> None:
    (pallet,) = (one.v14 for one in read_metadata().pallets if one.v14.name == name)
    for one in list_shown(pallet):
        for argument in one.arguments:
            assert argument, f"{one.kind} {one.name} has an argument without a name"
            assert WORD.fullmatch(argument), f"{one.kind} {one.name}: {argument}"


@pytest.mark.parametrize("name", ENERGY)
def test_pallets_of_the_energy_market_show_something_of_every_kind_that_they_have(name: str) -> None:
    (pallet,) = (one.v14 for one in read_metadata().pallets if one.v14.name == name)
    kinds = {one.kind for one in list_shown(pallet)}
    assert kinds >= {"call", "event", "error", "storage"}


def test_every_record_and_enum_has_a_path_by_which_wallets_name_it() -> None:
    for number, made in read_types().items():
        match made.definition:
            case Composite(fields=fields) if len(fields) > 1:
                assert made.path, f"type {number} has no name: {[one.name for one in fields]}"
            case VariantDef(variants=variants):
                assert made.path, f"type {number} has no name: {[one.name for one in variants]}"
            case _:
                pass


def test_no_two_types_of_pallets_have_the_same_path() -> None:
    """Libraries would then name both by their numbers, which change with every release."""
    seen: dict[tuple[str, ...], int] = {}
    for number, made in read_types().items():
        if made.path and made.path[0].startswith("pallet_"):
            assert made.path not in seen, f"types {seen[made.path]} and {number} are both {made.path}"
            seen[made.path] = number


def test_kinds_are_all_there() -> None:
    shown = [one.kind for pallet in read_metadata().pallets for one in list_shown(pallet.v14)]
    assert set(shown) == set(KINDS)
