"""JSON pointers find what RFC 6901 says they find, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.pointer import LENGTH_MAX, Missing, Pointer, parse_pointer

# RFC 6901, section 5.
DOCUMENT = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}
FOUND = [
    ("", DOCUMENT),
    ("/foo", ["bar", "baz"]),
    ("/foo/0", "bar"),
    ("/", 0),
    ("/a~1b", 1),
    ("/c%d", 2),
    ("/e^f", 3),
    ("/g|h", 4),
    ("/i\\j", 5),
    ('/k"l', 6),
    ("/ ", 7),
    ("/m~0n", 8),
]


@pytest.mark.parametrize(("text", "value"), FOUND, ids=[text or "root" for text, _ in FOUND])
def test_the_pointers_of_the_rfc_find_their_values(text: str, value: Any) -> None:
    assert parse_pointer(text).find(DOCUMENT) == value


@pytest.mark.parametrize(
    "text", ["/bar", "/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/1e0", "/foo/0/x", "/foo/²", "//0"]
)
def test_what_is_not_there_is_missing(text: str) -> None:
    with pytest.raises(Missing):
        parse_pointer(text).find(DOCUMENT)


@pytest.mark.parametrize("text", ["foo", "/a~", "/a~2", "#/foo", "/" * (LENGTH_MAX + 1)])
def test_what_is_no_pointer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="pointer"):
        parse_pointer(text)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=5))
def test_a_pointer_is_written_as_it_is_read(steps: list[str]) -> None:
    pointer = Pointer(tuple(steps))
    assert parse_pointer(str(pointer)) == pointer
    document: Any = "here"
    for step in reversed(steps):
        document = {step: document}
    assert pointer.find(json.loads(json.dumps(document))) == "here"
