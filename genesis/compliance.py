"""Officers and attested accounts in a genesis configuration.

`officers`: [address, [role, …]]; `attested`: [address, tier, [licence, …]].
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, TypeVar

from genesis.config import SpecError, as_account, as_list, as_object, as_row, as_text
from pallets.compliance.compliance_types import OFFICERS_MAX, GenesisCompliance, LicenceKind, Tier
from pallets.compliance.office import Role
from runtime.primitives.types import AccountId

E = TypeVar("E", bound=IntEnum)


def parse_compliance(section: Any, path: str) -> GenesisCompliance:
    """Return what a genesis configuration says of compliance; SpecError naming the place when it is wrong."""
    parts = as_object(section, path, ("officers", "attested"))
    officers = as_list(parts.get("officers", []), f"{path}.officers", _officer)
    if len(officers) > OFFICERS_MAX:
        raise SpecError(f"{path}.officers: more than {OFFICERS_MAX}")
    return GenesisCompliance(officers, as_list(parts.get("attested", []), f"{path}.attested", _attested))


def _officer(value: Any, path: str) -> tuple[AccountId, tuple[Role, ...]]:
    who, roles = as_row(value, path, ("address", "roles"))
    found = as_list(roles, f"{path}[1]", lambda name, place: _member(Role, name, place))
    if not found:
        raise SpecError(f"{path}[1]: an officer has a role")
    return as_account(who, f"{path}[0]"), tuple(sorted(dict.fromkeys(found)))


def _attested(value: Any, path: str) -> tuple[AccountId, Tier, tuple[LicenceKind, ...]]:
    who, tier, kinds = as_row(value, path, ("address", "tier", "licences"))
    found = _member(Tier, tier, f"{path}[1]")
    if found is Tier.Unknown:
        raise SpecError(f"{path}[1]: nothing is attested of an unknown account")
    licences = as_list(kinds, f"{path}[2]", lambda name, place: _member(LicenceKind, name, place))
    return as_account(who, f"{path}[0]"), found, tuple(dict.fromkeys(licences))


def _member(kind: type[E], value: Any, path: str) -> E:
    name = as_text(value, path)
    known = {each.name: each for each in kind}
    if name not in known:
        raise SpecError(f"{path}: expected one of {', '.join(known)}")
    return known[name]
