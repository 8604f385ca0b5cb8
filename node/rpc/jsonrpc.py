"""JSON-RPC 2.0 as bytes: requests parsed under explicit limits, answers and notices encoded.

Knows the wire format and its limits; knows no method, no socket, no clock and no task. Whatever the bytes,
`parse` returns requests or a refusal that says why, in bounded time: brackets and commas are counted before
the parser sees the body, because a parser holds the interpreter for over a second on 15 MiB of `[],`.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import orjson
from msgspec import UNSET, UnsetType

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

# Transport codes as the jsonrpsee server of Substrate nodes sends them.
BATCHES_NOT_SUPPORTED = -32005
TOO_MANY_SUBSCRIPTIONS = -32006
REQUEST_TOO_BIG = -32007
RESPONSE_TOO_BIG = -32008
SERVER_BUSY = -32009
BATCH_TOO_LONG = -32010
BATCH_RESPONSE_TOO_BIG = -32011
RATE_LIMITED = -32999

# Parsing cost: 32,768 containers take 7 ms, an object of 65,536 names 19 ms (EPYC Zen 4, CPython 3.11).
MAX_CONTAINERS = 32_768
MAX_ELEMENTS = 65_536
# A container takes two bytes and an element one, so a body of this length exceeds neither and is not counted.
UNCOUNTED_BYTES = 65_536
# The parser refuses deeper nesting by itself, without recursion of its own beyond it.
MAX_DEPTH = 1024
# Neighbouring calls of one method that are handled together, whatever the batch limit of the server.
TOGETHER_MAX = 256
_ID_TYPES = frozenset({int, str, type(None), UnsetType})

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Id: TypeAlias = int | str | None


class RpcError(Exception):
    """An answer other than a result: a stable code, a sentence for people, optional machine-readable data."""

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class Limits(NamedTuple):
    """What one message may cost; sizes in bytes, `batch_calls` 0 refuses every batch."""

    request_bytes: int = 5 * 1024 * 1024
    response_bytes: int = 15 * 1024 * 1024
    batch_calls: int = 100


class Calls(msgspec.Struct, gc=False):
    """Calls of one method that came one after another: the id and the parameters of each.

    A notification has the id UNSET; parameters are not looked at yet.
    """

    method: str
    ids: list[Id | UnsetType]
    params: list[Json]


class Refusal(msgspec.Struct, frozen=True):
    """One malformed call, with the id to answer under (None when it has no valid one)."""

    id: Id
    error: RpcError


Parsed: TypeAlias = Calls | Refusal | list[Calls | Refusal]
"""A call or what is wrong with it, or a batch of them."""
Outcome: TypeAlias = object
"""What a call has led to: its result, or the RpcError that stands for none."""
RawJson: TypeAlias = orjson.Fragment
"""A result that is JSON text already and is sent as it is."""


class BatchAnswer:
    """The growing answer to a batch, in the order of its calls and never longer than a response may be."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._room = limits.response_bytes
        self._answers: list[bytes] = []

    @property
    def is_full(self) -> bool:
        """Whether no further answer fits; calls left should not be run."""
        return self._room <= 0

    def add(self, ids: Sequence[Id | UnsetType], outcomes: Sequence[Outcome]) -> None:
        """Append the answers to calls as far as they fit; TypeError when JSON cannot say a result."""
        answers = [
            RawJson(encode_error(request_id, outcome))
            if isinstance(outcome, RpcError)
            else {"jsonrpc": "2.0", "result": outcome, "id": request_id}
            for request_id, outcome in zip(ids, outcomes, strict=True)
            if request_id is not UNSET
        ]
        text = orjson.dumps(answers)[1:-1]
        if len(text) <= self._room:
            self._append(text)
            return
        for request_id, outcome in zip(ids, outcomes, strict=True):
            if request_id is not UNSET:
                self._append_if_room(request_id, encode_answer(request_id, outcome))

    def refuse(self, ids: Sequence[Id | UnsetType]) -> None:
        """Append the error that there is no room for calls which were not run."""
        self.add(ids, [batch_response_too_big(self._limits)] * len(ids))

    def encode(self) -> bytes | None:
        """Return the array of the answers; None when there is none, as for notifications only."""
        return b"[%b]" % b",".join(self._answers) if self._answers else None

    def _append_if_room(self, request_id: Id, answer: bytes) -> None:
        if len(answer) > self._room:
            self._room = 0  # so that nothing that comes later fits either
            answer = encode_error(request_id, batch_response_too_big(self._limits))
        self._append(answer)

    def _append(self, text: bytes) -> None:
        if text:
            self._answers.append(text)
            self._room -= len(text)


def parse(body: bytes, limits: Limits) -> Parsed:
    """Return the call, the batch, or the refusal of `body`; never raises."""
    refusal = _too_costly(body, limits)
    if refusal is not None:
        return Refusal(None, refusal)
    try:
        value: Json = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return Refusal(None, RpcError(PARSE_ERROR, "Parse error", f"the body is not JSON: {error}"))
    return _batch(value, limits) if isinstance(value, list) else _read([value])[0]


