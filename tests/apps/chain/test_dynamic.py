"""Values of any type are written and read as the runtime's codecs do, and what does not fit is refused."""

from collections.abc import Iterator
from random import Random  # noqa: TID251  # seeded
from typing import Any, TypeAlias

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.chain.dynamic import DEPTH_MAX, NEST_MAX, TypeCodecs
from apps.chain.errors import MetadataError
from apps.chain.values import (
    EMPTY_ITEMS_MAX,
    Cursor,
    Encoded,
    TypeCodec,
    Value,
    Variant,
    array,
    sequence,
)
from runtime.primitives.scale import Codec, DecodeError, EncodeError, codec, compile_codec, encode_compact
from runtime.primitives.shape import Shape, shape_of
from runtime.primitives.ss58 import encode_address
from runtime.primitives.type_info import (
    ArrayDef,
    BitSequenceDef,
    CompactDef,
    Composite,
    Primitive,
    PrimitiveDef,
    SequenceDef,
    TupleDef,
    VariantDef,
)
from runtime.primitives.type_info import Variant as VariantRecord
from tests.apps.chain.described import AnyValue, codecs_of, consortium, described, field, raw_metadata
from tests.support.chain import ALICE

U8, U32, U64 = (PrimitiveDef(one) for one in (Primitive.U8, Primitive.U32, Primitive.U64))
OPTION = ("Option",)
Place: TypeAlias = tuple[str, int, Codec[Any]]
"""A place of our runtime where metadata names a type: what it is, the type, the runtime's codec."""


def option_of(type_id: int) -> VariantDef:
    return VariantDef((VariantRecord("None", (), 0), VariantRecord("Some", (field(type_id),), 1)))


def own(shape: Shape) -> Codec[Any]:
    return compile_codec(shape, consortium().runtime.foreign)


def places_of_pallets() -> Iterator[Place]:
    """Yield storage values, keys and constants with the runtime's own codecs."""
    for pallet in consortium().runtime.pallets:
        of = described().pallets[pallet.name]
        for bound in pallet.items.values():
            if not bound.hidden:
                item = of.storage[bound.item.name]
                yield f"{pallet.name}.{item.name}", item.value, own(bound.value_shape)
                for key, shape in zip(item.keys, bound.key_shapes, strict=True):
                    yield f"{pallet.name}.{item.name} key", key, own(shape)
        for one in pallet.constants():
            yield f"{pallet.name}.{one.name}", of.constants[one.name].type, own(one.shape)


def places_of_apis() -> Iterator[Place]:
    """Yield arguments and answers of runtime APIs."""
    for api in consortium().api.apis.apis:
        for method in api.methods:
            told, name = described().apis[api.name][method.name], f"{api.name}_{method.name}"
            for one, (_, annotation) in zip(told.inputs, method.parameters, strict=True):
                if one.name not in {"tx", "uxt"}:  # whole extrinsics, which are bytes to metadata
                    yield f"{name} {one.name}", one.type, own(shape_of(annotation))
            if method.name != "validate_transaction":  # the runtime only writes its answer
                yield name, told.output, own(shape_of(method.result))


CALL = ("RuntimeCall", described().call, consortium().runtime.foreign["RuntimeCall"])
PLACES: list[Place] = [*places_of_pallets(), *places_of_apis(), CALL]


@pytest.mark.parametrize(("name", "type_id", "own_codec"), PLACES, ids=[name for name, _, _ in PLACES])
def test_values_have_the_bytes_that_the_runtime_gives_them(
    name: str, type_id: int, own_codec: Codec[Any]
) -> None:
    types = described().types
    codecs = TypeCodecs(types)
    draw = AnyValue(types, Random(name))
    refusals: list[str] = []
    for _ in range(20):
        value = draw.draw(type_id)
        data = codecs.encode(type_id, value)
        assert codecs.decode(type_id, data) == value
        try:
            known = own_codec.decode(data)
        except DecodeError as error:
            refusals.append(str(error))
            continue
        assert own_codec.encode(known) == data
    assert all("limit" in one for one in refusals)  # metadata does not tell the bounds of sequences


def test_every_type_of_the_metadata_has_a_codec_that_reads_what_it_writes() -> None:
    types = described().types
    codecs = TypeCodecs(types)
    draw = AnyValue(types, Random(5))
    for type_id in range(len(types)):
        for _ in range(5 if draw.has_values(type_id) else 0):
            value = draw.draw(type_id)
            assert codecs.decode(type_id, codecs.encode(type_id, value)) == value


