"""Fixtures for the market's tests: a chain with one zone, whose stored data is checked after every test."""

from collections.abc import Iterator

import pytest

from tests.support.chain import Chain
from tests.support.energy import EnergyChain, energy_chain


@pytest.fixture
def energy() -> Iterator[Chain[EnergyChain]]:
    made = energy_chain()
    yield made
    made.close_block()
