"""Metadata is read as the runtime means it, and damaged or contradictory metadata is refused."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.chain.errors import MetadataError
from apps.chain.metadata import METADATA_BYTES_MAX, decode_metadata
from runtime.primitives import metadata as records
from runtime.primitives.metadata import MAGIC, StorageHasher
from runtime.primitives.scale import Codec, Struct, codec
from runtime.primitives.type_info import Field, Type, TypeParameter, Variant, VariantDef
from tests.apps.chain.described import consortium, described, raw_metadata

V14 = codec(records.MetadataV14)
V15 = codec(records.MetadataV15)


def remade(change: Callable[[Any], Any], of: Codec[Any] = V15, version: int = 15) -> bytes:
    """Return our metadata with a change."""
    return MAGIC + bytes([version]) + of.encode(change(of.decode(raw_metadata(version)[5:])))


def with_fields(record: Struct, **changes: Any) -> Any:
    return msgspec.structs.replace(record, **changes)


def change_pallet(position: int, **changes: Any) -> bytes:
    """Return our V14 metadata with another pallet at a position."""

    def change(whole: records.MetadataV14) -> records.MetadataV14:
        pallets = list(whole.pallets)
        pallets[position] = with_fields(pallets[position], **changes)
        return with_fields(whole, pallets=tuple(pallets))  # type: ignore[no-any-return]  # msgspec.replace

    return remade(change, V14, 14)


@pytest.mark.parametrize("version", [14, 15])
def test_every_pallet_is_told_with_its_parts(version: int) -> None:
    found = described(version)
    assert list(found.pallets) == [pallet.name for pallet in consortium().runtime.pallets]
    for pallet in consortium().runtime.pallets:
        told = found.pallets[pallet.name]
        assert told.index == pallet.index
        assert found.pallet_at(pallet.index) is told
        assert set(told.calls) == {spec.name for spec in consortium().runtime.specs[pallet.index]}
        assert [one.name for one in told.errors.values()] == [cls.__name__ for cls in pallet.error_classes]
        assert list(told.constants) == [one.name for one in pallet.constants()]
        items = {bound.item.name for bound in pallet.items.values() if not bound.hidden}
        assert items <= set(told.storage)
    assert found.pallet_at(255) is None


@pytest.mark.parametrize("version", [14, 15])
def test_extensions_come_in_order(version: int) -> None:
    names = [one.identifier for one in consortium().runtime.extensions if one.is_listed]
    assert [one.identifier for one in described(version).extensions] == names
    assert described(version).extrinsic_version == 4


def test_both_versions_name_the_same_call_type() -> None:
    for version in (14, 15):
        found = described(version)
        assert found.types[found.call].path[-1] == "RuntimeCall"
        assert found.types[found.address].path[-1] == "MultiAddress"
        assert found.types[found.signature].path[-1] == "MultiSignature"


def test_only_version_15_tells_runtime_apis() -> None:
    assert described(14).apis == {}
    assert described().apis["AccountNonceApi"]["account_nonce"].inputs[0].name == "account"


def test_storage_maps_have_a_type_for_each_hasher() -> None:
    assets = described().pallets["Assets"].storage["Account"]
    assert assets.hashers == (StorageHasher.Blake2_128Concat,) * 2
    assert len(assets.keys) == 2
    assert assets.is_optional
    number = described().pallets["System"].storage["Number"]
    assert (number.hashers, number.keys, number.is_optional) == ((), (), False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"meta",
        b"atem" + raw_metadata(15)[4:],
        MAGIC + b"\x0d" + raw_metadata(14)[5:],
        MAGIC + b"\x10" + raw_metadata(15)[5:],
        raw_metadata(15) + b"\0",
        raw_metadata(15)[:-1],
        raw_metadata(14)[:4] + b"\x0f" + raw_metadata(14)[5:],
        MAGIC + b"\x0f\xfe\xff\xff\xff",
    ],
    ids=["empty", "no version", "magic", "13", "16", "longer", "shorter", "14 as 15", "a billion types"],
)
def test_what_is_no_metadata_is_refused(data: bytes) -> None:
    with pytest.raises(MetadataError):
        decode_metadata(data)


def test_metadata_of_more_bytes_than_the_limit_is_refused() -> None:
    with pytest.raises(MetadataError, match="at most"):
        decode_metadata(raw_metadata(15).ljust(METADATA_BYTES_MAX + 1, b"\0"))
    with pytest.raises(MetadataError, match="trailing"):
        decode_metadata(raw_metadata(15).ljust(METADATA_BYTES_MAX, b"\0"))


def test_type_ids_must_be_in_order() -> None:
    with pytest.raises(MetadataError, match="stands where"):
        decode_metadata(remade(lambda whole: with_fields(whole, types=whole.types[::-1])))


def test_unknown_type_ids_are_refused_wherever_they_stand() -> None:
    count = len(described().types)
    twice = Variant("a", (Field(None, count, None),), 0)

    def replaced_type(whole: Any) -> Any:
        last = with_fields(whole.types[-1], type=Type((), (), VariantDef((twice,))))
        return with_fields(whole, types=(*whole.types[:-1], last))

    changes: list[Callable[[Any], Any]] = [
        replaced_type,
        lambda w: with_fields(w, runtime=count),
        lambda w: with_fields(w, extrinsic=with_fields(w.extrinsic, call=count)),
        lambda w: with_fields(w, outer_enums=with_fields(w.outer_enums, error=count)),
        lambda w: with_fields(w, custom=(records.CustomMetadata("x", count, b""),)),
        lambda w: with_fields(
            w, apis=(records.ApiMetadata("A", (records.ApiMethodMetadata("m", (), count, ()),), ()),)
        ),
        lambda w: with_fields(
            w,
            extrinsic=with_fields(w.extrinsic, extensions=(records.ExtensionMetadata("X", 0, count),)),
        ),
    ]
    for change in changes:
        with pytest.raises(MetadataError, match="is used, and there are"):
            decode_metadata(remade(change))
    plain, keyed = records.PlainEntry(count), records.MapEntry((StorageHasher(2),), count, 0)
    entries = [records.StorageEntry("E", records.Modifier.Default, one, b"", ()) for one in (plain, keyed)]
    pallets: list[dict[str, Any]] = [
        {"calls": count},
        {"constants": (records.ConstantMetadata("C", count, b"", ()),)},
        *({"storage": records.StorageMetadata("System", (entry,))} for entry in entries),
    ]
    for changes_ in pallets:
        with pytest.raises(MetadataError, match="is used, and there are"):
            decode_metadata(change_pallet(0, **changes_))


def test_unknown_types_of_the_extrinsic_and_of_parameters_are_refused_in_version_14() -> None:
    count = len(described(14).types)

    def change_parameter(whole: Any) -> Any:
        strange = Type((), (TypeParameter("T", count),), VariantDef(()))
        last = with_fields(whole.types[-1], type=strange)
        return with_fields(whole, types=(*whole.types[:-1], last))

    changes: list[Callable[[Any], Any]] = [
        change_parameter,
        lambda w: with_fields(w, extrinsic=with_fields(w.extrinsic, type=count)),
    ]
    for change in changes:
        with pytest.raises(MetadataError, match="is used, and there are"):
            decode_metadata(remade(change, V14, 14))


def test_two_extensions_of_one_name_are_refused() -> None:
    def change(whole: Any) -> Any:
        doubled = whole.extrinsic.extensions * 2
        return with_fields(whole, extrinsic=with_fields(whole.extrinsic, extensions=doubled))

    with pytest.raises(MetadataError, match="twice"):
        decode_metadata(remade(change))


@pytest.mark.parametrize("changes", [{"name": "Balances"}, {"index": 10}])
def test_two_pallets_of_one_name_or_index_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MetadataError, match="twice"):
        decode_metadata(change_pallet(0, **changes))


def test_two_variants_of_one_name_or_index_are_refused() -> None:
    for pair in (Variant("a", (), 0), Variant("a", (), 1)), (Variant("a", (), 0), Variant("b", (), 0)):

        def change(whole: Any, pair: Any = pair) -> Any:
            last = with_fields(whole.types[-1], type=Type((), (), VariantDef(pair)))
            return with_fields(whole, types=(*whole.types[:-1], last))

        with pytest.raises(MetadataError, match="twice"):
            decode_metadata(remade(change))


def test_calls_that_are_no_enum_are_refused() -> None:
    number = next(
        n for n, one in enumerate(described(14).types) if not isinstance(one.definition, VariantDef)
    )
    with pytest.raises(MetadataError, match="must be enums"):
        decode_metadata(change_pallet(0, calls=number))


def test_a_map_needs_a_key_for_each_hasher() -> None:
    three = (StorageHasher.Blake2_128Concat,) * 3
    entry = records.StorageEntry("Odd", records.Modifier.Optional, records.MapEntry(three, 0, 0), b"\0", ())
    for hashers in ((), three):
        odd = with_fields(entry, type=records.MapEntry(hashers, 0, 0))
        with pytest.raises(MetadataError, match="hashers"):
            decode_metadata(change_pallet(0, storage=records.StorageMetadata("System", (odd,))))


def test_metadata_14_without_the_parameters_of_the_extrinsic_is_refused() -> None:
    def change(whole: Any) -> Any:
        return with_fields(whole, extrinsic=with_fields(whole.extrinsic, type=0))

    with pytest.raises(MetadataError, match="names no such parameter"):
        decode_metadata(remade(change, V14, 14))


@given(st.data())
def test_damaged_metadata_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(raw_metadata(data.draw(st.sampled_from((14, 15)))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    try:
        found = decode_metadata(bytes(whole))
    except MetadataError:
        return
    assert found.pallets
