"""Log filters read Substrate's words, and the longest matching target decides."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.telemetry.levels import OFF, RULES_MAX, FilterError, LogFilter, parse_filters


@pytest.mark.parametrize(
    ("texts", "rules"),
    [
        ((), {}),
        (("debug",), {"": logging.DEBUG}),
        (("rpc=debug,sync=trace",), {"rpc": logging.DEBUG, "sync": logging.NOTSET}),
        (("rpc=debug", "rpc=off"), {"rpc": OFF}),
        (("rpc",), {"rpc": logging.NOTSET}),
        (("=warn", "RPC=ERROR"), {"": logging.WARNING, "RPC": logging.ERROR}),
        ((" rpc=info , , txpool::api=warn",), {"rpc": logging.INFO, "txpool::api": logging.WARNING}),
    ],
)
def test_filters_are_level_or_target_and_level(texts: tuple[str, ...], rules: dict[str, int]) -> None:
    assert parse_filters(texts) == rules


@pytest.mark.parametrize(
    "text", ["rpc=loud", "rpc=", "a b=info", "a=b=info", "x" * 65 + "=info", "é=info", "a\x1b"]
)
def test_bad_filters_are_refused(text: str) -> None:
    with pytest.raises(FilterError, match="expected"):
        parse_filters([text])


@pytest.mark.parametrize(("count", "accepted"), [(RULES_MAX, True), (RULES_MAX + 1, False)])
def test_number_of_rules_is_bounded(count: int, accepted: bool) -> None:
    texts = [",".join(f"t{number}=info" for number in range(count))]
    if accepted:
        assert len(parse_filters(texts)) == count
    else:
        with pytest.raises(FilterError):
            parse_filters(texts)


@given(st.text(max_size=100))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    try:
        rules = parse_filters([text])
    except FilterError:
        return
    assert all(isinstance(level, int) for level in rules.values())


def test_longest_matching_target_decides() -> None:
    rules = LogFilter(parse_filters(["warn,rpc=info,rpc.server=debug,txpool::api=error"]))
    assert rules.get_level("rpc") == logging.INFO
    assert rules.get_level("rpc.server") == logging.DEBUG
    assert rules.get_level("rpc.server.socket") == logging.DEBUG
    assert rules.get_level("rpc.methods") == logging.INFO
    assert rules.get_level("rpcx") == logging.WARNING
    assert rules.get_level("txpool::api") == logging.ERROR
    assert rules.minimum == logging.DEBUG


def test_rules_may_be_replaced() -> None:
    rules = LogFilter({})
    assert rules.get_level("rpc") == logging.INFO
    rules.replace({"rpc": logging.DEBUG})
    assert rules.get_level("rpc") == logging.DEBUG
    assert rules.minimum == logging.DEBUG