@given(st.integers(0, len(described().types) - 1), st.binary(max_size=60), st.randoms(use_true_random=False))
def test_any_bytes_are_read_in_their_canonical_form_or_refused(
    type_id: int, data: bytes, rng: Random
) -> None:
    types = described().types
    codecs = TypeCodecs(types)
    draw = AnyValue(types, rng)
    assume(draw.has_values(type_id))
    whole = bytearray(codecs.encode(type_id, draw.draw(type_id)))
    if whole:
        whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
    for each in (data, bytes(whole)):
        try:
            value = codecs.decode(type_id, each)
        except DecodeError:
            continue
        assert codecs.encode(type_id, value) == each


# --- how values look


@pytest.mark.parametrize(
    ("definition", "value", "data"),
    [
        (PrimitiveDef(Primitive.Bool), True, "01"),
        (PrimitiveDef(Primitive.Char), "⚡", "a1260000"),
        (PrimitiveDef(Primitive.Str), "hé", "0c68c3a9"),
        (PrimitiveDef(Primitive.U256), 258, "0201" + "00" * 30),
        (PrimitiveDef(Primitive.I16), -2, "feff"),
        (TupleDef(()), None, ""),
        (Composite(()), None, ""),
    ],
)
def test_values_of_simple_types(definition: Any, value: Value, data: str) -> None:
    codecs = codecs_of(definition)
    assert codecs.encode(0, value).hex() == data
    assert codecs.decode(0, bytes.fromhex(data)) == value


def test_composites_are_dicts_tuples_or_their_one_field() -> None:
    codecs = codecs_of(
        U8,
        Composite((field(0, "a"), field(0, "b"))),
        Composite((field(0), field(0))),
        Composite((field(0),)),
        Composite((field(0, "only"),)),
    )
    for type_id, value, data in (
        (1, {"a": 1, "b": 2}, b"\1\2"),
        (2, (1, 2), b"\1\2"),
        (3, 1, b"\1"),
        (4, {"only": 1}, b"\1"),
    ):
        assert codecs.encode(type_id, value) == data
        assert codecs.decode(type_id, data) == value


def test_an_option_of_what_may_be_none_is_read_as_a_variant() -> None:
    codecs = codecs_of(
        U8, option_of(0), option_of(1), TupleDef(()), option_of(3), paths=dict.fromkeys((1, 2, 4), OPTION)
    )
    assert [codecs.decode(1, data) for data in (b"\0", b"\1\7")] == [None, 7]
    read = [codecs.decode(2, data) for data in (b"\0", b"\1\0", b"\1\1\7")]
    assert read == [Variant("None"), Variant("Some"), Variant("Some", 7)]
    assert [codecs.encode(2, value) for value in read] == [b"\0", b"\1\0", b"\1\1\7"]
    assert [codecs.encode(4, codecs.decode(4, data)) for data in (b"\0", b"\1")] == [b"\0", b"\1"]
    assert codecs.encode(1, Variant("Some", 7)) == b"\1\7"
    assert codecs.encode(1, Variant("None")) == b"\0"


def test_variants_are_written_from_their_name_or_a_dict() -> None:
    cases = VariantDef((VariantRecord("Off", (), 3), VariantRecord("On", (field(0, "level"),), 5)))
    codecs = codecs_of(U8, cases)
    assert codecs.encode(1, "Off") == codecs.encode(1, Variant("Off")) == b"\3"
    assert codecs.encode(1, {"On": {"level": 7}}) == b"\5\7"
    assert codecs.decode(1, b"\5\7") == Variant("On", {"level": 7})


def test_accounts_are_written_from_bytes_hex_and_addresses() -> None:
    found = described()
    codecs = TypeCodecs(found.types)
    number = next(n for n, one in enumerate(found.types) if one.path[-1:] == ("AccountId32",))
    for value in (ALICE, "0x" + ALICE.hex(), encode_address(ALICE, 42)):
        assert codecs.encode(number, value) == ALICE
        assert codecs.encode(found.address, value) == b"\0" + ALICE
    for wrong in (ALICE[1:], "0x00", "5GrwvaEF", "0xzz", 7):
        with pytest.raises(EncodeError):
            codecs.encode(number, wrong)


def test_a_compact_wrapper_of_an_integer_is_an_integer() -> None:
    codecs = codecs_of(U32, Composite((field(0),)), CompactDef(1), TupleDef(()), CompactDef(3))
    assert codecs.encode(2, 64) == b"\x01\x01"
    assert codecs.decode(2, b"\x01\x01") == 64
    assert codecs.encode(4, None) == b""


