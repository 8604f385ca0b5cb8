"""An hour of 15 providers of which one lies, one is dead and one flaps: the price stays honest and fresh, and
only those three pay."""

import pytest
from msgspec import structs

from pallets.oracle.types import GenesisFeed
from runtime.primitives.types import AccountId
from tests.support.oracle import (
    BLOCKS_PER_ROUND,
    BOND,
    PRICE,
    PRICE_KEY,
    RULES,
    Panel,
    oracle_chain,
)

HONEST = tuple(AccountId(bytes([number]) * 32) for number in range(1, 13))
LIAR, DEAD, FLAPPING = (AccountId(bytes([number]) * 32) for number in (100, 101, 102))
ROUNDS = 360
FLAP_EVERY = 20


def price_at(number: int, place: int) -> int:
    """Return what an honest provider sees in a round: a price that wanders, and a little noise."""
    return 45_000 + number * 7 % 300 + place * 5 % 11


@pytest.mark.slow
def test_hour_with_a_liar_a_dead_and_a_flapping_provider() -> None:
    feed = GenesisFeed(PRICE_KEY, structs.replace(RULES, quorum=11))
    panel = Panel(oracle_chain((feed,), (*HONEST, LIAR, DEAD, FLAPPING)))
    panel.next_round()
    for number in range(ROUNDS):
        honest = {who: price_at(number, place) for place, who in enumerate(HONEST)}
        panel.answer(honest)
        if number % FLAP_EVERY:
            panel.answer({FLAPPING: price_at(number, 0)})
        if LIAR in panel.oracle.members.get():
            panel.answer({LIAR: RULES.greatest})
        panel.chain.next_block()
        found = panel.oracle.value.get(PRICE)
        assert found is not None
        assert min(honest.values()) <= found.value <= max(honest.values())
        panel.chain.number += BLOCKS_PER_ROUND - 2
        panel.chain.next_block()
    panel.chain.close_block()
    freshness = panel.oracle.view_freshness(PRICE_KEY.decode())
    assert freshness is not None
    assert freshness.meets_target
    assert panel.oracle.members.get() == tuple(sorted((*HONEST, FLAPPING)))
    for who in HONEST:
        found_quality = panel.oracle.view_quality(who)
        assert found_quality is not None
        assert (found_quality.score, found_quality.bond) == (1_000, BOND)
    flapping = panel.oracle.view_quality(FLAPPING)
    assert flapping is not None
    assert (flapping.completeness, flapping.bond) == (950, BOND - BOND // 100)
    assert panel.chain.pallets.balances.reserved_balance(LIAR) == 0
