"""Shelves of orders: sixteen numbers to an entry are as good as an entry each, and one entry to write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pallets.energy_trading.market_types import Order
from pallets.energy_trading.order_shelves import SHELF_ORDERS, OrderShelves
from pallets.energy_trading.orders import Side
from runtime.primitives.types import AccountId
from tests.support.chain import Chain
from tests.support.energy import EnergyChain, energy_chain

NUMBERS = st.integers(0, 3 * SHELF_ORDERS)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
ORDERS = st.builds(
    Order,
    who=st.binary(min_size=32, max_size=32).map(AccountId),
    zone=st.integers(0, 2**16 - 1),
    slot=U32,
    side=st.sampled_from(Side),
    qty=U64,
    limit=U32,
    filled=U64,
    day=U32,
    page=U32,
)
ONE = Order(AccountId(b"\1" * 32), 1, 2, Side.SELL, 3, 4, 5, 6, 7)


@pytest.fixture(scope="module")
def chain() -> Chain[EnergyChain]:
    return energy_chain()


def shelves_of(chain: Chain[EnergyChain]) -> OrderShelves:
    return chain.pallets.market.orders


@given(st.lists(st.tuples(NUMBERS, st.none() | ORDERS), max_size=40))
def test_shelves_are_a_map_from_numbers_to_orders(
    chain: Chain[EnergyChain], changes: list[tuple[int, Order | None]]
) -> None:
    shelves, mark, model = shelves_of(chain), chain.state.mark(), dict[int, Order]()
    for number, order in changes:
        if order is not None:
            shelves.put(number, order)
            model[number] = order
        elif number in model:
            shelves.remove(number)
            del model[number]
    for number in range(3 * SHELF_ORDERS + 1):
        assert shelves.get(number) == model.get(number)
        assert shelves.contains(number) == (number in model)
    assert dict(shelves.items()) == model
    chain.state.rollback(mark)


def test_orders_that_follow_one_another_are_one_entry_and_the_last_takes_it_along(
    chain: Chain[EnergyChain],
) -> None:
    shelves, mark = shelves_of(chain), chain.state.mark()
    for number in range(SHELF_ORDERS, 2 * SHELF_ORDERS):
        shelves.put(number, ONE)
    assert [number for number, _ in shelves.shelves.items()] == [1]
    for number in range(SHELF_ORDERS, 2 * SHELF_ORDERS):
        assert shelves.shelves.contains(1)
        shelves.remove(number)
    assert not shelves.shelves.contains(1)
    chain.state.rollback(mark)


def test_stored_bytes_are_those_that_metadata_describes(chain: Chain[EnergyChain]) -> None:
    shelves, mark = shelves_of(chain), chain.state.mark()
    shelves.put(SHELF_ORDERS + 9, ONE)
    packed = "0100 02000000 01 0300000000000000 04000000 0500000000000000 06000000 07000000"
    assert shelves.shelves.get(1) == bytes.fromhex("0002") + b"\1" * 32 + bytes.fromhex(packed)
    chain.state.rollback(mark)


def test_order_that_is_not_active_is_not_removed(chain: Chain[EnergyChain]) -> None:
    shelves, mark = shelves_of(chain), chain.state.mark()
    shelves.put(3, ONE)
    for number in (2, 4, SHELF_ORDERS + 3):
        with pytest.raises(AssertionError, match="active"):
            shelves.remove(number)
    chain.state.rollback(mark)