@pytest.mark.parametrize(
    ("store", "order", "bits", "data"),
    [
        (Primitive.U8, "Lsb0", "1011", "100d"),
        (Primitive.U8, "Msb0", "1011", "10b0"),
        (Primitive.U8, "Lsb0", "000000001", "240001"),
        (Primitive.U16, "Msb0", "1", "040080"),
        (Primitive.U64, "Lsb0", "", "00"),
    ],
)
def test_bit_sequences(store: Primitive, order: str, bits: str, data: str) -> None:
    codecs = codecs_of(
        PrimitiveDef(store), Composite(()), BitSequenceDef(0, 1), paths={1: ("bitvec", "order", order)}
    )
    value = tuple(bit == "1" for bit in bits)
    assert codecs.encode(2, value).hex() == data
    assert codecs.decode(2, bytes.fromhex(data)) == value


def test_bits_beyond_the_end_and_missing_words_are_refused() -> None:
    codecs = codecs_of(U8, Composite(()), BitSequenceDef(0, 1), paths={1: ("Lsb0",)})
    for data in ("1010", "10", "fe" + "ff" * 3):
        with pytest.raises(DecodeError):
            codecs.decode(2, bytes.fromhex(data))


def test_calls_hold_calls_that_are_encoded_already() -> None:
    found = described()
    codecs = TypeCodecs(found.types)
    remark = Variant("System", Variant("remark", {"remark": b"hi"}))
    inner = Encoded(found.call, codecs.encode(found.call, remark))

    def batch(call: Value) -> Value:
        return Variant("Utility", Variant("batch_all", {"calls": [call, call]}))

    assert codecs.encode(found.call, batch(inner)) == codecs.encode(found.call, batch(remark))
    with pytest.raises(EncodeError, match="another type"):
        codecs.encode(found.call, batch(Encoded(0, inner.data)))


# --- what does not fit


@pytest.mark.parametrize(
    ("definition", "value"),
    [
        (U8, 256),
        (U8, -1),
        (U8, True),
        (U8, "1"),
        (U8, 1.0),
        (PrimitiveDef(Primitive.I8), 128),
        (PrimitiveDef(Primitive.I8), -129),
        (PrimitiveDef(Primitive.Bool), 1),
        (PrimitiveDef(Primitive.Char), "ab"),
        (PrimitiveDef(Primitive.Char), "\ud800"),
        (PrimitiveDef(Primitive.Str), b"a"),
        (PrimitiveDef(Primitive.Str), "\ud800"),
        (TupleDef(()), 0),
        (TupleDef(()), (1,)),
    ],
)
def test_values_that_do_not_fit_are_refused(definition: Any, value: Value) -> None:
    with pytest.raises(EncodeError):
        codecs_of(definition).encode(0, value)


def test_composed_values_that_do_not_fit_are_refused() -> None:
    cases = VariantDef((VariantRecord("Off", (), 0), VariantRecord("On", (field(0),), 1)))
    codecs = codecs_of(
        U8,
        SequenceDef(0),
        ArrayDef(2, 0),
        TupleDef((0, 0)),
        Composite((field(0, "a"),)),
        cases,
        CompactDef(0),
        SequenceDef(3),
    )
    wrong: list[tuple[int, Value]] = [
        (1, [1]), (1, "0xz"), (1, "aa"), (2, b"a"), (2, b"abc"), (3, (1,)), (3, b"ab"), (4, {}),
        (4, {"b": 1}), (4, {"a": 1, "b": 1}), (4, 1), (5, "Gone"), (5, "On"), (5, Variant("Off", 1)),
        (5, {"On": 256}), (5, {}), (5, 1), (5, ("On", 1, 2)), (6, 256), (6, -1), (6, False),
        (7, "ab"), (7, None),
    ]  # fmt: skip
    for type_id, value in wrong:
        with pytest.raises(EncodeError):
            codecs.encode(type_id, value)


def test_an_error_says_where_the_value_does_not_fit() -> None:
    found = described()
    call = Variant("Balances", Variant("transfer_keep_alive", {"dest": ALICE, "value": -1}))
    with pytest.raises(EncodeError, match=r"^Balances: transfer_keep_alive: value: .*got -1"):
        TypeCodecs(found.types).encode(found.call, call)


@pytest.mark.parametrize(
    ("definition", "data"),
    [
        (U32, "000000"),
        (PrimitiveDef(Primitive.Bool), "02"),
        (PrimitiveDef(Primitive.Char), "00d80000"),
        (PrimitiveDef(Primitive.Char), "00001100"),
        (PrimitiveDef(Primitive.Str), "04ff"),
        (PrimitiveDef(Primitive.Str), "0861"),
        (U8, "0000"),
        (U8, ""),
    ],
)
def test_bytes_that_are_no_value_are_refused(definition: Any, data: str) -> None:
    with pytest.raises(DecodeError):
        codecs_of(definition).decode(0, bytes.fromhex(data))


