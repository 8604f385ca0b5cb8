"""The vault over HTTP: who asks, whether they may, and what they are answered.

Responsible for tokens, rates, sizes and forms. What a role may do, `policy.py` decides and `vault.py`
enforces. It keeps nothing, writes no request into a log, and an error says nothing of what is stored.

| request | does |
|---|---|
| `GET /health` | says that the service answers; needs no token |
| `GET /v1/status` | numbers about the vault |
| `GET /v1/due` | what is owed on the chain |
| `GET /v1/log?from=N&count=N` | the log of accesses |
| `GET /v1/subjects/S` | what is kept of a subject |
| `POST /v1/subjects/S/records/KIND` | keeps `{"record": …, "call": …, "arguments": …}` |
| `GET /v1/subjects/S/records/KIND/VERSION` | shows a record |
| `POST /v1/subjects/S/calls` | queues `{"call": …, "arguments": …, "kind": …, "version": …}` |
| `GET /v1/subjects/S/export` | the document with proofs |
| `POST /v1/subjects/S/erase` | erases `{"request": N}`, or one record: `{"kind": …, "version": …}` |
| `GET /v1/commitments/C` | says whose record a commitment is to |

All but the first take `Authorization: Bearer TOKEN`; those about a subject `Loam-Purpose` too and, if there
is a matter with a number, `Loam-Reference`. To keep a record takes `Idempotency-Key`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import structlog
from aiohttp import web

from apps.clock import Clock
from apps.vault.calls import Wish, parse_wish
from apps.vault.errors import (
    BadInput,
    Conflict,
    Erased,
    NotAllowed,
    NothingToErase,
    UnknownRecord,
    VaultError,
)
from apps.vault.export import make_export
from apps.vault.obligations import Obligation
from apps.vault.policy import (
    Action,
    Actor,
    Kind,
    Place,
    Reason,
    ensure_allowed,
    parse_choice,
    parse_commitment,
    parse_reason,
    parse_subject,
    parse_version,
)
from apps.vault.rates import Rates
from apps.vault.records import Listed, parse_record
from apps.vault.vault import Vault
from pallets.compliance.commitment import RECORD_BYTES_MAX, CommitmentError, RecordTooLong
from runtime.primitives.types import AccountId

log = structlog.get_logger("vault")
BODY_BYTES_MAX: Final = 2 * RECORD_BYTES_MAX
"""A record with its call, and room for another spelling of the JSON."""
BODY_S: Final = 10.0
"""How long a body may take to come."""
PER_SECOND: Final = 5.0
BURST: Final = 20
FAILURES_PER_SECOND: Final = 0.1
FAILURES_BURST: Final = 10
_IDEMPOTENCY_KEY: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_STATUS: Final[dict[type[Exception], int]] = {
    BadInput: 400,
    NotAllowed: 403,
    UnknownRecord: 404,
    NothingToErase: 404,
    Conflict: 409,
    Erased: 410,
    RecordTooLong: 413,
    CommitmentError: 400,
}

T = TypeVar("T")
Due: TypeAlias = Callable[[], Awaitable[list[Obligation]]]
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ACTOR: Final = web.RequestKey("actor", Actor)


class VaultService:
    """The routes of one vault."""

    def __init__(
        self, vault: Vault, executor: Executor, clock: Clock, due: Due, wake: Callable[[], None]
    ) -> None:
        """`executor` runs what waits for the disk, `due` asks the chain, `wake` is told of a queued call."""
        self._vault = vault
        self._executor = executor
        self._due = due
        self._wake = wake
        self._requests = Rates(clock, PER_SECOND, BURST)
        self._failures = Rates(clock, FAILURES_PER_SECOND, FAILURES_BURST)

    def application(self) -> web.Application:
        """Return the application to be served."""
        made = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[self._guard])
        subject = "/v1/subjects/{subject}"
        made.router.add_get("/health", self._health, allow_head=False)
        made.router.add_get("/v1/status", self._status, allow_head=False)
        made.router.add_get("/v1/due", self._list_due, allow_head=False)
        made.router.add_get("/v1/log", self._log, allow_head=False)
        made.router.add_get("/v1/commitments/{commitment}", self._find, allow_head=False)
        made.router.add_get(subject, self._list, allow_head=False)
        made.router.add_post(subject + "/records/{kind}", self._put)
        made.router.add_get(subject + "/records/{kind}/{version}", self._show, allow_head=False)
        made.router.add_post(subject + "/calls", self._submit)
        made.router.add_get(subject + "/export", self._export, allow_head=False)
        made.router.add_post(subject + "/erase", self._erase)
        return made

    # --- before a route

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path != "/health":
                request[_ACTOR] = await self._recognise(request)
            answer = await handler(request)
        except web.HTTPException as error:
            answer = _refuse(error.status, error.reason)
            answer.headers.update({name: error.headers[name] for name in ("Allow",) if name in error.headers})
        except (VaultError, CommitmentError) as error:
            answer = self._refuse_fault(error)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def _recognise(self, request: web.Request) -> Actor:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        actor = await self._run(partial(self._find_officer, token)) if scheme == "Bearer" else None
        if actor is None:
            if not self._failures.take(request.remote or "?"):
                raise web.HTTPTooManyRequests(reason="too many wrong tokens")
            raise web.HTTPUnauthorized(reason="a token of an officer is needed")
        if not self._requests.take(actor.name):
            raise web.HTTPTooManyRequests(reason="too many requests")
        return actor

    def _find_officer(self, token: str) -> Actor | None:
        with self._vault.reading():
            return self._vault.officers.recognise(token)

    def _refuse_fault(self, error: VaultError | CommitmentError) -> web.Response:
        for known, status in _STATUS.items():
            if isinstance(error, known):
                return _refuse(status, str(error))
        log.error("vault_fault", error=type(error).__name__)
        return _refuse(500, "the vault cannot answer; the log of the service names the fault")

    # --- routes

    async def _health(self, _: web.Request) -> web.Response:
        return _answer({"status": "ok"})

    async def _status(self, request: web.Request) -> web.Response:
        return _answer(await self._run(partial(self._vault.status, request[_ACTOR])))

    async def _list_due(self, request: web.Request) -> web.Response:
        ensure_allowed(request[_ACTOR], Action.DUE)
        return _answer([one.to_json() for one in await self._due()])

    async def _log(self, request: web.Request) -> web.Response:
        ensure_allowed(request[_ACTOR], Action.LOG)
        first, count = _number(request, "from", 1), _number(request, "count", 100)

        def read() -> dict[str, object]:
            with self._vault.reading():
                head = self._vault.log.head()
                entries = self._vault.log.entries(first, count)
            return {"length": head.length, "head": f"0x{head.hash.hex()}", "entries": entries}

        return _answer(await self._run(read))

    async def _list(self, request: web.Request) -> web.Response:
        subject, reason = _about(request)
        found = await self._run(partial(self._vault.listed, request[_ACTOR], reason, subject))
        return _answer([_describe(one) for one in found])

    async def _find(self, request: web.Request) -> web.Response:
        commitment = parse_commitment(request.match_info["commitment"])
        found = await self._run(partial(self._vault.find, request[_ACTOR], _reason(request), commitment))
        return _answer({"subject": f"0x{found.place.subject.hex()}", **_describe(found)})

    async def _put(self, request: web.Request) -> web.Response:
        subject, reason = _about(request)
        kind = _kind(request)
        name = request.headers.get("Idempotency-Key", "")
        if not _IDEMPOTENCY_KEY.fullmatch(name):
            raise BadInput("Idempotency-Key has 8 to 64 letters, digits and . _ -")
        body = await _body(request, {"record", "call", "arguments"})
        if not isinstance(record := body.get("record"), dict):
            raise BadInput("a record is a JSON object")
        wish = None if body.get("call") is None else _wish(body)
        put = partial(self._vault.put, request[_ACTOR], reason, subject, kind, record)
        stored = await self._run(partial(put, wish=wish, request=name))
        if wish is not None:
            self._wake()
        told = {"version": stored.version, "commitment": f"0x{stored.commitment.hex()}"}
        return _answer(told, 201 if stored.is_new else 200)

    async def _show(self, request: web.Request) -> web.Response:
        subject, reason = _about(request)
        place = Place(subject, _kind(request), parse_version(request.match_info["version"]))
        opened = await self._run(partial(self._vault.show, request[_ACTOR], reason, place))
        return _answer(
            {
                "kind": str(place.kind),
                "version": place.version,
                "createdMs": opened.created_ms,
                "record": json.loads(opened.record),
                "commitment": f"0x{opened.commitment.hex()}",
            }
        )

    async def _submit(self, request: web.Request) -> web.Response:
        subject, reason = _about(request)
        body = await _body(request, {"call", "arguments", "kind", "version"})
        submit = partial(self._vault.submit, request[_ACTOR], reason, subject, _wish(body))
        number = await self._run(partial(submit, _place(subject, body)))
        self._wake()
        return _answer({"submission": number}, 202)

    async def _export(self, request: web.Request) -> web.Response:
        subject, reason = _about(request)
        export = partial(export_subject, self._vault, request[_ACTOR], reason, subject)
        return _answer(await self._run(export))

    async def _erase(self, request: web.Request) -> web.Response:
        subject, reason = _about(request)
        body = await _body(request, {"request", "kind", "version"})
        number, place = body.get("request"), _place(subject, body)
        if number is not None and (type(number) is not int or not 0 <= number < 2**32 or place):
            raise BadInput("a request is the number that the chain gave it, and about all of a subject")
        if place is None:
            work = partial(self._vault.erase, request[_ACTOR], reason, subject, number)
        else:
            work = partial(self._vault.erase_one, request[_ACTOR], reason, place)
        erasure = await self._run(work)
        self._wake()
        return _answer({"tombstone": f"0x{erasure.tombstone.hex()}", "record": json.loads(erasure.record)})

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)


def export_subject(vault: Vault, actor: Actor, reason: Reason, subject: AccountId) -> dict[str, Any]:
    """Return the signed document of a subject; NotAllowed."""
    kept = vault.export(actor, reason, subject)
    with vault.reading():
        about = (vault.genesis(), vault.now_ms())
        return make_export(subject, kept, vault.outbox.anchors_of, about, vault.sign_erasure, vault.public)


def _about(request: web.Request) -> tuple[AccountId, Reason]:
    return parse_subject(request.match_info["subject"]), _reason(request)


def _reason(request: web.Request) -> Reason:
    return parse_reason(request.headers.get("Loam-Purpose", ""), request.headers.get("Loam-Reference", ""))


def _place(subject: AccountId, body: dict[str, Any]) -> Place | None:
    if "kind" not in body and "version" not in body:
        return None
    kind = parse_choice(str(body.get("kind")), Kind, "a kind")
    return Place(subject, kind, parse_version(str(body.get("version"))))


def _describe(one: Listed) -> dict[str, object]:
    return {
        "kind": str(one.place.kind),
        "version": one.place.version,
        "createdMs": one.created_ms,
        "officer": one.officer,
        "commitment": f"0x{one.commitment.hex()}",
        "tombstone": None if one.tombstone is None else f"0x{one.tombstone.hex()}",
    }


def _kind(request: web.Request) -> Kind:
    return parse_choice(request.match_info["kind"], Kind, "a kind")


def _wish(body: dict[str, Any]) -> Wish:
    return parse_wish(body.get("call"), body.get("arguments", {}))


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isascii() or not text.isdecimal() or len(text) > 10:
        raise BadInput(f"{name} is a number")
    return int(text)


async def _body(request: web.Request, names: set[str]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(BODY_S):
            data = await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(reason="the body did not come in time") from error
    body = parse_record(data or b"{}")
    if unknown := sorted(body.keys() - names):
        raise BadInput(f"a body has: {', '.join(sorted(names))}; not {unknown[0][:40]!r}")
    return body


def _answer(value: object, status: int = 200) -> web.Response:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return web.Response(text=text, status=status, content_type="application/json")


def _refuse(status: int, why: str) -> web.Response:
    return _answer({"error": why}, status)
