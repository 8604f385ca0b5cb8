"""Parameters of RPC methods: from JSON to the Python values a handler declares, or a sentence why not.

A handler's annotations are turned once into converters (`signatures`); a converter knows the JSON types it
takes, its JSON schema and how to convert. Knows nothing of methods, requests or state. Every list and text
has a bound.
"""

import dataclasses
import typing
from binascii import a2b_hex
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Final, Protocol, TypeAlias, TypeVar

from node.rpc.jsonrpc import Json
from runtime.primitives.ss58 import decode_address
from runtime.primitives.types import AccountId, Hash

Schema: TypeAlias = Mapping[str, object]
T = TypeVar("T")

MAX_U32: Final = 2**32 - 1
MAX_U64: Final = 2**64 - 1
# Plain annotations get these bounds; Annotated[...] with a converter sets others.
MAX_TEXT: Final = 4096
MAX_HEX_BYTES: Final = 4 * 1024 * 1024
MAX_ITEMS: Final = 1000
SHOWN_CHARACTERS: Final = 40


class ParamError(Exception):
    """A value that does not fit: the sentence continues the name, `path` leads into lists and objects."""

    def __init__(self, sentence: str, path: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.path = path

    def inside(self, step: str) -> "ParamError":
        """Return the same error seen from the enclosing list or object."""
        return ParamError(self.sentence, step + self.path)


class Converter(Protocol):
    """From one JSON value to one Python value."""

    @property
    def kinds(self) -> frozenset[str]:
        """Names of the JSON types that are taken: null boolean number string array object."""
        ...

    @property
    def schema(self) -> Schema:
        """JSON schema of the values taken."""
        ...

    def convert(self, value: Json) -> object:
        """Return the Python value; raises ParamError."""
        ...


def kind_of(value: Json) -> str:
    """Return the name of the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"


def shown(value: Json) -> str:
    """Return a value as it may stand in an error sentence: short, quoted, of bounded cost."""
    match value:
        case str():
            cut = value if len(value) <= SHOWN_CHARACTERS else value[:SHOWN_CHARACTERS] + "…"
            return repr(cut)
        case bool() | None:
            return {None: "null", True: "true", False: "false"}[value]
        case int() | float():
            return str(value)
        case list():
            return f"an array of {len(value)}"
        case dict():
            return f"an object of {len(value)}"


def parse_hex(value: Json) -> bytes:
    """Return the bytes of a hex string with or without 0x; raises ParamError."""
    if not isinstance(value, str):
        raise ParamError(f"must be a hex string, got {shown(value)}")
    digits = value[2:] if value.startswith("0x") else value
    if len(digits) & 1:
        raise ParamError(f"has an odd number of hex digits ({len(digits)}): {shown(value)}")
    try:
        return a2b_hex(digits)
    except ValueError:
        raise ParamError(f"must be hex digits only, got {shown(value)}") from None


@dataclasses.dataclass(frozen=True, slots=True)
class Hex:
    """Bytes from a hex string; `exactly` fixes their number, `limit` bounds it."""

    exactly: int | None = None
    limit: int = MAX_HEX_BYTES
    kinds: frozenset[str] = frozenset({"string"})

    @property
    def schema(self) -> Schema:
        digits = f"{{{2 * self.exactly}}}" if self.exactly is not None else "*"
        return {"type": "string", "pattern": f"^(0x)?[0-9a-fA-F]{digits}$"}

    def convert(self, value: Json) -> bytes:
        # Every submitted extrinsic comes through here: decode first, look for the reason only if it failed.
        if isinstance(value, str):
            try:
                data = a2b_hex(value[2:] if value[:2] == "0x" else value)
            except ValueError:
                raise self._explain(value) from None
            if len(data) <= self.limit and (self.exactly is None or len(data) == self.exactly):
                return data
        raise self._explain(value)

    def _explain(self, value: Json) -> ParamError:
        try:
            data = parse_hex(value)
        except ParamError as error:
            return error
        if self.exactly is not None and len(data) != self.exactly:
            return ParamError(f"must be {self.exactly} bytes of hex, got {len(data)} bytes")
        return ParamError(f"must be at most {self.limit} bytes of hex, got {len(data)} bytes")


class Echo(typing.NamedTuple):
    """Bytes and the hex string they came as, which the answer repeats."""

    text: str
    data: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class EchoedHex:
    """Bytes from a hex string that the answer repeats as it was sent."""

    hex: Hex = Hex()
    kinds: frozenset[str] = frozenset({"string"})

    @property
    def schema(self) -> Schema:
        return self.hex.schema

    def convert(self, value: Json) -> Echo:
        data = self.hex.convert(value)
        assert isinstance(value, str)
        return Echo(value, data)


@dataclasses.dataclass(frozen=True, slots=True)
class Integer:
    """A JSON integer between `low` and `high`, both included."""

    low: int = 0
    high: int = MAX_U64
    kinds: frozenset[str] = frozenset({"number"})

    @property
    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def convert(self, value: Json) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            # The JSON parser hands over integers beyond 64 bits as floats.
            raise ParamError(f"must be an integer of at most 64 bits, got {shown(value)}")
        if not self.low <= value <= self.high:
            raise ParamError(f"must be between {self.low} and {self.high}, got {value}")
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Number:
    """A block number: a JSON integer or a hex string of one, big-endian as wallets print it."""

    high: int = MAX_U32
    kinds: frozenset[str] = frozenset({"number", "string"})

    @property
    def schema(self) -> Schema:
        integer = {"type": "integer", "minimum": 0, "maximum": self.high}
        return {"oneOf": [integer, {"type": "string", "pattern": "^0x[0-9a-fA-F]{1,16}$"}]}

    def convert(self, value: Json) -> int:
        if isinstance(value, str):
            digits = value[2:] if value.startswith("0x") else ""
            if not 1 <= len(digits) <= 16 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
                raise ParamError(f"must be an integer or a hex string such as 0x1f, got {shown(value)}")
            value = int(digits, 16)
        return Integer(0, self.high).convert(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Text:
    """A string of at most `limit` characters."""

    limit: int = MAX_TEXT
    kinds: frozenset[str] = frozenset({"string"})

    @property
    def schema(self) -> Schema:
        return {"type": "string", "maxLength": self.limit}

    def convert(self, value: Json) -> str:
        if not isinstance(value, str):
            raise ParamError(f"must be a string, got {shown(value)}")
        if len(value) > self.limit:
            raise ParamError(f"must be at most {self.limit} characters, got {len(value)}")
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]
    kinds: frozenset[str] = frozenset({"string"})

    @property
    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.words)}

    def convert(self, value: Json) -> str:
        if not isinstance(value, str) or value not in self.words:
            raise ParamError(f"must be one of {', '.join(self.words)}, got {shown(value)}")
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """A JSON boolean."""

    kinds: frozenset[str] = frozenset({"boolean"})

    @property
    def schema(self) -> Schema:
        return {"type": "boolean"}

    def convert(self, value: Json) -> bool:
        if not isinstance(value, bool):
            raise ParamError(f"must be true or false, got {shown(value)}")
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value, handed over as parsed."""

    kinds: frozenset[str] = frozenset({"null", "boolean", "number", "string", "array", "object"})

    @property
    def schema(self) -> Schema:
        return {}

    def convert(self, value: Json) -> Json:
        return value


@dataclasses.dataclass(frozen=True, slots=True)
class Decoded:
    """A string decoded by a function that raises ValueError with the reason, an address for instance."""

    decode: Callable[[str], object]
    what: str
    limit: int = 128
    kinds: frozenset[str] = frozenset({"string"})

    @property
    def schema(self) -> Schema:
        return {"type": "string", "maxLength": self.limit, "title": self.what}

    def convert(self, value: Json) -> object:
        if not isinstance(value, str) or len(value) > self.limit:
            raise ParamError(f"must be {self.what}, got {shown(value)}")
        try:
            return self.decode(value)
        except ValueError as error:
            raise ParamError(f"must be {self.what}, got {shown(value)}: {error}") from error


@dataclasses.dataclass(frozen=True, slots=True)
class Items:
    """An array of at most `limit` values of one type, as a tuple or a list."""

    item: Converter
    limit: int = MAX_ITEMS
    build: type[tuple[object, ...]] | type[list[object]] = tuple
    kinds: frozenset[str] = frozenset({"array"})

    @property
    def schema(self) -> Schema:
        return {"type": "array", "maxItems": self.limit, "items": dict(self.item.schema)}

    def convert(self, value: Json) -> Sequence[object]:
        if not isinstance(value, list):
            raise ParamError(f"must be an array, got {shown(value)}")
        if len(value) > self.limit:
            raise ParamError(f"must have at most {self.limit} entries, got {len(value)}")
        result: list[object] = []
        convert = self.item.convert
        try:
            for entry in value:
                result.append(convert(entry))  # noqa: PERF401 - the length tells which entry failed
        except ParamError as error:
            raise error.inside(f"[{len(result)}]") from error
        return self.build(result)


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    """An array with one value for each given type, as a tuple."""

    items: tuple[Converter, ...]
    kinds: frozenset[str] = frozenset({"array"})

    @property
    def schema(self) -> Schema:
        size = len(self.items)
        return {
            "type": "array",
            "items": [dict(item.schema) for item in self.items],
            "minItems": size,
            "maxItems": size,
        }

    def convert(self, value: Json) -> tuple[object, ...]:
        if not isinstance(value, list) or len(value) != len(self.items):
            raise ParamError(f"must be an array of {len(self.items)}, got {shown(value)}")
        result: list[object] = []
        try:
            for item, entry in zip(self.items, value, strict=True):
                result.append(item.convert(entry))
        except ParamError as error:
            raise error.inside(f"[{len(result)}]") from error
        return tuple(result)


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One named member: its names on the wire, its converter, and what stands in when it is absent."""

    name: str
    converter: Converter
    required: bool
    default: object = None

    @property
    def wire_name(self) -> str:
        """The name in camel case, as clients write it."""
        head, *tail = self.name.rstrip("_").split("_")
        return head + "".join(word.capitalize() for word in tail)

    @property
    def names(self) -> tuple[str, ...]:
        """All names under which the member is found, the wire name first."""
        return tuple(dict.fromkeys((self.wire_name, self.name)))

    @property
    def optional(self) -> bool:
        """Whether null stands for the default, as an absent value does."""
        return not self.required and "null" not in self.converter.kinds

    def convert(self, value: Json) -> object:
        """Return the converted value; null of an optional member is its default."""
        if value is None and self.optional:
            return self.default
        return self.converter.convert(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Record:
    """A JSON object into a dataclass; unknown members are refused."""

    build: Callable[..., object]
    fields: tuple[Field, ...]
    kinds: frozenset[str] = frozenset({"object"})

    @property
    def schema(self) -> Schema:
        return {
            "type": "object",
            "properties": {field.wire_name: dict(field.converter.schema) for field in self.fields},
            "required": [field.wire_name for field in self.fields if field.required],
            "additionalProperties": False,
        }

    def convert(self, value: Json) -> object:
        if not isinstance(value, dict):
            raise ParamError(f"must be an object, got {shown(value)}")
        return self.build(
            **dict(zip((field.name for field in self.fields), take(self.fields, value), strict=True))
        )


@dataclasses.dataclass(frozen=True, slots=True)
class OneOf:
    """The first converter that takes the value's JSON type; the types of the converters do not overlap."""

    by_kind: Mapping[str, Converter]
    choices: tuple[Converter, ...]

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self.by_kind)

    @property
    def schema(self) -> Schema:
        return {"oneOf": [dict(choice.schema) for choice in self.choices]}

    def convert(self, value: Json) -> object:
        converter = self.by_kind.get(kind_of(value))
        if converter is None:
            raise ParamError(f"must be {' or '.join(sorted(self.by_kind))}, got {shown(value)}")
        return converter.convert(value)


