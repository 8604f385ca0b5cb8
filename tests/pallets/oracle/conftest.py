"""Fixtures for tests of the oracle: its chain, whose stored data is checked after every test."""

from collections.abc import Iterator

import pytest

from tests.support.oracle import Panel


@pytest.fixture
def panel() -> Iterator[Panel]:
    """The providers of a chain in the first block of a round."""
    made = Panel()
    made.next_round()
    yield made
    made.chain.close_block()
