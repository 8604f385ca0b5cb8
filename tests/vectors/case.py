"""What a vector file is made of once a format has read it: named cases, each a check that raises when it
fails.

Knows no format. A format turns a parsed JSON document into a `Plan`; `run_plan` performs it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Document = dict[str, Any]
Entry = dict[str, Any]

# What a check can raise on a wrong answer, a refusal or a badly formed entry; others are bugs of the runner.
FAILURES = (AssertionError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class MalformedFile(Exception):
    """The file is not of the format that its name says."""


class Mismatch(AssertionError):
    """The answer of the program differs from the one in the file."""


class Case(NamedTuple):
    """One vector: a name to find it again and a check that raises when it fails."""

    name: str
    check: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases of one file, and its sections that are not run, with the reason for each."""

    cases: tuple[Case, ...]
    skipped: dict[str, str] = field(default_factory=dict)


class Failure(NamedTuple):
    """A case that failed and why."""

    name: str
    reason: str


def run_plan(plan: Plan) -> Iterator[Failure | None]:
    """Yield None for each case that passes and the failure for each that does not."""
    for case in plan.cases:
        try:
            case.check()
        except FAILURES as error:
            yield Failure(
                case.name, str(error) if isinstance(error, Mismatch) else f"{type(error).__name__}: {error}"
            )
        else:
            yield None


def ensure_equal(actual: object, expected: object, what: str = "result") -> None:
    """Raise Mismatch unless both are equal; bytes are shown as hex."""
    if actual != expected or type(actual) is not type(expected):
        raise Mismatch(f"{what} is {_show(actual)}, expected {_show(expected)}")


def from_hex(text: str) -> bytes:
    """Return the bytes of hex digits after `0x`; ValueError on anything else."""
    if not text.startswith("0x"):
        raise ValueError(f"{text[:20]!r} does not begin with 0x")
    return bytes.fromhex(text[2:])


def get_entries(document: Document, section: str) -> list[Entry]:
    """Return the list of objects under a key; MalformedFile when it is missing, empty or something else."""
    entries = document.get(section)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise MalformedFile(f"{section!r} is not a list of at least one object")
    return entries


def get_cases(document: Document) -> list[Entry]:
    """Return the entries of `cases`; MalformedFile unless there are as many as `count` says."""
    entries = get_entries(document, "cases")
    if document.get("count") != len(entries):
        raise MalformedFile(f"'count' is {document.get('count')}, but there are {len(entries)} cases")
    return entries


def _show(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}… ({len(text)} characters)"
