"""A supervised chain, whose stored data is checked after every test."""

from collections.abc import Iterator

import pytest

from tests.support.supervision import LOCAL, supervised_chain


@pytest.fixture
def chain() -> Iterator[LOCAL]:
    made = supervised_chain()
    yield made
    made.close_block()
