"""The vault over HTTP: right requests are answered, all others refused without a word of what is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from apps.vault.errors import BadInput
from apps.vault.obligations import Nearness, Obligation
from apps.vault.policy import Kind, Role
from apps.vault.program import Settings, serve
from apps.vault.rates import BUCKETS_MAX, Rates
from apps.vault.vault import Vault
from apps.vault.web import BODY_BYTES_MAX, BURST, FAILURES_BURST, VaultService
from runtime.primitives.ss58 import encode_address
from tests.apps.vault.making import ALICE, BOB, CASES, KNOWS, REASON, SOMCHAI, VaultClock, make_vault

pytestmark = pytest.mark.net
SUBJECT = f"/v1/subjects/{encode_address(ALICE, 42)}"
PUT = f"{SUBJECT}/records/identity"
WHY = {"Loam-Purpose": "review", "Loam-Reference": "M-17"}
OWED = Obligation("erasure", "4", "Erase", 5, -1, Nearness.LATE, f"0x{ALICE.hex()}")


class Answer(NamedTuple):
    status: int
    body: Any
    headers: Any


class Site:
    """A service on loopback and a token for each role."""

    def __init__(
        self, vault: Vault, client: TestClient[Any, Any], clock: VaultClock, woken: list[None]
    ) -> None:
        self.vault = vault
        self.client = client
        self.clock = clock
        self.woken = woken
        self.tokens: dict[Role | None, str] = {None: ""}
        with vault.work():
            for role in (Role.IDENTITY, Role.PRIVACY, Role.CASES, Role.AUDITOR):
                self.tokens[role] = vault.officers.add(f"o-{role}", role, 0)

    async def ask(self, method: str, path: str, role: Role | None = Role.PRIVACY, **given: Any) -> Answer:
        """Ask as an officer, with a reason; `headers` replace what is sent besides."""
        headers = {"Authorization": f"Bearer {self.tokens[role]}", **WHY} | given.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        response: ClientResponse = await self.client.request(method, path, headers=headers, **given)
        assert response.headers["Cache-Control"] == "no-store"
        return Answer(response.status, json.loads(await response.text()), response.headers)

    async def put(self, record: Any = None, key: str = "request-1", **given: Any) -> Answer:
        """Put an identity."""
        body = {"record": SOMCHAI if record is None else record, **given.pop("body", {})}
        headers = {"Idempotency-Key": key, **given.pop("headers", {})}
        return await self.ask("POST", PUT, Role.IDENTITY, json=body, headers=headers, **given)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    clock, woken = VaultClock(), list[None]()

    async def due() -> list[Obligation]:
        return [OWED]

    with make_vault(tmp_path / "vault") as vault, ThreadPoolExecutor(1) as executor:
        service = VaultService(vault, executor, clock, due, lambda: woken.append(None))
        async with TestClient(TestServer(service.application())) as client:
            yield Site(vault, client, clock, woken)


# --- what is answered


async def test_health_needs_no_token_and_tells_nothing(site: Site) -> None:
    assert (await site.ask("GET", "/health", None))[:2] == (200, {"status": "ok"})


async def test_a_record_is_put_shown_listed_exported_and_erased(site: Site) -> None:
    stored = await site.put()
    assert stored.status == 201
    shown = await site.ask("GET", f"{PUT}/1")
    assert (shown.status, shown.body["record"]) == (200, SOMCHAI)
    assert shown.body["commitment"] == stored.body["commitment"]
    assert "salt" not in shown.body
    listed = await site.ask("GET", SUBJECT, Role.AUDITOR)
    assert [(one["kind"], one["version"], one["officer"]) for one in listed.body] == [
        ("identity", 1, "o-identity")
    ]
    exported = await site.ask("GET", f"{SUBJECT}/export")
    assert exported.body["records"][0]["record"] == SOMCHAI
    erased = await site.ask("POST", f"{SUBJECT}/erase", json={"request": 3})
    assert erased.status == 200
    assert len(site.woken) == 1
    gone = await site.ask("GET", f"{PUT}/1")
    assert gone.status == 410
    assert erased.body["tombstone"] in gone.body["error"]


async def test_calls_are_queued_and_the_link_is_woken(site: Site) -> None:
    body = {"call": "file_kyc", "arguments": {"country": "TH"}}
    assert (await site.put(body=body)).status == 201
    attest = {"call": "attest_kyc", "arguments": {"tier": "Basic", "expires_ms": 5}}
    assert (await site.ask("POST", f"{SUBJECT}/calls", Role.IDENTITY, json=attest)).status == 202
    retain = {
        "call": "start_retention",
        "arguments": {"category": "Identity"},
        "kind": "identity",
        "version": 1,
    }
    assert (await site.ask("POST", f"{SUBJECT}/calls", json=retain)).status == 202
    assert len(site.woken) == 3
    assert (await site.ask("GET", "/v1/status", Role.AUDITOR)).body["calls"] == {"queued": 3}


async def test_the_log_and_what_is_due_are_read(site: Site) -> None:
    await site.put()
    log = await site.ask("GET", "/v1/log?from=1&count=5", Role.AUDITOR)
    assert [(one["officer"], one["action"]) for one in log.body["entries"]] == [("o-identity", "put")]
    assert log.body["length"] == 1
    assert (await site.ask("GET", "/v1/due", Role.AUDITOR)).body == [OWED.to_json()]


# --- who is refused


ROUTES = [
    ("GET", "/v1/status"),
    ("GET", "/v1/due"),
    ("GET", "/v1/log"),
    ("GET", SUBJECT),
    ("POST", PUT),
    ("GET", f"{PUT}/1"),
    ("POST", f"{SUBJECT}/calls"),
    ("GET", f"{SUBJECT}/export"),
    ("POST", f"{SUBJECT}/erase"),
    ("GET", "/v1/nothing"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_nothing_is_answered_without_a_token(site: Site, method: str, path: str) -> None:
    for authorization in (None, "", "Bearer", "Bearer ", "Basic eA==", "Bearer loamv1.o-privacy." + "0" * 64):
        answer = await site.ask(method, path, headers={"Authorization": authorization})
        assert answer[:2] == (401, {"error": "a token of an officer is needed"})
    assert site.vault.log.head().length == 0


async def test_a_dismissed_officer_is_refused_at_once(site: Site) -> None:
    assert (await site.ask("GET", "/v1/status")).status == 200
    with site.vault.work():
        site.vault.officers.revoke("o-privacy", 1)
    assert (await site.ask("GET", "/v1/status")).status == 401


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        (Role.AUDITOR, "POST", PUT),
        (Role.AUDITOR, "GET", f"{PUT}/1"),
        (Role.AUDITOR, "GET", f"{SUBJECT}/export"),
        (Role.AUDITOR, "POST", f"{SUBJECT}/erase"),
        (Role.IDENTITY, "GET", f"{SUBJECT}/export"),
        (Role.IDENTITY, "POST", f"{SUBJECT}/erase"),
        (Role.IDENTITY, "GET", f"{SUBJECT}/records/answer/1"),
        (Role.IDENTITY, "GET", f"{SUBJECT}/records/case/1"),
        (Role.IDENTITY, "GET", "/v1/log"),
        (Role.IDENTITY, "GET", "/v1/due"),
        (Role.PRIVACY, "GET", f"{SUBJECT}/records/case/1"),
        (Role.CASES, "GET", f"{PUT}/1"),
        (Role.CASES, "GET", "/v1/log"),
        (Role.CASES, "POST", f"{SUBJECT}/erase"),
    ],
)
async def test_other_roles_are_refused(site: Site, role: Role, method: str, path: str) -> None:
    await site.put()
    site.vault.put(CASES, REASON, ALICE, Kind.CASE, {})
    given = {"json": {"record": {}}, "headers": {"Idempotency-Key": "request-2"}} if path == PUT else {}
    answer = await site.ask(method, path, role, **given)
    assert answer.status == 403
    assert site.vault.status(KNOWS)["records"] == 2


# --- what is refused


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/subjects/", 404),
        ("GET", "/v1/subjects/0x00", 400),
        ("GET", f"/v1/subjects/0x{'0' * 64}/records/identity/1", 404),
        ("GET", f"{SUBJECT}/records/secret/1", 400),
        ("GET", f"{SUBJECT}/records/identity/2", 404),
        ("GET", f"{SUBJECT}/records/identity/0", 400),
        ("GET", f"{SUBJECT}/records/identity/1.5", 400),
        ("GET", f"{SUBJECT}/records/identity/99999999999", 400),
        ("GET", "/v1/subjects/..%2f..%2fetc%2fpasswd", 400),
        ("GET", "/v1/subjects/%2e%2e%2f%2e%2e%2fkeys.db/records/identity/1", 400),
        ("GET", f"{SUBJECT}/records/..%2f..%2frecords.db/1", 400),
        ("GET", f"{SUBJECT}/records/identity%00/1", 400),
        ("GET", "/v1/subjects/' OR 1=1 --", 400),
        ("GET", "/v1/log?from=x", 400),
        ("GET", "/v1/log?count=-1", 400),
        ("GET", "/v1/log?from=99999999999", 400),
        ("DELETE", SUBJECT, 405),
        ("PUT", PUT, 405),
        ("HEAD", "/v1/status", 405),
    ],
)
async def test_other_paths_are_refused(site: Site, method: str, path: str, status: int) -> None:
    await site.put()
    if method == "HEAD":
        response = await site.client.head(
            path, headers={"Authorization": f"Bearer {site.tokens[Role.PRIVACY]}"}
        )
        assert response.status == status
        return
    answer = await site.ask(method, path)
    assert answer.status == status
    assert "error" in answer.body


@pytest.mark.parametrize(
    "headers",
    [
        {"Loam-Purpose": None},
        {"Loam-Purpose": "curiosity"},
        {"Loam-Reference": "somebody's name"},
        {"Loam-Reference": "x" * 33},
    ],
)
async def test_no_subject_is_touched_without_a_reason(site: Site, headers: dict[str, str | None]) -> None:
    await site.put()
    for method, path in ROUTES[3:9]:
        answer = await site.ask(method, path, headers={"Idempotency-Key": "request-2", **headers})
        assert answer.status == 400, path
    assert site.vault.log.head().length == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"\xff", 400),
        (b'{"record": 1}', 400),
        (b'{"record": {}, "record": {}}', 400),
        (b'{"record": {"a": 1, "a": 2}}', 400),
        (b'{"record": {}, "subject": "x"}', 400),
        (b'{"record": {"a": 1.5}}', 400),
        (b'{"record": {"a": NaN}}', 400),
        (b'{"record": {"a": "\\ud800"}}', 400),
        (b'{"record": ' + b'{"a":' * 40 + b"1" + b"}" * 41, 400),
        (b"[" * 5000, 400),
        (b'{"record": {}, "call": "freeze"}', 400),
        (b'{"record": {}, "call": 5}', 400),
        (b'{"record": {}, "call": "file_kyc"}', 400),
        (b'{"record": {}, "call": "open_case"}', 403),
        (b'{"record": {}, "call": "confirm_erasure", "arguments": {}}', 400),
        (b'{"record": {"a": "%s"}}' % (b"x" * 65_536), 413),
        (b'{"record": {"a": "%s"}}' % (b"x" * BODY_BYTES_MAX), 413),
    ],
    ids=lambda one: str(one)[:40],
)
async def test_other_bodies_are_refused(site: Site, data: bytes, status: int) -> None:
    answer = await site.ask("POST", PUT, Role.IDENTITY, data=data, headers={"Idempotency-Key": "request-1"})
    assert answer.status == status
    assert site.vault.status(KNOWS)["records"] == 0
    assert site.woken == []


@pytest.mark.parametrize("request_id", [-1, 2**32, "1", 1.5, True, {}])
async def test_an_erasure_is_of_a_request_of_the_chain(site: Site, request_id: Any) -> None:
    await site.put()
    answer = await site.ask("POST", f"{SUBJECT}/erase", json={"request": request_id})
    assert answer.status == 400
    assert site.vault.status(KNOWS)["erased"] == 0


async def test_one_record_is_found_by_its_commitment_and_erased(site: Site) -> None:
    await site.put()
    stored = await site.put({"n": 2}, "request-2")
    found = await site.ask("GET", f"/v1/commitments/{stored.body['commitment']}")
    assert (found.body["kind"], found.body["version"]) == ("identity", 2)
    erased = await site.ask("POST", f"{SUBJECT}/erase", json={"kind": "identity", "version": 2})
    assert erased.status == 200
    assert (await site.ask("GET", f"{PUT}/1")).status == 200
    assert (await site.ask("GET", f"{PUT}/2")).status == 410
    for commitment, status in (("0x" + "0" * 64, 404), ("0x", 400), ("..%2fkeys.db", 400)):
        assert (await site.ask("GET", f"/v1/commitments/{commitment}")).status == status


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "identity"},
        {"version": 1},
        {"kind": "identity", "version": 0},
        {"kind": "all", "version": 1},
        {"kind": "identity", "version": 1, "request": 1},
        {"kind": "identity", "version": [1]},
    ],
)
async def test_what_is_to_be_erased_is_said_exactly(site: Site, body: dict[str, Any]) -> None:
    await site.put()
    assert (await site.ask("POST", f"{SUBJECT}/erase", json=body)).status == 400
    assert site.vault.status(KNOWS)["erased"] == 0


async def test_who_has_nothing_to_be_erased_is_unknown(site: Site) -> None:
    assert (await site.ask("POST", f"{SUBJECT}/erase")).status == 404


@pytest.mark.parametrize("key", [None, "", "short", "x" * 65, "with space"])
async def test_a_put_needs_a_name_for_the_request(site: Site, key: str | None) -> None:
    assert (await site.put(headers={"Idempotency-Key": key})).status == 400


async def test_a_replayed_put_does_nothing_and_another_one_under_its_name_is_refused(site: Site) -> None:
    first = await site.put()
    again = await site.put()
    assert (again.status, again.body) == (200, first.body)
    assert (await site.put({"other": 1})).status == 409
    assert site.vault.status(KNOWS)["records"] == 1


async def test_errors_and_logs_say_nothing_of_a_record(site: Site) -> None:
    with capture_logs() as logs:
        await site.put()
        site.vault._keyring.database.execute("UPDATE key SET wrapped = zeroblob(120)")
        answer = await site.ask("GET", f"{PUT}/1")
    assert answer[:2] == (500, {"error": "the vault cannot answer; the log of the service names the fault"})
    assert logs == [{"event": "vault_fault", "error": "Damaged", "log_level": "error"}]


# --- rates


async def test_an_officer_asks_so_often_and_not_more(site: Site) -> None:
    statuses = [(await site.ask("GET", "/v1/status")).status for _ in range(BURST + 1)]
    assert statuses == [200] * BURST + [429]
    assert (await site.ask("GET", "/v1/status", Role.AUDITOR)).status == 200
    site.clock.advance(1000)
    assert (await site.ask("GET", "/v1/status")).status == 200


async def test_who_tries_tokens_is_soon_not_listened_to(site: Site) -> None:
    statuses = [(await site.ask("GET", "/v1/status", None)).status for _ in range(FAILURES_BURST + 1)]
    assert statuses == [401] * FAILURES_BURST + [429]
    assert (await site.ask("GET", "/v1/status")).status == 200  # behind a proxy all have one address
    site.clock.advance(60_000)
    assert (await site.ask("GET", "/v1/status", None)).status == 401


def test_buckets_are_bounded_and_fill_up_again() -> None:
    clock = VaultClock()
    rates = Rates(clock, 2.0, 3)
    assert [rates.take("a") for _ in range(4)] == [True, True, True, False]
    clock.advance(500)
    assert [rates.take("a"), rates.take("a")] == [True, False]
    clock.advance(10**9)
    assert [rates.take("a") for _ in range(4)] == [True, True, True, False]
    for n in range(BUCKETS_MAX + 5):
        rates.take(f"n{n}")
    assert len(rates._buckets) == BUCKETS_MAX


# --- the service


async def test_others_than_this_machine_need_a_proxy_in_front(site: Site) -> None:
    async def ready(_: int) -> None:
        raise AssertionError

    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(BadInput):
            await serve(site.vault, Settings(host, 0), site.clock, ready)


async def test_the_service_answers_until_it_is_cancelled_and_without_a_chain(site: Site) -> None:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ready(number: int) -> None:
        port.set_result(number)

    async with asyncio.TaskGroup() as group:
        serving = group.create_task(serve(site.vault, Settings("127.0.0.1", 0), site.clock, ready))
        url = f"http://127.0.0.1:{await port}"
        async with site.client.session.get(f"{url}/health") as answer:
            assert answer.status == 200
        headers = {"Authorization": f"Bearer {site.tokens[Role.PRIVACY]}"}
        async with site.client.session.get(f"{url}/v1/due", headers=headers) as answer:
            assert answer.status == 503
        serving.cancel()
    assert site.vault.status(KNOWS)["records"] == 0


async def test_many_officers_at_once_take_turns(site: Site) -> None:
    subjects = [f"/v1/subjects/0x{who.hex()}/records/identity" for who in (ALICE, BOB)]
    answers = await asyncio.gather(
        *(
            site.ask(
                "POST",
                subjects[n % 2],
                Role.IDENTITY,
                json={"record": {"n": n}},
                headers={"Idempotency-Key": f"request-{n}"},
            )
            for n in range(10)
        )
    )
    assert sorted(one.body["version"] for one in answers) == sorted([*range(1, 6), *range(1, 6)])
