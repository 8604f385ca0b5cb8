"""The clients' scenarios against a network of four validators, each client at a node of its own.

What a client sends there is gossiped, sealed by whoever leads, agreed on, and read where it was sent.
"""

from collections.abc import Iterator

import pytest

from tests.processes.devnet import running_devnet
from tests.wallets.availability import unavailable
from tests.wallets.conftest import Job, Runs
from tests.wallets.environments import EVERY, EnvironmentMissing
from tests.wallets.scenarios import scenarios_of

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(900), pytest.mark.xdist_group("devnet")]


@pytest.fixture(scope="module")
def network_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Every scenario of every client, begun at once."""
    with running_devnet(tmp_path_factory.mktemp("validators")) as devnet:
        urls = [node["rpc"] for node in devnet.ready["nodes"]]
        endpoints = {client: urls[number % len(urls)] for number, client in enumerate(EVERY)}
        started = Runs(
            endpoints, {client: [Job("", one) for one in scenarios_of(client)] for client in EVERY}
        )
        yield started
        started.close()


@pytest.mark.parametrize("client", EVERY)
def test_client_passes_every_scenario_among_validators(client: str, network_runs: Runs) -> None:
    failed = {}
    for scenario in scenarios_of(client):
        try:
            outcome = network_runs.outcome(client, Job("", scenario))
        except EnvironmentMissing as missing:
            unavailable(f"wallet client {client} cannot run: {missing}")
        else:
            if not outcome.ok:
                failed[scenario] = outcome.detail
    assert not failed, "\n".join(f"{scenario}: {detail}" for scenario, detail in failed.items())
