"""The accounts of pots are those of Substrate's pallets."""

import pytest

from runtime.frame.account import pot_account
from runtime.primitives.ss58 import encode_address


def test_pot_of_polkadots_treasury_has_its_known_account() -> None:
    known = "13UVJyLnbVp9RBZYFwFGyDvVd1y27Tt8tkntv6Q7JVPhFsTB"
    assert encode_address(pot_account(b"py/trsry"), 0) == known


@pytest.mark.parametrize("pot_id", [b"", b"py/trsr", b"py/trsry1"])
def test_id_of_another_length_is_a_mistake(pot_id: bytes) -> None:
    with pytest.raises(AssertionError):
        pot_account(pot_id)
