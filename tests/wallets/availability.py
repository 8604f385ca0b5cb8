"""What a test does when a wallet library cannot run here: it skips with a plain message, or it fails."""

import os

import pytest

from tests.wallets.environments import EVERY, ZOMBIENET, Client, EnvironmentMissing, prepare

REQUIRED = os.environ.get("WALLETS_REQUIRED") == "1"


def unavailable(reason: str) -> None:
    """End the running test; the gate sets WALLETS_REQUIRED=1 and so turns skips into failures."""
    if REQUIRED:
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require(name: str) -> Client:
    """Return the client, installed; ends the test when that cannot be."""
    client = ZOMBIENET if name == ZOMBIENET.name else EVERY[name]
    try:
        prepare(client)
    except EnvironmentMissing as missing:
        unavailable(f"wallet client {name} cannot run: {missing}")
    return client
