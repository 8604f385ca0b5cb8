"""Origins, Host names and call rates: who is let in."""

import pytest

from node.rpc.access import (
    DEFAULT_ORIGINS,
    MAX_ADDRESSES,
    Hosts,
    Origins,
    RateLimiter,
    host_name,
    is_loopback,
)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost", True),
        ("http://localhost:3000", True),
        ("HTTP://LocalHost:3000", True),
        ("https://127.0.0.1:1", True),
        ("https://polkadot.js.org", True),
        ("http://polkadot.js.org", False),
        ("https://polkadot.js.org.evil.example", False),
        ("https://polkadot.js.org:8443", False),
        ("http://localhost.evil.example", False),
        ("http://localhost:3000.evil.example", False),
        ("http://localhost:80@evil.example", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
    ],
)
def test_default_origins_are_local_pages_and_the_public_wallet(origin: str, allowed: bool) -> None:
    assert Origins(DEFAULT_ORIGINS).allow(origin) is allowed


def test_all_allows_every_origin() -> None:
    assert Origins(["all"]).allow("null")
    assert Origins(["https://a.example/"]).allow("https://a.example")


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        (None, True),
        ("localhost", True),
        ("LOCALHOST:9944", True),
        ("127.0.0.1:9944", True),
        ("[::1]:9944", True),
        ("192.168.1.5:9944", True),
        ("node.example:9944", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[::1", False),
        ("a" * 300, False),
        ("user@localhost@evil.example", False),
    ],
)
def test_hosts_are_addresses_localhost_and_the_names_given(header: str | None, allowed: bool) -> None:
    assert Hosts(["Node.Example"]).allow(header) is allowed


def test_all_turns_the_host_check_off() -> None:
    assert Hosts(["all"]).allow("anything")


def test_host_name_is_without_port_and_brackets() -> None:
    assert [host_name(h) for h in ("A:1", "[::1]:2", "b")] == ["a", "::1", "b"]


def test_host_header_is_at_most_255_characters_long() -> None:
    assert host_name("a" * 253 + ":1") == "a" * 253
    assert host_name("a" * 254 + ":1") is None


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("x", False)]
)
def test_loopback_addresses(address: str, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_rate_is_per_address_counts_calls_and_refills_evenly() -> None:
    limiter = RateLimiter(60)
    assert limiter.take("a", 50, 0) == 50
    assert limiter.take("a", 50, 0) == 10
    assert limiter.take("a", 1, 0.5) == 0
    assert limiter.take("b", 60, 0.5) == 60
    assert limiter.take("a", 50, 10.5) == 10
    assert limiter.take("a", 100, 1000) == 60


def test_exempt_networks_are_never_limited() -> None:
    limiter = RateLimiter(1, exempt=["10.0.0.0/8", "::1"])
    assert limiter.take("10.1.2.3", 500, 0) == 500
    assert limiter.take("::1", 500, 0) == 500
    assert limiter.take("11.1.2.3", 500, 0) == 1
    assert limiter.take("", 500, 0) == 1


def test_remembered_addresses_are_bounded() -> None:
    limiter = RateLimiter(1)
    for number in range(MAX_ADDRESSES + 10):
        limiter.take(str(number), 1, 0)
    assert len(limiter._buckets) == MAX_ADDRESSES
    assert limiter.take(str(MAX_ADDRESSES + 9), 1, 0) == 0
