"""Where settings come from: command line over environment over configuration file over defaults.

Every value remembers its origin, for `--print-config` and for messages. This module must not know what a
setting does; implications such as those of `--dev` and checks across settings are in rules.py.
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args, get_origin

import msgspec
import orjson

from node.config.errors import ConfigError, OperatorError, UsageError
from node.config.rules import check_rules, list_implied
from node.config.settings import KEYS, SECRETS, Config, Texts

ENVIRONMENT_PREFIX = "LOAM_"
CONFIG_VARIABLE = "LOAM_CONFIG"
CONFIG_BYTES_MAX = 1024 * 1024

TYPE_WORDS = (
    ("int <= ", "a whole number up to "),
    ("int >= ", "a whole number from "),
    ("int | null", "a whole number"),
    ("int", "a whole number"),
    ("bool", "true or false"),
    ("str | null", "text"),
    ("str", "text"),
    ("array", "a list"),
)

FIELDS = {field.name: field for field in msgspec.structs.fields(Config)}
NAMES_BY_KEY = {key: name for name, key in KEYS.items()}


class Origin(NamedTuple):
    """Where one value comes from; `text` is what the operator wrote there, or who implied it."""

    kind: Literal["flag", "environment", "file", "implied", "default"]
    text: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "flag" | "environment" | "file":
                return self.text
            case "implied":
                return f"implied by {self.text}"
            case "default":
                return "default"


class Resolved(NamedTuple):
    """A configuration with the origin of each of its values, by field name."""

    config: Config
    origins: Mapping[str, Origin]


class _Value(NamedTuple):
    value: object
    origin: Origin


def load_config(
    flags: Mapping[str, object], environ: Mapping[str, str], config_file: Path | None = None
) -> Resolved:
    """Merge all sources and check the result; raises UsageError or ConfigError naming flag, variable or line.

    `flags` has the settings given on the command line by field name: text, True, or a tuple of texts.
    """
    if config_file is None and (named := environ.get(CONFIG_VARIABLE)):
        config_file = Path(named)
    values: dict[str, _Value] = {}
    if config_file is not None:
        values.update(_read_file(config_file))
    values.update(_read_environment(environ))
    values.update({name: _Value(value, Origin("flag", f"--{KEYS[name]}")) for name, value in flags.items()})

    settings = {name: _convert(name, value) for name, value in values.items()}
    origins = {name: value.origin for name, value in values.items()}
    given = Config(**settings)  # type: ignore[arg-type] # each value was converted to its field's type
    with_origin = _Attributor(origins)
    check_rules(given, frozenset(origins), with_origin.fail)
    for name, (value, reason) in list_implied(given, frozenset(origins)).items():
        settings[name] = value
        origins[name] = Origin("implied", reason)
    for name in FIELDS:
        origins.setdefault(name, Origin("default"))
    return Resolved(Config(**settings), origins)  # type: ignore[arg-type] # as above


def render_config(resolved: Resolved) -> str:
    """Return a configuration file that says what is in force and, beside each value, where it comes from."""
    lines: list[tuple[str, Origin]] = []
    for name, key in KEYS.items():
        value = getattr(resolved.config, name)
        if value is None:
            lines.append((f"# {key} is not set", resolved.origins[name]))
        elif name in SECRETS:
            lines.append((f"# {key} is set, and secret", resolved.origins[name]))
        else:
            lines.append((f"{key} = {_render_value(value)}", resolved.origins[name]))
    width = min(48, max(len(text) for text, _ in lines))
    return "".join(f"{text:<{width}}  # {origin}\n" for text, origin in lines)


class _Attributor:
    """Turns a broken rule into the error that names what the operator wrote."""

    def __init__(self, origins: Mapping[str, Origin]) -> None:
        self._origins = origins

    def fail(self, message: str, names: Iterable[str]) -> OperatorError:
        return _build_error(message, {name: self._origins[name] for name in names if name in self._origins})


def _build_error(message: str, origins: Mapping[str, Origin]) -> OperatorError:
    """A mistake made wholly on the command line is one of usage; otherwise one of configuration."""
    places = (
        f"{origin}: {KEYS[name]}" if origin.kind == "file" else str(origin)
        for name, origin in origins.items()
    )
    where = " and ".join(dict.fromkeys(places))
    text = f"{where}: {message}" if where else message
    if all(origin.kind == "flag" for origin in origins.values()):
        return UsageError(text)
    return ConfigError(text)


def _read_file(path: Path) -> dict[str, _Value]:
    text = _read_text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a thousand nested arrays
        raise ConfigError(f"{path}: not valid TOML: a value is too long or too deep") from error
    values = {}
    for key, value in document.items():
        place = f"{path}:{_find_line(text, key)}"
        if key not in NAMES_BY_KEY:
            raise ConfigError(f"{place}: unknown setting {key[:60]!r}{_suggest(key, NAMES_BY_KEY)}")
        values[NAMES_BY_KEY[key]] = _Value(value, Origin("file", place))
    return values


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(CONFIG_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read the configuration file: {error.strerror}") from error
    if len(data) > CONFIG_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {CONFIG_BYTES_MAX} bytes, which no configuration file is")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text") from error


def _find_line(text: str, key: str) -> int:
    """Return the line on which a top-level key stands; tomllib does not tell."""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip().lstrip("[").strip().strip("\"'")
        if (
            bare.startswith(key)
            and not bare[len(key) : len(key) + 1].isalnum()
            and bare[len(key) :][:1] not in {"-", "_"}
        ):
            return number
    return 1


def _read_environment(environ: Mapping[str, str]) -> dict[str, _Value]:
    variables = {ENVIRONMENT_PREFIX + name.upper(): name for name in FIELDS}
    values = {}
    for variable, value in environ.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if variable not in variables:
            hint = _suggest(variable, [*variables, CONFIG_VARIABLE])
            raise ConfigError(f"environment variable {variable} is not a setting{hint}")
        values[variables[variable]] = _Value(value, Origin("environment", variable))
    return values


def _suggest(word: str, known: Iterable[str]) -> str:
    """Return the hint at the nearest known word, or nothing."""
    near = difflib.get_close_matches(
        word[:60].replace("_", "-") if "-" in "".join(known) else word[:60], known, n=1
    )
    return f"; did you mean {near[0]}?" if near else ""


def _convert(name: str, given: _Value) -> object:
    """Return the value in its field's type; text from flags and variables is read, TOML values must fit."""
    value, origin = given
    field_type = FIELDS[name].type
    if field_type is Texts:
        value = _split_list(value)
    try:
        return msgspec.convert(value, field_type, strict=origin.kind == "file")
    except msgspec.ValidationError as error:
        raise _build_error(_explain(name, value, error), {name: origin}) from error


