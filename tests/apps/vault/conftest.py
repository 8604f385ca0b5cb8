"""An open vault for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.vault.vault import Vault
from tests.apps.vault.making import make_vault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path) as made:
        yield made
