"""One node for all wallet tests, one scenario program for each client.

The clients have accounts of their own and run side by side: the first test that asks for a client starts the
selected scenarios of every client, and each test then waits for its own answer.
"""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import NamedTuple

import pytest

from tests.wallets.availability import unavailable
from tests.wallets.driver import SCENARIO_TIMEOUT_S, Outcome, Program, dev_node, running
from tests.wallets.environments import EVERY, EnvironmentMissing, prepare
from tests.wallets.faults import HANG_TIMEOUT_S, SABOTAGE
from tests.wallets.saboteur import relaying
from tests.wallets.scenarios import EXCLUSIVE

ENDPOINT = "WALLETS_ENDPOINT"
"""Names a node that runs already; the variables that begin with LOAM_ are the node's own settings."""
SETTLE_S = 1.5


class Job(NamedTuple):
    """A scenario of a client, on a whole node (`fault` empty) or on one that is broken in the named way."""

    fault: str
    scenario: str


class Runs:
    """The outcomes of the selected scenarios, as they come; each client has one worker and one program."""

    def __init__(self, endpoints: Mapping[str, str], wanted: dict[str, list[Job]]) -> None:
        """`endpoints` says of each client which node it uses."""
        self._endpoints = endpoints
        self._sudo = threading.Lock()
        self._programs: dict[str, Program] = {}
        self._workers = {client: ThreadPoolExecutor(1) for client in wanted}
        self._outcomes = {
            (client, job): self._workers[client].submit(self._run, client, job)
            for client, jobs in wanted.items()
            for job in jobs
        }

    def _run(self, client: str, job: Job) -> Outcome:
        prepare(EVERY[client])
        if job.fault:
            return self._run_sabotaged(client, job)
        if client not in self._programs:
            self._programs[client] = Program(EVERY[client], self._endpoints[client])
        with self._sudo if job.scenario in EXCLUSIVE else nullcontext():
            return self._programs[client].run(job.scenario)

    def _run_sabotaged(self, client: str, job: Job) -> Outcome:
        """Run on a broken node, then let pass the block in which left-over transactions are included."""
        sabotage = SABOTAGE[job.fault]
        timeout_s = HANG_TIMEOUT_S if sabotage.hangs(client) else SCENARIO_TIMEOUT_S
        with (
            relaying(self._endpoints[client], sabotage.make()) as broken,
            running(EVERY[client], broken) as program,
        ):
            outcome = program.run(job.scenario, timeout_s)
        time.sleep(SETTLE_S)
        return outcome

    def outcome(self, client: str, job: Job) -> Outcome:
        """Wait for the outcome; raises EnvironmentMissing when the client cannot run here."""
        return self._outcomes[client, job].result()

    def close(self) -> None:
        for worker in self._workers.values():
            worker.shutdown(cancel_futures=True)
        for program in self._programs.values():
            program.close()


def _selected(session: pytest.Session) -> dict[str, list[Job]]:
    """The jobs of each client in the order of the tests, those on a broken node last."""
    wanted: defaultdict[str, list[Job]] = defaultdict(list)
    for item in session.items:
        if isinstance(item, pytest.Function) and {"client", "outcome"} <= set(item.fixturenames):
            chosen = item.callspec.params
            wanted[str(chosen["client"])].append(Job(str(chosen.get("fault", "")), str(chosen["scenario"])))
    return {client: sorted(jobs, key=lambda job: job.fault != "") for client, jobs in wanted.items()}


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The WebSocket endpoint of a running development chain."""
    if given := os.environ.get(ENDPOINT):
        yield given
        return
    with dev_node(tmp_path_factory.mktemp("node")) as started:
        yield started


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, endpoint: str) -> Iterator[Runs]:
    started = Runs(dict.fromkeys(EVERY, endpoint), _selected(request.session))
    yield started
    started.close()


@pytest.fixture
def fault() -> str:
    """Nothing is broken unless a test says so."""
    return ""


@pytest.fixture
def outcome(client: str, scenario: str, fault: str, runs: Runs) -> Outcome:
    """What the client reports of the scenario."""
    try:
        return runs.outcome(client, Job(fault, scenario))
    except EnvironmentMissing as missing:
        unavailable(f"wallet client {client} cannot run: {missing}")
        raise
