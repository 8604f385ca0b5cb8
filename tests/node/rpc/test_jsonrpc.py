"""JSON-RPC 2.0 on the wire: what is a request, what is refused and how, what an answer looks like."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from node.rpc import jsonrpc
from node.rpc.jsonrpc import (
    MAX_CONTAINERS,
    MAX_DEPTH,
    MAX_ELEMENTS,
    TOGETHER_MAX,
    UNCOUNTED_BYTES,
    BatchAnswer,
    Calls,
    Limits,
    RawJson,
    Refusal,
    RpcError,
    encode,
    encode_answer,
    encode_error,
    encode_notice,
    parse,
)

LIMITS = Limits(request_bytes=1_000_000, response_bytes=1000, batch_calls=3)


def refused(body: bytes, limits: Limits = LIMITS) -> RpcError:
    parsed = parse(body, limits)
    assert isinstance(parsed, Refusal)
    return parsed.error


@pytest.mark.parametrize(
    "text", ["0", "1", "-1", "9223372036854775807", "18446744073709551615", '"a"', '""', "null"]
)
def test_id_is_echoed_unchanged(text: str) -> None:
    parsed = parse(b'{"jsonrpc":"2.0","method":"m","id":%b}' % text.encode(), LIMITS)
    assert isinstance(parsed, Calls)
    (request_id,) = parsed.ids
    assert request_id is not UNSET
    answer = b'{"jsonrpc":"2.0","result":1,"id":%b}' % text.encode()
    assert encode_answer(request_id, 1) == answer
    batch = BatchAnswer(LIMITS)
    batch.add(parsed.ids, [1])
    assert batch.encode() == b"[%b]" % answer


@pytest.mark.parametrize("text", ["1.5", "true", "[]", "{}", "18446744073709551616"])
def test_id_of_another_type_is_an_invalid_request(text: str) -> None:
    parsed = parse(b'{"jsonrpc":"2.0","method":"m","id":%b}' % text.encode(), LIMITS)
    assert isinstance(parsed, Refusal)
    assert (parsed.id, parsed.error.code) == (None, jsonrpc.INVALID_REQUEST)


def test_request_without_id_is_a_notification() -> None:
    assert parse(b'{"jsonrpc":"2.0","method":"m"}', LIMITS) == Calls("m", [UNSET], [None])


@pytest.mark.parametrize(
    ("params", "expected"),
    [("", None), (',"params":null', None), (',"params":[1]', [1]), (',"params":{"a":1}', {"a": 1})],
)
def test_params_may_be_missing_null_a_list_or_an_object(params: str, expected: object) -> None:
    parsed = parse(b'{"jsonrpc":"2.0","method":"m","id":1%b}' % params.encode(), LIMITS)
    assert isinstance(parsed, Calls)
    assert parsed.params == [expected]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"[NaN]",
        b"[Infinity]",
        b"[1e999]",
        b'["\\ud800"]',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        b"[" + b"9" * 10_000 + b"]",
        b"[" * 100_000,
        b"[" * 2000 + b"]" * 2000,
        b'{"jsonrpc":"2.0","method":"m","id":1} x',
        b"\x00",
    ],
)
def test_body_that_is_not_json_is_a_parse_error(body: bytes) -> None:
    assert refused(body).code == jsonrpc.PARSE_ERROR


@pytest.mark.parametrize(
    "body",
    [
        b"1",
        b'"text"',
        b"null",
        b"{}",
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"1.0","method":"m","id":1}',
        b'{"method":"m","id":1}',
        b'{"jsonrpc":2.0,"method":"m","id":1}',
        b'{"jsonrpc":"2.0","method":1,"params":"bar"}',
        b'{"jsonrpc":"2.0","method":null,"id":1}',
        b"[]",
        b" [ ] ",
    ],
)
def test_json_that_is_no_request_is_an_invalid_request(body: bytes) -> None:
    assert refused(body).code == jsonrpc.INVALID_REQUEST


def test_invalid_request_is_answered_under_its_id_when_that_is_valid() -> None:
    parsed = parse(b'{"jsonrpc":"2.0","id":"x"}', LIMITS)
    assert isinstance(parsed, Refusal)
    assert parsed.id == "x"


def test_batch_is_parsed_call_by_call() -> None:
    parsed = parse(b'[1, {"jsonrpc":"2.0","method":"m","id":0}, []]', LIMITS)
    assert isinstance(parsed, list)
    assert [type(item) for item in parsed] == [Refusal, Calls, Refusal]


def call(method: str, request_id: object, *params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "method": method, "id": request_id, "params": list(params)}


def test_neighbouring_calls_of_one_method_come_together_in_order() -> None:
    batch = [call("a", 1, 7), call("a", "x"), call("b", 2), call("a", None), 5, call("a", 3)]
    parsed = parse(json.dumps(batch).encode(), Limits())
    assert isinstance(parsed, list)
    assert [(part.method, part.ids, part.params) for part in parsed if isinstance(part, Calls)] == [
        ("a", [1, "x"], [[7], []]),
        ("b", [2], [[]]),
        ("a", [None], [[]]),
        ("a", [3], [[]]),
    ]
    assert [isinstance(part, Refusal) for part in parsed] == [False, False, False, True, False]


def test_no_more_calls_come_together_than_the_limit() -> None:
    batch = json.dumps([call("a", n) for n in range(2 * TOGETHER_MAX + 1)]).encode()
    parsed = parse(batch, Limits(batch_calls=10_000))
    assert isinstance(parsed, list)
    sizes = [len(part.ids) for part in parsed if isinstance(part, Calls)]
    assert sizes == [TOGETHER_MAX, TOGETHER_MAX, 1]


def test_batch_of_the_limit_is_taken_and_one_more_is_refused() -> None:
    assert isinstance(parse(b"[1,2,3]", LIMITS), list)
    assert refused(b"[1,2,3,4]").code == jsonrpc.BATCH_TOO_LONG


def test_batches_can_be_disabled() -> None:
    assert refused(b"[1]", Limits(batch_calls=0)).code == jsonrpc.BATCHES_NOT_SUPPORTED


def test_body_of_the_limit_is_taken_and_one_byte_more_is_refused() -> None:
    body = b'{"jsonrpc":"2.0","method":"m"}'
    assert isinstance(parse(body, Limits(request_bytes=len(body))), Calls)
    assert refused(body, Limits(request_bytes=len(body) - 1)).code == jsonrpc.REQUEST_TOO_BIG


def test_body_that_is_not_counted_can_hold_no_more_than_the_limits() -> None:
    assert UNCOUNTED_BYTES <= 2 * MAX_CONTAINERS
    assert UNCOUNTED_BYTES <= MAX_ELEMENTS


def test_containers_are_counted_before_parsing() -> None:
    inner = MAX_CONTAINERS - 2
    body = b'{"jsonrpc":"2.0","method":"m","params":[%b]}'
    assert isinstance(parse(body % b",".join([b"[]"] * inner), LIMITS), Calls)
    assert refused(body % b",".join([b"[]"] * (inner + 1))).code == jsonrpc.REQUEST_TOO_BIG


def test_batch_of_too_many_arrays_is_refused_as_a_batch() -> None:
    assert refused(b" [" + b"[]," * MAX_CONTAINERS + b"1]").code == jsonrpc.BATCH_TOO_LONG


@pytest.mark.parametrize(
    ("depth", "code"), [(MAX_DEPTH, jsonrpc.BATCH_TOO_LONG), (MAX_DEPTH + 1, jsonrpc.PARSE_ERROR)]
)
def test_refused_body_that_is_too_deep_is_malformed_rather_than_too_long(depth: int, code: int) -> None:
    deep = b"[" * (depth - 1) + b"]" * (depth - 1)
    assert refused(b"[" + deep + b",[]" * MAX_CONTAINERS + b"]").code == code


def test_elements_are_counted_before_parsing() -> None:
    body = b'{"jsonrpc":"2.0","method":"m","params":[%b]}'
    taken = MAX_ELEMENTS - 2 + 1  # two commas are outside the array
    assert isinstance(parse(body % b",".join([b"1"] * taken), LIMITS), Calls)
    assert refused(body % b",".join([b"1"] * (taken + 1))).code == jsonrpc.REQUEST_TOO_BIG


def test_result_is_present_even_when_null() -> None:
    assert json.loads(encode_answer(1, None)) == {"jsonrpc": "2.0", "result": None, "id": 1}


def test_raw_json_is_sent_as_it_is() -> None:
    assert encode(RawJson(b'{"a": 1}')) == b'{"a": 1}'
    assert encode_answer(1, RawJson(b"[ ]")) == b'{"jsonrpc":"2.0","result":[ ],"id":1}'


@pytest.mark.parametrize("value", [2**64, {1, 2}, b"bytes", "\ud800"])
def test_unencodable_result_is_a_type_error(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)


def test_error_carries_code_message_and_data_only_when_there_is_some() -> None:
    assert json.loads(encode_error(0, RpcError(1010, "Invalid Transaction", "Transaction is outdated"))) == {
        "jsonrpc": "2.0",
        "error": {"code": 1010, "message": "Invalid Transaction", "data": "Transaction is outdated"},
        "id": 0,
    }
    assert "data" not in json.loads(encode_error(None, RpcError(1, "m")))["error"]


@pytest.mark.parametrize(
    "error", [RpcError(7, "m", b"bytes"), RpcError(7, "\ud800"), RpcError(7, "m", 2**70)]
)
def test_error_that_cannot_be_encoded_keeps_its_code(error: RpcError) -> None:
    assert json.loads(encode_error(1, error))["error"]["code"] == 7


def test_notice_is_completed_by_any_result() -> None:
    notice = encode_notice("chain_newHead", "ab") + encode({"n": 1}) + b"}}"
    assert json.loads(notice) == {
        "jsonrpc": "2.0",
        "method": "chain_newHead",
        "params": {"subscription": "ab", "result": {"n": 1}},
    }


def test_batch_answer_is_the_array_of_the_single_answers() -> None:
    outcomes = ["0x00", RpcError(7, "seven", [1]), None, RawJson(b"{}"), RpcError(7, "\ud800")]
    batch = BatchAnswer(LIMITS)
    batch.add([1, "two", None], outcomes[:3])
    batch.add([UNSET, 5], [1, outcomes[3]])
    batch.add([UNSET], [1])
    batch.add([6], outcomes[4:])
    ids = (1, "two", None, 5, 6)
    singles = [encode_answer(one, outcome) for one, outcome in zip(ids, outcomes, strict=True)]
    assert batch.encode() == b"[%b]" % b",".join(singles)


def test_batch_of_notifications_has_no_answer() -> None:
    batch = BatchAnswer(LIMITS)
    batch.add([UNSET, UNSET], [1, RpcError(1, "m")])
    assert batch.encode() is None


def test_batch_answer_keeps_what_fits_to_the_byte_and_refuses_all_after_it() -> None:
    size = len(encode_answer(1, "x" * 100))
    for room, kept in ((2 * size, 2), (2 * size - 1, 1)):
        batch = BatchAnswer(Limits(response_bytes=room))
        batch.add([1, 2, 3, UNSET], ["x" * 100] * 4)
        assert batch.is_full
        batch.add([4], [True])
        batch.refuse([5])
        answers = json.loads(batch.encode() or b"")
        assert [answer["id"] for answer in answers] == [1, 2, 3, 4, 5]
        assert ["result" in answer for answer in answers] == [n < kept for n in range(5)]
        assert {answer["error"]["code"] for answer in answers[kept:]} == {jsonrpc.BATCH_RESPONSE_TOO_BIG}


def test_result_that_json_cannot_say_leaves_a_batch_answer_as_it_was() -> None:
    batch = BatchAnswer(LIMITS)
    with pytest.raises(TypeError):
        batch.add([1, 2], [1, {2}])
    batch.add([3], [3])
    assert json.loads(batch.encode() or b"") == [{"jsonrpc": "2.0", "result": 3, "id": 3}]


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    parsed = parse(body, LIMITS)
    for item in parsed if isinstance(parsed, list) else [parsed]:
        if isinstance(item, Refusal):
            assert json.loads(encode_error(item.id, item.error))["error"]["code"] < 0


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=8,
)
REQUEST_LIKE = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON_VALUES,
        "id": JSON_VALUES,
        "method": JSON_VALUES,
        "params": JSON_VALUES,
    },
)


@given(REQUEST_LIKE | st.lists(REQUEST_LIKE | JSON_VALUES, max_size=5))
def test_any_json_gets_one_outcome_for_each_call(value: object) -> None:
    parsed = parse(json.dumps(value).encode(), LIMITS)
    parts = parsed if isinstance(parsed, list) else [parsed]
    ids = [one for part in parts for one in (part.ids if isinstance(part, Calls) else [part.id])]
    assert len(ids) == (len(value) if isinstance(value, list) and isinstance(parsed, list) else 1)
    for request_id in ids:
        if request_id is not UNSET:
            assert json.loads(encode_error(request_id, RpcError(1, "x")))["id"] == request_id
