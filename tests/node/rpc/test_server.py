"""The server over real sockets: HTTP, WebSocket, pages, CORS, Host check."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from node.rpc.dispatch import NoObserver
from node.rpc.methods import Methods
from node.rpc.server import RpcConfig, RpcServer, bind_sockets, serve
from tests.node.rpc.demo import Demo, running

pytestmark = pytest.mark.net


class Client:
    """Speaks to one server over HTTP and WebSocket."""

    def __init__(self, server: RpcServer, demo: Demo, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.demo = demo
        self.http = http
        self.url = f"http://127.0.0.1:{server.port}/"

    async def post(self, body: object, **headers: str) -> tuple[int, object]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.url, data=data, headers=headers) as response:
            text = await response.read()
            return response.status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()

    async def call(self, name: str, *params: object) -> object:
        status, answer = await self.post(call(name, *params))
        assert status == 200
        assert isinstance(answer, dict)
        return answer["result"] if "result" in answer else answer["error"]


def call(name: str, *params: object, id_: object = 1) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": id_, "method": name, "params": list(params)}


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with running() as (server, demo), aiohttp.ClientSession() as http:
        yield Client(server, demo, http)


async def test_http_call_is_answered(client: Client) -> None:
    assert await client.call("system_health") == {"peers": 0, "isSyncing": False, "shouldHavePeers": False}


async def test_http_notification_gets_no_content(client: Client) -> None:
    assert await client.post({"jsonrpc": "2.0", "method": "system_health"}) == (204, "")


async def test_ipv6_loopback_is_served_on_the_same_port(client: Client) -> None:
    hosts = {host for host, _ in client.server.addresses}
    if "::1" not in hosts:
        pytest.skip("no IPv6 on this machine")
    async with client.http.post(
        f"http://[::1]:{client.server.port}/", json=call("system_health")
    ) as response:
        assert response.status == 200


async def test_websocket_call_is_answered_in_text_and_binary_on_any_path(client: Client) -> None:
    async with client.http.ws_connect(client.url + "any/path") as socket:
        await socket.send_str(json.dumps(call("system_health", id_=0)))
        assert json.loads(await socket.receive_str())["id"] == 0
        await socket.send_bytes(json.dumps(call("system_health", id_="b")).encode())
        assert json.loads(await socket.receive_str())["id"] == "b"


async def test_subscription_is_answered_before_its_first_notice(client: Client) -> None:
    async with client.http.ws_connect(client.url) as socket:
        await socket.send_str(json.dumps(call("subscribe_newHead")))
        subscription = json.loads(await socket.receive_str())["result"]
        assert json.loads(await socket.receive_str()) == {
            "jsonrpc": "2.0",
            "method": "chain_newHead",
            "params": {"subscription": subscription, "result": {"number": "0x0"}},
        }
        await socket.send_str(json.dumps(call("chain_unsubscribeNewHeads", subscription)))
        assert json.loads(await socket.receive_str())["result"] is True
        await socket.send_str(json.dumps(call("chain_unsubscribeNewHeads", subscription)))
        assert json.loads(await socket.receive_str())["result"] is False


async def test_calls_that_arrive_together_reach_the_batch_handler_together(client: Client) -> None:
    async with client.http.ws_connect(client.url) as socket:
        for n in range(300):
            await socket.send_str(json.dumps(call("test_collect", n, id_=n)))
        await socket.send_str(json.dumps(call("test_collect", "no number", id_="wrong")))
        answers = [json.loads(await socket.receive_str()) for _ in range(301)]
    assert [answer["id"] for answer in answers] == [*range(300), "wrong"]
    assert answers[7]["error"] == {"code": 7, "message": "seven"}
    assert answers[300]["error"]["code"] == -32602
    assert [answer["result"] for answer in answers[8:300]] == list(range(8, 300))
    assert list(itertools.chain(*client.demo.collected)) == list(range(300))
    assert len(client.demo.collected) < 150


async def test_calls_just_before_a_close_are_still_run(client: Client) -> None:
    async with client.http.ws_connect(client.url) as socket:
        await socket.send_str(json.dumps(call("test_collect", 1)))
        await socket.send_str(json.dumps(call("test_later", 1)))
        await socket.send_str(json.dumps(call("test_collect", 2)))
    await asyncio.sleep(0.05)
    assert list(itertools.chain(*client.demo.collected)) == [1, 2]


async def test_pages_answer_get_and_other_paths_say_what_to_do(client: Client) -> None:
    async with client.http.get(client.url + "health") as response:
        assert (response.status, await response.text()) == (200, "{}")
    async with client.http.get(client.url + "health/readiness") as response:
        assert response.status == 500
    async with client.http.get(client.url) as response:
        assert response.status == 405
        assert "POST" in await response.text()


async def test_foreign_host_and_origin_are_refused(client: Client) -> None:
    assert (await client.post(call("system_health"), Host="rebound.example"))[0] == 403
    assert (await client.post(call("system_health"), Origin="https://evil.example"))[0] == 403
    assert (await client.post(call("system_health"), Host="localhost:1", Origin="http://localhost:3000"))[
        0
    ] == 200


async def test_taken_port_is_replaced_by_a_free_one() -> None:
    async with running() as (first, _), running(RpcConfig(port=first.port)) as (second, _):
        assert second.port != first.port


async def test_taken_port_is_an_error_when_no_other_is_wanted() -> None:
    async with running() as (first, _):
        with pytest.raises(OSError, match="in use"):
            bind_sockets(RpcConfig(port=first.port, retry_random_port=False))


def test_uvloop_serves_http_and_websocket_too() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def exchange() -> tuple[object, object]:
        async with running() as (server, demo), aiohttp.ClientSession() as http:
            client = Client(server, demo, http)
            async with http.ws_connect(client.url) as socket:
                await socket.send_str(json.dumps(call("test_raw")))
                return await client.call("test_raw"), json.loads(await socket.receive_str())["result"]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(exchange()) == ({"raw": 1}, {"raw": 1})


@pytest.mark.parametrize("trusted", [True, False])
async def test_rate_limit_counts_by_the_address_that_a_trusted_proxy_appends(trusted: bool) -> None:
    config = RpcConfig(port=0, calls_per_minute=1, trust_proxy=trusted)
    async with running(config) as (server, demo), aiohttp.ClientSession() as http:
        client = Client(server, demo, http)

        async def is_served(forwarded: str) -> bool:
            _, answer = await client.post(call("system_health"), **{"X-Forwarded-For": forwarded})
            assert isinstance(answer, dict)
            return "result" in answer

        assert await is_served("10.0.0.1")
        assert not await is_served("10.0.0.9, 10.0.0.1"), "what the caller says of itself does not count"
        assert await is_served("10.0.0.2") == trusted
        assert not await is_served("nonsense") or trusted
        async with http.ws_connect(client.url, headers={"X-Forwarded-For": "10.0.0.3"}) as socket:
            await socket.send_str(json.dumps(call("system_health")))
            assert ("result" in json.loads(await socket.receive_str())) == trusted


async def test_clock_of_the_server_is_the_one_given() -> None:
    ticks = itertools.count(0.0, 0.25)
    times: list[int] = []

    class Observer(NoObserver):
        def on_finished(self, protocol: str, method: str, calls: int, errors: int, took_us: int) -> None:
            times.append(took_us)

    methods = Methods(Demo())
    async with (
        asyncio.TaskGroup() as tasks,
        serve(methods, RpcConfig(port=0), tasks, now=lambda: next(ticks), observer=Observer()) as server,
        aiohttp.ClientSession() as http,
        http.post(f"http://127.0.0.1:{server.port}/", json=call("system_health")) as response,
    ):
        assert response.status == 200
    assert times
    assert all(took and took % 250_000 == 0 for took in times)
