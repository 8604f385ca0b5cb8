"""The acceptance tests can fail: a node broken on purpose fails the scenario that looks at the broken thing.

A relay between client and node spoils one thing at a time. The scenario must fail, and for the right reason;
with nothing spoiled it passes through the same relay.
"""

import re

import pytest

from tests.wallets.driver import Outcome
from tests.wallets.environments import EVERY
from tests.wallets.faults import SABOTAGE

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(900), pytest.mark.xdist_group("wallets")]

BROKEN = [
    pytest.param(fault, client, scenario, complaint, id=f"{fault}-{client}-{scenario}")
    for fault, sabotage in SABOTAGE.items()
    for client, (scenario, complaint) in sabotage.noticed.items()
]


@pytest.mark.parametrize(("fault", "client", "scenario", "complaint"), BROKEN)
def test_scenario_notices_the_broken_node(outcome: Outcome, complaint: str) -> None:
    assert not outcome.ok, f"passed on a broken node: {outcome.detail}"
    assert re.search(complaint, str(outcome.detail)), f"failed for another reason: {outcome.detail}"


@pytest.mark.parametrize("fault", ["nothing"])
@pytest.mark.parametrize("client", EVERY)
@pytest.mark.parametrize("scenario", ["transfer_ed25519"])
def test_relay_alone_breaks_nothing(outcome: Outcome) -> None:
    if not outcome.ok:
        pytest.fail(str(outcome.detail), pytrace=False)
