"""JSON pointers (RFC 6901), by which a configuration says where in a document a value stands."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

LENGTH_MAX: Final = 512
_ESCAPE: Final = re.compile(r"~(?![01])")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class Missing(LookupError):
    """The document has nothing at a pointer."""


class Pointer(NamedTuple):
    """The steps from a document's root to a value."""

    steps: tuple[str, ...]

    def find(self, document: Any) -> Any:
        """Return what stands there; Missing."""
        found = document
        for depth, step in enumerate(self.steps):
            if isinstance(found, dict) and step in found:
                found = found[step]
            elif isinstance(found, list) and _INDEX.fullmatch(step) and int(step) < len(found):
                found = found[int(step)]
            else:
                raise Missing(f"nothing at {Pointer(self.steps[: depth + 1])!s:.80}")
        return found

    def __str__(self) -> str:
        return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in self.steps) or "the root"


def parse_pointer(text: str) -> Pointer:
    """Return a pointer; ValueError when the text is none."""
    if len(text) > LENGTH_MAX:
        raise ValueError(f"a pointer has at most {LENGTH_MAX} characters")
    if text and not text.startswith("/"):
        raise ValueError("a JSON pointer begins with /, as /data/price")
    if _ESCAPE.search(text):
        raise ValueError("in a JSON pointer ~ is written ~0 and / within a name ~1")
    steps = text.split("/")[1:]
    return Pointer(tuple(step.replace("~1", "/").replace("~0", "~") for step in steps))
