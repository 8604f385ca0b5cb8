"""Fixtures of the command-line tests."""

import pytest

from tests.node.cli.running import Loam


@pytest.fixture
def loam(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Loam:
    return Loam(capfd, monkeypatch)
