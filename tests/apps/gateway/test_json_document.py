"""A source's document gives exactly what the configuration says, or a fault of the right kind."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.errors import FaultKind, SourceFault
from apps.gateway.json_document import parse_document, read_document
from apps.gateway.readings import Reading
from apps.gateway.settings import JsonValue
from tests.support.gateway import KEY, NOW_MS

AGE_MAX_MS, AHEAD_MAX_MS = 60_000, 2_000


PRICE = JsonValue("/price")


def read(body: bytes | Any, value: JsonValue = PRICE) -> Reading | SourceFault:
    """Return what a document says of the feed; what is no bytes is made a document first."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    poll = read_document(data, {KEY: value}, NOW_MS, age_max_ms=AGE_MAX_MS, ahead_max_ms=AHEAD_MAX_MS)
    return poll.found[KEY]


def kind_of(found: Reading | SourceFault) -> FaultKind | None:
    return found.kind if isinstance(found, SourceFault) else None


def test_a_value_without_a_time_was_measured_when_it_was_asked_for() -> None:
    assert read({"price": 4.75}) == Reading(Decimal("4.75"), NOW_MS)


def test_a_value_is_mapped_to_the_unit_of_the_feed() -> None:
    value = JsonValue("/data/0/v", scale=Decimal("0.1"), offset=Decimal(-40))
    assert read({"data": [{"v": "725"}]}, value) == Reading(Decimal("32.5"), NOW_MS)


@pytest.mark.parametrize(
    ("form", "told", "measured_ms"),
    [
        ("unix-ms", NOW_MS - 5, NOW_MS - 5),
        ("unix-s", NOW_MS // 1000 - 2, NOW_MS - 2_000),
        ("unix-s", f"{NOW_MS // 1000 - 1}.25", NOW_MS - 750),
        ("iso-8601", "2023-11-14T22:13:19Z", 1_699_999_999_000),
        ("iso-8601", "2023-11-15T05:13:19.5+07:00", 1_699_999_999_500),
    ],
)
def test_times_of_each_form_are_read(form: Any, told: Any, measured_ms: int) -> None:
    found = read({"price": 1, "at": told}, JsonValue("/price", time_at="/at", time_format=form))
    assert found == Reading(Decimal(1), measured_ms)


@pytest.mark.parametrize(
    ("form", "told", "kind"),
    [
        ("unix-ms", NOW_MS - AGE_MAX_MS - 1, FaultKind.STALE),
        ("unix-ms", NOW_MS + AHEAD_MAX_MS + 1, FaultKind.FUTURE),
        ("unix-ms", NOW_MS // 1000, FaultKind.STALE),
        ("unix-s", NOW_MS, FaultKind.MALFORMED),
        ("unix-ms", -1, FaultKind.MALFORMED),
        ("unix-ms", 10**30, FaultKind.MALFORMED),
        ("unix-ms", "soon", FaultKind.NOT_A_NUMBER),
        ("unix-ms", None, FaultKind.NOT_A_NUMBER),
        ("iso-8601", 5, FaultKind.MALFORMED),
        ("iso-8601", "yesterday", FaultKind.MALFORMED),
        ("iso-8601", "2023-11-14T22:13:20", FaultKind.MALFORMED),
        ("iso-8601", "0001-01-01T00:00:00+23:00", FaultKind.MALFORMED),
        ("iso-8601", "2023-11-14T22:13:20Z" * 9, FaultKind.MALFORMED),
    ],
)
def test_times_that_are_none_or_too_far_away_are_refused(form: Any, told: Any, kind: FaultKind) -> None:
    found = read({"price": 1, "at": told}, JsonValue("/price", time_at="/at", time_format=form))
    assert kind_of(found) is kind


@pytest.mark.parametrize("off_ms", [-AGE_MAX_MS, AHEAD_MAX_MS])
def test_times_at_the_limits_are_taken(off_ms: int) -> None:
    value = JsonValue("/price", time_at="/at")
    assert read({"price": 1, "at": NOW_MS + off_ms}, value) == Reading(Decimal(1), NOW_MS + off_ms)


@pytest.mark.parametrize("unit", ["kW", "mw", "", None, 5, ["MW"]])
def test_a_document_in_another_unit_is_refused(unit: Any) -> None:
    value = JsonValue("/price", unit_at="/unit", unit="MW")
    assert kind_of(read({"price": 1, "unit": unit}, value)) is FaultKind.UNIT
    assert read({"price": 1, "unit": "MW"}, value) == Reading(Decimal(1), NOW_MS)
    assert kind_of(read({"price": 1}, value)) is FaultKind.MISSING


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[1,]", b'{"price": 1} x', b"\xff\xfe", b'{"price": 01}', b"nope", b"\x00", b"'1'"),
        *(b'{"price": NaN}', b'{"price": Infinity}', b'{"price": -Infinity}', b'{"price": 1, "price": 2}'),
        *(b"[" * 60_000, b'{"a":' * 30_000),
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_strict_json_is_malformed(body: bytes) -> None:
    with pytest.raises(SourceFault) as caught:
        parse_document(body)
    assert caught.value.kind is FaultKind.MALFORMED


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", FaultKind.MISSING),
        (b"[]", FaultKind.MISSING),
        (b"null", FaultKind.MISSING),
        (b'"price"', FaultKind.MISSING),
        (b'{"price": null}', FaultKind.NOT_A_NUMBER),
        (b'{"price": true}', FaultKind.NOT_A_NUMBER),
        (b'{"price": "NaN"}', FaultKind.NOT_A_NUMBER),
        (b'{"price": [4.75]}', FaultKind.NOT_A_NUMBER),
        (b'{"price": 1e400}', FaultKind.NOT_A_NUMBER),
        (b'{"price": 1e99999999999999999999}', FaultKind.NOT_A_NUMBER),
        (b'{"price": ' + b"9" * 10_000 + b"}", FaultKind.NOT_A_NUMBER),
        (b'{"price": 0.' + b"1" * 10_000 + b"}", FaultKind.NOT_A_NUMBER),
        (b'{"price": "\\ud800"}', FaultKind.NOT_A_NUMBER),
    ],
    ids=lambda one: repr(one[:32]) if isinstance(one, bytes) else str(one),
)
def test_a_document_without_a_usable_number_is_refused(body: bytes, kind: FaultKind) -> None:
    assert kind_of(read(body)) is kind


def test_one_bad_value_does_not_spoil_the_others() -> None:
    values = {"a": JsonValue("/a"), "b": JsonValue("/b")}
    poll = read_document(b'{"a": "x", "b": 2}', values, NOW_MS, age_max_ms=1, ahead_max_ms=0)
    assert kind_of(poll.found["a"]) is FaultKind.NOT_A_NUMBER
    assert poll.found["b"] == Reading(Decimal(2), NOW_MS)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_fault(body: bytes) -> None:
    kind = None
    try:
        found = read(body)
    except SourceFault as fault:
        kind = fault.kind
    else:
        assert isinstance(found, Reading | SourceFault)
    assert kind in {None, FaultKind.MALFORMED}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["price", "at"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(JSON)
def test_any_document_is_a_reading_or_a_fault(document: Any) -> None:
    value = JsonValue("/price", time_at="/at")
    try:
        found = read(json.dumps(document).encode("utf-8", "surrogatepass"), value)
    except SourceFault:
        return
    if isinstance(found, Reading):
        assert found.number.is_finite()
        assert NOW_MS - AGE_MAX_MS <= found.measured_ms <= NOW_MS + AHEAD_MAX_MS