@dataclasses.dataclass(frozen=True, slots=True)
class Nothing:
    """JSON null."""

    kinds: frozenset[str] = frozenset({"null"})

    @property
    def schema(self) -> Schema:
        return {"type": "null"}

    def convert(self, value: Json) -> None:
        if value is not None:
            raise ParamError(f"must be null, got {shown(value)}")


class Bound(typing.NamedTuple):
    """Annotation of a list or tuple type: at most `limit` entries."""

    limit: int


def _account(text: str) -> AccountId:
    return decode_address(text).account_id


BlockNumber: TypeAlias = Annotated[int, Number()]
Hash32: TypeAlias = Annotated[Hash, Hex(exactly=32)]
StorageKey: TypeAlias = Annotated[Echo, EchoedHex()]
Account: TypeAlias = Annotated[AccountId, Decoded(_account, "an SS58 address")]
U32: TypeAlias = Annotated[int, Integer(0, MAX_U32)]


def take(fields: Sequence[Field], members: Mapping[str, Json]) -> list[object]:
    """Return the values of named members in the order of `fields`; ParamError for unknown or missing ones."""
    known = {name: field for field in fields for name in field.names}
    given: dict[str, Json] = {}
    for name, value in members.items():
        if name not in known:
            raise ParamError(
                f"has no member {shown(name)}; the members are {', '.join(f.wire_name for f in fields)}"
            )
        given[known[name].name] = value
    values: list[object] = []
    for field in fields:
        if field.name not in given:
            if field.required:
                raise ParamError("is missing", f".{field.wire_name}")
            values.append(field.default)
            continue
        try:
            values.append(field.convert(given[field.name]))
        except ParamError as error:
            raise error.inside(f".{field.wire_name}") from error
    return values
