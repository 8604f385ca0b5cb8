"""One node for all wallet tests, one scenario program for each client.

The clients have accounts of their own and run side by side: the first test that asks for a client starts the
selected scenarios of every client, and each test then waits for its own answer.
"""

import importlib.util
import os
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack

import pytest

from tests.wallets.availability import absent, unavailable
from tests.wallets.driver import Outcome, Program, dev_node
from tests.wallets.environments import EVERY, EnvironmentMissing, prepare
from tests.wallets.scenarios import EXCLUSIVE

ENDPOINT = "LOAM_WALLET_ENDPOINT"


class Runs:
    """The outcomes of the selected scenarios, as they come."""

    def __init__(self, endpoint: str, wanted: dict[str, list[str]]) -> None:
        self.endpoint = endpoint
        self._sudo = threading.Lock()
        self._stopping = threading.Event()
        self._outcomes = {
            (client, scenario): Future[Outcome]()
            for client, scenarios in wanted.items()
            for scenario in scenarios
        }
        self._threads = [
            threading.Thread(target=self._serve, args=entry, daemon=True) for entry in wanted.items()
        ]
        for thread in self._threads:
            thread.start()

    def _serve(self, name: str, scenarios: list[str]) -> None:
        program: Program | None = None
        try:
            prepare(EVERY[name])
            program = Program(EVERY[name], self.endpoint)
            for scenario in scenarios:
                if self._stopping.is_set():
                    return
                with self._sudo if scenario in EXCLUSIVE else ExitStack():
                    self._outcomes[name, scenario].set_result(program.run(scenario))
        except EnvironmentMissing as missing:
            for scenario in scenarios:
                self._outcomes[name, scenario].set_exception(missing)
        finally:
            if program is not None:
                program.close()

    def outcome(self, client: str, scenario: str) -> Outcome:
        """Wait for the outcome; raises EnvironmentMissing when the client cannot run here."""
        return self._outcomes[client, scenario].result()

    def close(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def _selected(session: pytest.Session) -> dict[str, list[str]]:
    wanted: defaultdict[str, list[str]] = defaultdict(list)
    for item in session.items:
        if isinstance(item, pytest.Function) and {"client", "outcome"} <= set(item.fixturenames):
            parameters = item.callspec.params
            wanted[str(parameters["client"])].append(str(parameters["scenario"]))
    return dict(wanted)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The WebSocket endpoint of a running development chain."""
    if given := os.environ.get(ENDPOINT):
        yield given
        return
    if importlib.util.find_spec("node.service") is None:
        unavailable("the node cannot be started yet", required=False)
    with dev_node(tmp_path_factory.mktemp("node")) as started:
        yield started


@pytest.fixture(scope="session")
def runs(request: pytest.FixtureRequest, endpoint: str) -> Iterator[Runs]:
    started = Runs(endpoint, _selected(request.session))
    yield started
    started.close()


@pytest.fixture
def outcome(client: str, scenario: str, runs: Runs) -> Outcome:
    """What the client reports of the scenario."""
    try:
        return runs.outcome(client, scenario)
    except EnvironmentMissing as missing:
        unavailable(f"wallet client {client} cannot run: {missing}")
        raise


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for reason in absent:
        terminalreporter.write_line(f"WALLET TESTS DID NOT RUN: {reason}", yellow=True)