def encode(value: object) -> bytes:
    """Return the JSON text of a result; TypeError when it holds something JSON or 64 bits cannot."""
    return orjson.dumps(value)


def encode_answer(request_id: Id, outcome: Outcome) -> bytes:
    """Return the answer to one call; TypeError as `encode`."""
    if isinstance(outcome, RpcError):
        return encode_error(request_id, outcome)
    return orjson.dumps({"jsonrpc": "2.0", "result": outcome, "id": request_id})


def encode_error(request_id: Id, error: RpcError) -> bytes:
    """Return the error answer; what cannot be encoded of its message or data is left out."""
    body: dict[str, object] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    try:
        text = orjson.dumps(body)
    except TypeError:
        text = orjson.dumps({"code": error.code, "message": "the error text is not valid Unicode"})
    return b'{"jsonrpc":"2.0","error":%b,"id":%b}' % (text, orjson.dumps(request_id))


def encode_notice(method: str, subscription: str) -> bytes:
    """Return a notice up to its result, which `b"}}"` follows; so one result serves many subscribers."""
    names = orjson.dumps(method), orjson.dumps(subscription)
    return b'{"jsonrpc":"2.0","method":%b,"params":{"subscription":%b,"result":' % names


def _too_costly(body: bytes, limits: Limits) -> RpcError | None:
    size = len(body)
    if size > limits.request_bytes:
        return request_too_big(limits)
    if size <= UNCOUNTED_BYTES:
        return None
    if body.count(b"[") + body.count(b"{") > MAX_CONTAINERS:
        reason = f"more than {MAX_CONTAINERS} arrays and objects"
    elif body.count(b",") > MAX_ELEMENTS:
        reason = f"more than {MAX_ELEMENTS} array elements"
    else:
        return None
    if _is_deep(body):
        return RpcError(PARSE_ERROR, "Parse error", f"nested deeper than {MAX_DEPTH}")
    if body.lstrip()[:1] == b"[":
        return RpcError(BATCH_TOO_LONG, "The batch request was too large", reason)
    return RpcError(REQUEST_TOO_BIG, "Request is too big", reason)


def _is_deep(body: bytes) -> bool:
    """Return whether the beginning of a refused body nests deeper than the parser would go."""
    depth = 0
    for byte in body[: 8 * MAX_DEPTH]:
        if byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif byte in b"]}":
            depth -= 1
    return False


def request_too_big(limits: Limits) -> RpcError:
    """Return the error for a body longer than the limit."""
    return RpcError(REQUEST_TOO_BIG, "Request is too big", f"Exceeded max limit of {limits.request_bytes}")


def response_too_big(limits: Limits) -> RpcError:
    """Return the error that stands in for a result longer than the limit."""
    return RpcError(RESPONSE_TOO_BIG, "Response is too big", f"Exceeded max limit of {limits.response_bytes}")


def batch_response_too_big(limits: Limits) -> RpcError:
    """Return the error for each call of a batch that no longer fits the response."""
    data = f"Exceeded max limit of {limits.response_bytes}"
    return RpcError(BATCH_RESPONSE_TOO_BIG, "The batch response was too large", data)


def _batch(items: list[Json], limits: Limits) -> Parsed:
    if not items:
        return Refusal(None, _invalid("the batch is empty"))
    if limits.batch_calls == 0:
        return Refusal(
            None, RpcError(BATCHES_NOT_SUPPORTED, "Batched requests are not supported by this server")
        )
    if len(items) > limits.batch_calls:
        data = f"Exceeded max limit of {limits.batch_calls}"
        return Refusal(None, RpcError(BATCH_TOO_LONG, "The batch request was too large", data))
    return _read(items)


def _read(items: list[Json]) -> list[Calls | Refusal]:
    """Return the calls that are well formed, neighbours of one method together, and what the others lack."""
    parts: list[Calls | Refusal] = []
    together: str | None = None
    ids: list[Id | UnsetType] = []
    params: list[Json] = []
    for item in items:
        if (
            type(item) is dict
            and item.get("jsonrpc") == "2.0"
            and type(method := item.get("method")) is str
            and type(request_id := item.get("id", UNSET)) in _ID_TYPES
        ):
            if method != together or len(ids) == TOGETHER_MAX:
                together, ids, params = method, [], []
                parts.append(Calls(method, ids, params))
            ids.append(request_id)  # type: ignore[arg-type]  # its type is one of an id's
            params.append(item.get("params"))
        else:
            parts.append(_refuse(item))
            together = None
    return parts


def _refuse(item: Json) -> Refusal:
    """Return what a malformed call lacks, under its id if that is one."""
    if not isinstance(item, dict):
        return Refusal(None, _invalid("a request is an object"))
    request_id = item.get("id")
    if not isinstance(request_id, int | str | None) or isinstance(request_id, bool):
        return Refusal(None, _invalid("the id is an integer of at most 64 bits, a string or null"))
    if item.get("jsonrpc") != "2.0":
        return Refusal(request_id, _invalid('the member "jsonrpc" is "2.0"'))
    return Refusal(request_id, _invalid('the member "method" is a string'))


def _invalid(sentence: str) -> RpcError:
    return RpcError(INVALID_REQUEST, "Invalid Request", sentence)
