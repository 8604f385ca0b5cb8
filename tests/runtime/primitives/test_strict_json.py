"""What readers of JSON understand differently is refused."""

import pytest

from runtime.primitives.strict_json import load_exactly


def test_what_all_readers_understand_alike_is_read() -> None:
    assert load_exactly(b'{"a": [1, -2, "x", true, null], "b": {"a": 0}}') == {
        "a": [1, -2, "x", True, None],
        "b": {"a": 0},
    }


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ('{"a": 1, "a": 1}', "the same key twice"),
        ('[{"a": {"b": 1, "b": 2}}]', "the same key twice"),
        ("[1.0]", "1.0 is not an integer"),
        ("[1e3]", "1e3 is not an integer"),
        ("NaN", "NaN is not an integer"),
        ("-Infinity", "-Infinity is not an integer"),
        ("[1", "delimiter"),
        ("", "value"),
    ],
)
def test_the_rest_is_refused(document: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_exactly(document)
