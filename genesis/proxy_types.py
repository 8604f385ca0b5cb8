"""The types of proxies on consortium chains, and which calls each may make.

A type names the pallets it may call, so that a pallet composed later is closed to it until somebody decides
otherwise. Indices are never reused.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from runtime.frame.call import Call
from runtime.primitives.scale import enum_path


@enum_path("loam_runtime::ProxyType")
class ProxyType(IntEnum):
    """What a proxy may do for its account."""

    Any = 0
    NonTransfer = 1
    CancelProxy = 2
    Assets = 3


_FORWARDING: Final = ("Utility", "Multisig")
"""Pallets whose calls make other calls, which the filter then sees too."""

_PALLETS: Final = {
    ProxyType.NonTransfer: (*_FORWARDING, "System", "Timestamp", "Proxy", "Session"),
    ProxyType.CancelProxy: _FORWARDING,
    ProxyType.Assets: (*_FORWARDING, "Assets"),
}


def allows(proxy_type: IntEnum, call: Call) -> bool:
    """Tell whether a proxy of a type may make a call."""
    if proxy_type == ProxyType.Any:
        return True
    if proxy_type == ProxyType.CancelProxy and call.spec.pallet == "Proxy":
        return call.spec.name == "reject_announcement"
    return call.spec.pallet in _PALLETS[ProxyType(proxy_type)]


def is_superset(wide: IntEnum, narrow: IntEnum) -> bool:
    """Tell whether a proxy of the first type may do whatever one of the second may."""
    if wide in {ProxyType.Any, narrow}:
        return True
    return wide == ProxyType.NonTransfer and narrow == ProxyType.CancelProxy
