"""Fixtures for tests of pallets: a chain whose stored data is checked after every test."""

from collections.abc import Iterator

import pytest

from genesis.consortium import Consortium
from tests.support.chain import Chain, consortium_chain


@pytest.fixture
def chain() -> Iterator[Chain[Consortium]]:
    made = consortium_chain()
    yield made
    made.close_block()
