"""JSON that every reader understands alike: no key twice in an object, and no number but integers where a
format has none.

Responsible for what `json.loads` lets pass. What a document means is its reader's.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


def load_exactly(document: str | bytes) -> Any:
    """Return JSON of objects, arrays, texts, integers, true, false and null; ValueError, RecursionError."""
    return json.loads(document, object_pairs_hook=distinct_keys, parse_float=_refuse, parse_constant=_refuse)


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; ValueError when it has a key twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("an object has the same key twice")
    return made


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is not an integer")
