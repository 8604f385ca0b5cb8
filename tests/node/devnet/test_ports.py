"""Free ports: the preferred one, or the nearest above; none twice; one in use is named."""

import socket

import pytest

from node.config import ExitCode, StartError
from node.devnet.ports import PORT_MAX, TRIES_MAX, Ports, probe
from tests.processes.running import free_port


def test_preferred_port_or_the_nearest_free_one_above_and_none_twice() -> None:
    ports = Ports(lambda port: port not in {9944, 9946})
    assert [ports.find(9944) for _ in range(3)] == [9945, 9947, 9948]
    assert ports.find(100) == 100


def test_port_in_use_that_somebody_asked_for_is_refused() -> None:
    ports = Ports(lambda port: port != 9944)
    with pytest.raises(StartError, match="port 9944 is in use; choose another with --rpc-port") as refused:
        ports.claim(9944, "--rpc-port")
    assert refused.value.exit_code == ExitCode.PORT_IN_USE
    assert ports.claim(9945, "--rpc-port") == 9945
    with pytest.raises(StartError, match="port 9945 is in use"):
        ports.claim(9945, "--port")
    assert ports.find(9945) == 9946


def test_search_ends_before_the_ports_of_outgoing_connections_and_after_a_limit() -> None:
    with pytest.raises(StartError, match=f"no port from {PORT_MAX} on is free") as refused:
        Ports(lambda port: port > PORT_MAX).find(PORT_MAX)
    assert refused.value.exit_code == ExitCode.PORT_IN_USE
    assert Ports(lambda port: port == PORT_MAX).find(PORT_MAX - 1) == PORT_MAX
    asked: list[int] = []

    def never(port: int) -> bool:
        asked.append(port)
        return False

    with pytest.raises(StartError):
        Ports(never).find(1)
    assert asked == list(range(1, TRIES_MAX + 1))


@pytest.mark.net
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_port_that_somebody_listens_on_is_in_use(host: str) -> None:
    with socket.socket() as listener:
        listener.bind((host, 0))
        listener.listen()
        assert not probe(listener.getsockname()[1])


@pytest.mark.net
def test_port_that_nobody_listens_on_is_free() -> None:
    assert probe(free_port())