def test_composed_bytes_that_are_no_value_are_refused() -> None:
    cases = VariantDef((VariantRecord("Off", (), 1),))
    codecs = codecs_of(U8, CompactDef(0), cases, VariantDef(()), option_of(0), paths={4: OPTION})
    for type_id, data in ((1, "0104"), (1, "0100"), (2, "00"), (3, "00"), (4, "02"), (4, "0200"), (4, "01")):
        with pytest.raises(DecodeError):
            codecs.decode(type_id, bytes.fromhex(data))


def test_lengths_are_checked_before_anything_is_read() -> None:
    codecs = codecs_of(
        U64, SequenceDef(0), ArrayDef(1 << 31, 0), TupleDef(()), SequenceDef(3), ArrayDef(1 << 31, 3)
    )
    billion = encode_compact(1 << 29)
    for type_id, data in ((1, billion + bytes(64)), (2, bytes(64)), (4, billion)):
        with pytest.raises(DecodeError):
            codecs.decode(type_id, data)
    assert codecs.decode(5, b"") is None
    assert codecs.decode(1, b"\x04" + bytes(8)) == (0,)


def test_nothing_is_read_of_a_sequence_or_array_that_cannot_be_whole() -> None:
    read: list[int] = []

    def decode(cursor: Cursor) -> Value:
        read.append(cursor.pos)
        return cursor.take(8)

    item = TypeCodec(bytes, decode, 8)
    for whole, data in ((sequence(item), b"\x0c" + bytes(23)), (array(item, 3), bytes(23))):
        with pytest.raises(DecodeError, match="early"):
            whole.decode(Cursor(data))
        assert read == []


def test_a_sequence_of_nothing_has_a_limit() -> None:
    codecs = codecs_of(TupleDef(()), SequenceDef(0))
    assert len(codecs.decode(1, encode_compact(EMPTY_ITEMS_MAX))) == EMPTY_ITEMS_MAX
    with pytest.raises(DecodeError, match="without bytes"):
        codecs.decode(1, encode_compact(EMPTY_ITEMS_MAX + 1))


def test_a_value_that_holds_itself_has_a_limit() -> None:
    lists = codecs_of(SequenceDef(0))
    assert lists.encode(0, lists.decode(0, b"\4" * DEPTH_MAX + b"\0")) == b"\4" * DEPTH_MAX + b"\0"
    with pytest.raises(DecodeError, match="deeply"):
        lists.decode(0, b"\4" * (DEPTH_MAX + 1) + b"\0")
    side_by_side = 2 * DEPTH_MAX
    assert lists.decode(0, encode_compact(side_by_side) + bytes(side_by_side)) == ((),) * side_by_side
    deep: Value = ()
    for _ in range(10_000):
        deep = (deep,)
    with pytest.raises(EncodeError, match="deeply"):
        lists.encode(0, deep)


def test_a_type_that_never_ends_is_refused_with_its_first_bytes() -> None:
    endless = codecs_of(Composite((field(0),)))
    with pytest.raises(DecodeError, match="deeply"):
        endless.decode(0, b"")


def test_types_nested_too_deeply_are_refused() -> None:
    def nested(count: int) -> TypeCodecs:
        return codecs_of(*(TupleDef((n + 1,)) for n in range(count - 1)), U8)

    assert nested(NEST_MAX).codec(0).least == 1
    with pytest.raises(MetadataError, match="nested"):
        nested(NEST_MAX + 1).codec(0)


def test_types_that_double_without_bytes_cost_nothing() -> None:
    definitions = [TupleDef((n + 1, n + 1)) for n in range(NEST_MAX - 2)]
    assert codecs_of(*definitions, TupleDef(())).decode(0, b"") is None
    with pytest.raises(DecodeError):
        codecs_of(*definitions, ArrayDef(8, NEST_MAX - 1), U8).decode(0, bytes(1_000))


def test_types_that_make_no_sense_are_refused() -> None:
    twice = Composite((field(0, "a"), field(0, "a")))
    order = Composite(())
    codecs = codecs_of(
        PrimitiveDef(Primitive.I8), twice, CompactDef(0), BitSequenceDef(0, 5), CompactDef(4), order,
        U8, BitSequenceDef(6, 5), PrimitiveDef(Primitive.U128), Composite(()), BitSequenceDef(8, 9),
        paths={9: ("Lsb0",)},
    )  # fmt: skip
    for type_id in (1, 2, 3, 4, 7, 10):
        with pytest.raises(MetadataError):
            codecs.codec(type_id)


def test_metadata_reads_itself() -> None:
    """The type of metadata's own bytes is a plain sequence of bytes, in an option."""
    found = described()
    output = found.apis["Metadata"]["metadata_at_version"].output
    data = codec(bytes).encode(raw_metadata(15))
    assert TypeCodecs(found.types).decode(output, b"\1" + data) == raw_metadata(15)