def _split_list(value: object) -> object:
    """Accept `a,b` for a list, alone or as elements of one."""
    if isinstance(value, str):
        value = (value,)
    if isinstance(value, list | tuple) and all(isinstance(element, str) for element in value):
        return tuple(part.strip() for element in value for part in element.split(",") if part.strip())
    return value


def list_choices(name: str) -> tuple[str, ...]:
    """Return the words that a setting takes, none where it takes any text or number."""
    field_type = FIELDS[name].type
    parts = (field_type, *get_args(field_type))
    return tuple(choice for part in parts if get_origin(part) is Literal for choice in get_args(part))


def _explain(name: str, value: object, error: msgspec.ValidationError) -> str:
    choices = list_choices(name)
    if choices:
        wanted = f"expected one of {', '.join(choices)}"
    else:
        wanted = _say_wanted(str(error).split(" - at ")[0].split(", got")[0])
    shown = "" if name in SECRETS else f", got {value!r:.60}"
    return f"{wanted}{shown}"


def _say_wanted(fault: str) -> str:
    """Return msgspec's words in an operator's: `Expected `int` <= 65535` is a whole number up to 65535."""
    text = (
        fault.replace("`", "").replace("Expected ", "expected ").replace("expected object", "expected text")
    )
    for typed, said in TYPE_WORDS:
        text = text.replace(typed, said)
    return text


def _render_value(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_render_value(element) for element in value)}]"
    return orjson.dumps(value).decode()  # TOML's strings, integers and booleans are JSON's
