"""Who may call: origins of web pages, names a browser may use for this server, calls per minute and address.

Pure decisions over strings and times that are passed in; knows no request, no socket and no clock.
"""

import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

# What a wallet on this machine needs: pages served locally, and the public wallet page.
DEFAULT_ORIGINS: Final = (
    "http://localhost:*",
    "http://127.0.0.1:*",
    "https://localhost:*",
    "https://127.0.0.1:*",
    "https://polkadot.js.org",
)
ALL: Final = "all"
# Addresses remembered by the rate limiter; the one longest unused is forgotten first.
MAX_ADDRESSES: Final = 4096
MAX_NAME: Final = 255


class Origins:
    """The web pages that may use the server; a pattern ending in `:*` allows every port, `all` every page."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self.any = ALL in patterns or "*" in patterns
        self._exact = frozenset(pattern.rstrip("/").lower() for pattern in patterns)
        self._any_port = frozenset(pattern[:-2].lower() for pattern in patterns if pattern.endswith(":*"))

    def allow(self, origin: str) -> bool:
        """Return whether a page of that origin may call."""
        if self.any:
            return True
        folded = origin.lower()
        if folded in self._exact:
            return True
        scheme, separator, rest = folded.partition("://")
        host = rest.rpartition(":")[0] if rest.rpartition(":")[2].isdigit() else rest
        return bool(separator) and f"{scheme}://{host}" in self._any_port


class Hosts:
    """The names under which browsers may address the server, against DNS rebinding.

    A page that rebinds its own name to this machine sends that name; an address or `localhost` cannot be.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._any = ALL in self._names

    def allow(self, header: str | None) -> bool:
        """Return whether a Host header is acceptable; only clients that are no browsers leave it out."""
        if header is None or self._any:
            return True
        name = host_name(header)
        return name is not None and (name == "localhost" or name in self._names or is_address(name))


class RateLimiter:
    """A bucket of calls for each address: filled evenly, never fuller than one minute's worth."""

    def __init__(self, calls_per_minute: int, *, exempt: Sequence[str] = ()) -> None:
        assert calls_per_minute > 0
        self.sentence = f"at most {calls_per_minute} calls per minute and address"
        self._size = calls_per_minute
        self._exempt = [ipaddress.ip_network(network, strict=False) for network in exempt]
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, calls: int, now_s: float) -> int:
        """Take calls out of the address's bucket and return how many of them were in it."""
        if self._is_exempt(address):
            return calls
        left, at_s = self._buckets.pop(address, (float(self._size), now_s))
        left = min(float(self._size), left + (now_s - at_s) * self._size / 60)
        taken = min(calls, int(left))
        self._buckets[address] = (left - taken, now_s)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return taken

    def _is_exempt(self, address: str) -> bool:
        if not self._exempt or not is_address(address):
            return False
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._exempt)


def host_name(header: str) -> str | None:
    """Return the name in a Host header without port and brackets, in lower case; None if malformed."""
    if len(header) > MAX_NAME:
        return None
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def is_address(name: str) -> bool:
    """Return whether a name is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(address: str) -> bool:
    """Return whether an IP address belongs to this machine only."""
    return is_address(address) and ipaddress.ip_address(address).is_loopback
