"""The calls of the compliance pallets that a vault makes: which record each commits to, and where it stands.

Pure. `file_kyc`, `issue_licence`, `open_case`, `review_case`, `report_case`, `answer_dsr`, `report_breach`,
`notify_breach` and `start_retention` carry a record's commitment; the others carry none and are made along
with them. `confirm_erasure` is made by erasing alone. Arguments are JSON; the chain's metadata decides
whether their values fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias

from apps.chain.errors import UnknownName
from apps.chain.runtime import EventRecord
from apps.vault.errors import BadInput
from apps.vault.policy import Kind, Role

Arguments: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[str, str, tuple[object, ...]]
"""Pallet, item and keys of an entry."""
CONFIRM_ERASURE: Final = "confirm_erasure"


class Facts(NamedTuple):
    """What a call is made from; `commitment` is a tombstone where an erasure is confirmed."""

    subject: bytes
    commitment: bytes
    arguments: Arguments


class VaultCall(NamedTuple):
    """A call: `kinds` are those of records that it commits to, empty for one that carries no commitment;
    `roles` of the officers that may make it."""

    pallet: str
    name: str
    arguments: frozenset[str]
    kinds: frozenset[Kind]
    roles: frozenset[Role]
    build: Callable[[Facts], dict[str, object]]
    locate: Callable[[Facts, Sequence[EventRecord]], Place] | None = None


def _event_field(events: Sequence[EventRecord], name: str, field: str) -> object:
    for one in events:
        if one.name == name:
            return one.value[field]
    raise UnknownName(f"the call has no event {name}")


def _tell_request(facts: Facts, _: Sequence[EventRecord]) -> Place:
    return "Privacy", "Dsr", (facts.arguments["request"],)


def _tell_case(facts: Facts, _: Sequence[EventRecord]) -> Place:
    return "Monitoring", "Case", (facts.arguments["case"],)


_IDENTITY: Final = frozenset({Role.IDENTITY, Role.CUSTODIAN})
_PRIVACY: Final = frozenset({Role.PRIVACY, Role.CUSTODIAN})
_CASES: Final = frozenset({Role.CASES, Role.CUSTODIAN})


def _without(  # a call that carries no commitment
    pallet: str,
    name: str,
    roles: frozenset[Role],
    build: Callable[[Facts], dict[str, object]],
    *arguments: str,
) -> VaultCall:
    return VaultCall(pallet, name, frozenset(arguments), frozenset(), roles, build)


CALLS: Final[Mapping[str, VaultCall]] = MappingProxyType(
    {
        "file_kyc": VaultCall(
            "Compliance",
            "file_kyc",
            frozenset({"country"}),
            frozenset({Kind.IDENTITY}),
            _IDENTITY,
            lambda f: {
                "who": f.subject,
                "evidence": f.commitment,
                "country": str(f.arguments["country"]).encode(),
            },
            lambda f, _: ("Compliance", "Kyc", (f.subject,)),
        ),
        "attest_kyc": _without(
            "Compliance",
            "attest_kyc",
            _IDENTITY,
            lambda f: {"who": f.subject, **f.arguments},
            "tier",
            "expires_ms",
            "daily_limit",
        ),
        "revoke_kyc": _without(
            "Compliance", "revoke_kyc", _IDENTITY, lambda f: {"who": f.subject, **f.arguments}, "how"
        ),
        "issue_licence": VaultCall(
            "Compliance",
            "issue_licence",
            frozenset({"kind", "expires_ms"}),
            frozenset({Kind.LICENCE}),
            _IDENTITY,
            lambda f: {"holder": f.subject, "deed": f.commitment, **f.arguments},
            lambda _, events: (
                "Compliance",
                "Licence",
                (_event_field(events, "LicenceIssued", "licence"),),
            ),
        ),
        "open_case": VaultCall(
            "Monitoring",
            "open_case",
            frozenset(),
            frozenset({Kind.CASE}),
            _CASES,
            lambda f: {"file": f.commitment},
            lambda _, events: ("Monitoring", "Case", (_event_field(events, "CaseOpened", "case"),)),
        ),
        "review_case": VaultCall(
            "Monitoring",
            "review_case",
            frozenset({"case"}),
            frozenset({Kind.CASE}),
            _CASES,
            lambda f: {"case": f.arguments["case"], "file": f.commitment},
            _tell_case,
        ),
        "report_case": VaultCall(
            "Monitoring",
            "decide_case",
            frozenset({"case"}),
            frozenset({Kind.CASE}),
            _CASES,
            lambda f: {"case": f.arguments["case"], "decision": {"Reported": f.commitment}},
            _tell_case,
        ),
        "verify_dsr": _without("Privacy", "verify_dsr", _PRIVACY, lambda f: dict(f.arguments), "request"),
        "answer_dsr": VaultCall(
            "Privacy",
            "answer_dsr",
            frozenset({"request"}),
            frozenset({Kind.ANSWER}),
            _PRIVACY,
            lambda f: {"request": f.arguments["request"], "answer": {"Fulfilled": f.commitment}},
            _tell_request,
        ),
        "refuse_dsr": _without(
            "Privacy",
            "answer_dsr",
            _PRIVACY,
            lambda f: {"request": f.arguments["request"], "answer": {"Refused": f.arguments["refusal"]}},
            "request",
            "refusal",
        ),
        "report_breach": VaultCall(
            "Privacy",
            "report_breach",
            frozenset({"detected_ms"}),
            frozenset({Kind.BREACH}),
            _PRIVACY,
            lambda f: {"record": f.commitment, **f.arguments},
            lambda _, events: ("Privacy", "Breach", (_event_field(events, "BreachReported", "breach"),)),
        ),
        "assess_breach": _without(
            "Privacy", "assess_breach", _PRIVACY, lambda f: dict(f.arguments), "breach", "risk"
        ),
        "notify_breach": VaultCall(
            "Privacy",
            "notify_breach",
            frozenset({"breach"}),
            frozenset({Kind.NOTICE}),
            _PRIVACY,
            lambda f: {"breach": f.arguments["breach"], "notice": f.commitment},
            lambda f, _: ("Privacy", "Breach", (f.arguments["breach"],)),
        ),
        "start_retention": VaultCall(
            "Privacy",
            "start_retention",
            frozenset({"category"}),
            frozenset(Kind),
            _PRIVACY,
            lambda f: {"category": f.arguments["category"], "record": f.commitment},
            lambda f, _: ("Privacy", "Retained", (f.commitment,)),
        ),
        CONFIRM_ERASURE: VaultCall(
            "Privacy",
            "confirm_erasure",
            frozenset({"request", "signature"}),
            frozenset(),
            frozenset(),
            lambda f: {"tombstone": f.commitment, **f.arguments},
            _tell_request,
        ),
    }
)
OPTIONAL: Final = frozenset({"daily_limit"})


class Wish(NamedTuple):
    """A call that somebody asks for, with its arguments."""

    call: str
    arguments: Arguments


def parse_wish(call: object, arguments: object) -> Wish:
    """Return a call that officers may ask for; BadInput where its name or arguments are not known."""
    found = CALLS.get(call) if isinstance(call, str) else None
    if not isinstance(call, str) or found is None or not found.roles:
        raise BadInput(f"a call is one of: {', '.join(name for name, one in CALLS.items() if one.roles)}")
    if not isinstance(arguments, dict) or not all(_is_plain(one) for one in arguments.values()):
        raise BadInput("arguments are an object of numbers, short texts and null")
    missing = found.arguments - arguments.keys() - OPTIONAL
    if missing or not arguments.keys() <= found.arguments:
        raise BadInput(f"{call} takes: {', '.join(sorted(found.arguments)) or 'nothing'}")
    absent = dict.fromkeys(found.arguments - arguments.keys())
    return Wish(call, {**absent, **arguments})


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= 32 and value.isascii()
    return value is None or type(value) is int
