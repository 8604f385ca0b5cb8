"""The oracle in a genesis configuration: what a preset writes is read again, and mistakes are named."""

import json
from typing import Any

import pytest
from msgspec import structs

from genesis.config import SpecError
from genesis.oracle import (
    BOND,
    DEV_PROVIDERS,
    DEV_QUORUM,
    I128_MAX,
    PROVIDERS,
    QUORUM,
    make_feeds,
    make_section,
    parse_oracle,
)
from pallets.oracle.median import Answer, FeedRules, aggregate
from pallets.oracle.rounds import is_possible
from pallets.oracle.types import FEEDS_MAX, PROVIDERS_MAX, GenesisProvider
from runtime.primitives.ss58 import encode_address
from runtime.primitives.types import Hash
from tests.support.chain import ALICE, BOB, CHARLIE
from tests.support.oracle import Panel, oracle_chain

ADDRESS = encode_address(ALICE, 42)
KEY, SOURCES = bytes([1]) * 32, bytes([2]) * 32


SIGNERS = [(encode_address(who, 42), KEY if who == ALICE else who, SOURCES) for who in (ALICE, BOB, CHARLIE)]
"""As many providers as a quorum of three takes."""


def section(**feed: Any) -> dict[str, Any]:
    """Return the section of a preset with one feed, some of whose fields are others."""
    made: dict[str, Any] = json.loads(json.dumps(make_section(make_feeds(3)[:1], SIGNERS)))
    made["feeds"][0] |= feed
    return made


def test_section_of_a_preset_is_read_as_it_was_meant() -> None:
    feeds, providers = parse_oracle(json.loads(json.dumps(make_section(make_feeds(3), SIGNERS))), "oracle")
    assert feeds == make_feeds(3)
    assert providers[0] == GenesisProvider(ALICE, KEY, Hash(SOURCES))
    assert [one.who for one in providers] == [ALICE, BOB, CHARLIE]
    assert parse_oracle({}, "oracle") == ((), ())


def test_production_has_eleven_of_fifteen_and_devnets_three_of_four() -> None:
    assert (QUORUM, PROVIDERS, DEV_QUORUM, DEV_PROVIDERS) == (11, 15, 3, 4)
    assert -(-67 * PROVIDERS // 100) == QUORUM
    assert BOND == 10_000 * 10**12


def test_feeds_of_the_market_are_possible_and_take_their_usual_values() -> None:
    usual = (47_500, 15_420, 450, 3_250, 7_800, 8_500, (1 << 120) - 1)
    feeds = make_feeds(QUORUM)
    for feed, value in zip(feeds, usual, strict=True):
        assert is_possible(feed.key, feed.rules)
        assert feed.rules.least <= value <= feed.rules.greatest
        assert feed.rules.quorum == QUORUM
    price = feeds[0].rules
    assert (price.heartbeat_ms, price.fresh_ms, price.usable_ms) == (5_000, 10_000, 300_000)
    assert (price.deviation_bps, price.outlier_ppm, price.decimals) == (50, 50_000, 4)


def test_whoever_names_another_notice_is_an_outlier() -> None:
    rules = make_feeds(3)[-1].rules
    answers = [Answer(number, value, 0) for number, value in enumerate((7 << 100, 7 << 100, 1))]
    judged = FeedRules(3, rules.fresh_ms, rules.outlier_ppm, rules.least, rules.greatest)
    found = aggregate(answers, judged, 0)
    assert (found.value, found.outliers) == (7 << 100, (2,))


def test_chain_begins_with_the_feeds_of_the_market() -> None:
    panel = Panel(oracle_chain(make_feeds(3)))
    panel.next_round()
    assert panel.agree(3_250, 3_251, 3_252, feed=3).value == 3_251
    assert panel.oracle.feed_of.get(b"weather/temperature") == 3
    panel.chain.close_block()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((name, value) for name in ("key", "unit") for value in ("", "x" * 40, 7, None)),
        *((name, value) for name in ("decimals", "quorum", "heartbeatMs") for value in (-1, 1 << 33, "1")),
        ("quorum", 0),
        ("quorum", PROVIDERS_MAX + 1),
        ("decimals", 19),
        ("heartbeatMs", 999),
        ("freshMs", 4_999),
        ("usableMs", 9_999),
        ("outlierPpm", None),
        ("least", "1000001"),
        *(("greatest", value) for value in ("", "1.5", "--1", 1.5, True, str(I128_MAX + 1), "9" * 41, None)),
        ("more", 1),
    ],
)
def test_feed_that_cannot_be_is_refused_with_its_place(field: str, value: Any) -> None:
    with pytest.raises(SpecError, match=r"^oracle\.feeds\[0\]"):
        parse_oracle(section(**{field: value}), "oracle")


@pytest.mark.parametrize("count", [0, 1, 2])
def test_feed_that_too_few_can_answer_is_refused(count: int) -> None:
    """It would never have a value, and nobody would be told why."""
    lacking = section() | {"providers": section()["providers"][:count]}
    with pytest.raises(SpecError, match=rf"^oracle\.feeds\[0\]\.quorum: 3 answers .* lists {count}$"):
        parse_oracle(lacking, "oracle")


def test_providers_may_wait_for_a_feed_that_governance_adds() -> None:
    assert parse_oracle({"providers": section()["providers"][:1]}, "oracle")[1] != ()


@pytest.mark.parametrize("value", [-5, "-5", 0, str(I128_MAX), I128_MAX])
def test_ends_of_a_range_are_numbers_or_their_digits(value: Any) -> None:
    feeds, _ = parse_oracle(section(least="-5", greatest=value), "oracle")
    assert feeds[0].rules == structs.replace(make_feeds(3)[0].rules, least=-5, greatest=int(value))


@pytest.mark.parametrize(
    "row",
    [
        [ADDRESS, "0x01", "0x" + SOURCES.hex()],
        [ADDRESS, "0x" + KEY.hex(), "0x"],
        ["nobody", "0x" + KEY.hex(), "0x" + SOURCES.hex()],
        [ADDRESS, "0x" + KEY.hex()],
        ADDRESS,
    ],
)
def test_provider_that_cannot_be_is_refused_with_its_place(row: Any) -> None:
    with pytest.raises(SpecError, match=r"^oracle\.providers\[0\]"):
        parse_oracle({"providers": [row]}, "oracle")


def test_nothing_is_listed_twice_or_too_often() -> None:
    bob = encode_address(BOB, 42)
    for providers in ([(ADDRESS, KEY, KEY), (ADDRESS, SOURCES, KEY)], [(ADDRESS, KEY, KEY), (bob, KEY, KEY)]):
        with pytest.raises(SpecError, match=r"^oracle\.providers: one is listed twice"):
            parse_oracle(make_section([], providers), "oracle")
    twice = make_section(make_feeds(3)[:1] * 2, [])
    with pytest.raises(SpecError, match=r"^oracle\.feeds: one is listed twice"):
        parse_oracle(twice, "oracle")
    feed = section()["feeds"][0]
    many = [feed | {"key": f"feed/{number}"} for number in range(FEEDS_MAX + 1)]
    assert len(parse_oracle(section() | {"feeds": many[1:]}, "oracle")[0]) == FEEDS_MAX
    with pytest.raises(SpecError, match=rf"^oracle\.feeds: at most {FEEDS_MAX}"):
        parse_oracle({"feeds": many}, "oracle")
