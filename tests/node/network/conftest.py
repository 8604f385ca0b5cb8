"""Planted failures are logged with tracebacks that take longer to draw than the tests to run: be quiet."""

from collections.abc import Iterator

import pytest
import structlog


def drop(logger: object, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    raise structlog.DropEvent


@pytest.fixture(scope="package", autouse=True)
def quiet_logs() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(processors=[drop])
    yield
    structlog.configure(**before)
