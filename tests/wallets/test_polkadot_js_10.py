"""Acceptance of the node by the unmodified @polkadot/api 10.13.1."""

import pytest

from tests.wallets.driver import Outcome
from tests.wallets.scenarios import scenarios_of

CLIENT = "polkadot_js_10"

pytestmark = [pytest.mark.slow, pytest.mark.net, pytest.mark.timeout(900), pytest.mark.xdist_group("wallets")]


@pytest.mark.parametrize("client", [CLIENT])
@pytest.mark.parametrize("scenario", scenarios_of(CLIENT))
def test_client_passes(outcome: Outcome) -> None:
    if not outcome.ok:
        pytest.fail(str(outcome.detail), pytrace=False)
