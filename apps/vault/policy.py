"""Who may do what, and for which reasons; the forms of subjects and references.

Pure. Reasons are a closed list and references a narrow alphabet, so that no personal data get into the log.
Cases against money laundering are apart: that there is one may be known to their officers alone, since
telling is an offence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from apps.vault.errors import BadInput, NotAllowed
from runtime.primitives.ss58 import Ss58Error, decode_address
from runtime.primitives.types import AccountId

_REFERENCE: Final = re.compile(r"[A-Za-z0-9._/#-]{0,32}")
_NAME: Final = re.compile(r"[a-z][a-z0-9._-]{0,31}")
_HEX_32: Final = re.compile(r"0x[0-9a-f]{64}")
VERSION_MAX: Final = 2**32 - 1

T = TypeVar("T", bound=StrEnum)


class Kind(StrEnum):
    """What a record is."""

    IDENTITY = "identity"
    """Evidence of who an account belongs to."""
    LICENCE = "licence"
    """The deed of a licence."""
    CASE = "case"
    """The file or report of a case against money laundering."""
    REQUEST = "request"
    """The text of a data subject's request."""
    ANSWER = "answer"
    """What a request was answered."""
    BREACH = "breach"
    """The record of a breach of personal data."""
    NOTICE = "notice"
    """What was told of a breach."""


class Role(StrEnum):
    """What an officer of the vault does."""

    IDENTITY = "identity"
    """Knows customers: identities and licences."""
    PRIVACY = "privacy"
    """The data protection officer: all but cases, export, erasure, the log."""
    CASES = "cases"
    """Leads cases against money laundering, and sees nothing else."""
    AUDITOR = "auditor"
    """Reads what is kept of whom and who looked at it, never a record."""
    CUSTODIAN = "custodian"
    """Whoever holds the master key at the machine itself; no token has this role."""


class Action(StrEnum):
    """What is done to the vault."""

    PUT = "put"
    SHOW = "show"
    LIST = "list"
    EXPORT = "export"
    ERASE = "erase"
    SUBMIT = "submit"
    LOG = "log"
    DUE = "due"
    STATUS = "status"
    KEYS = "keys"
    """To appoint officers, to change the master key, to back up."""


class Purpose(StrEnum):
    """Why personal data are looked at; the reasons that the law has recorded."""

    ONBOARDING = "onboarding"
    REVIEW = "review"
    SUBJECT_REQUEST = "subject-request"
    REGULATOR = "regulator"
    BREACH = "breach"
    RETENTION = "retention"
    INVESTIGATION = "investigation"
    AUDIT = "audit"
    MAINTENANCE = "maintenance"


class Reason(NamedTuple):
    """Why something is done, and the number of the matter."""

    purpose: Purpose
    reference: str = ""


class Actor(NamedTuple):
    """Who does something."""

    name: str
    role: Role


class Place(NamedTuple):
    """Where a record stands: whose it is, what it is, and the how manieth of its kind, from 1."""

    subject: AccountId
    kind: Kind
    version: int


ALL: Final = frozenset(Kind)
OPEN: Final = ALL - {Kind.CASE}
NONE: Final[frozenset[Kind]] = frozenset()
_READS: Final[Mapping[Role, frozenset[Kind]]] = MappingProxyType(
    {
        Role.IDENTITY: frozenset({Kind.IDENTITY, Kind.LICENCE}),
        Role.PRIVACY: OPEN,
        Role.CASES: frozenset({Kind.CASE}),
        Role.AUDITOR: NONE,
        Role.CUSTODIAN: ALL,
    }
)
_PRIVACY: Final = {Role.PRIVACY: OPEN, Role.CUSTODIAN: ALL}
_WATCH: Final = {**_PRIVACY, Role.AUDITOR: OPEN}
_RIGHTS: Final[Mapping[Action, Mapping[Role, frozenset[Kind]]]] = MappingProxyType(
    {
        Action.PUT: _READS,
        Action.SHOW: _READS,
        Action.SUBMIT: _READS,
        Action.LIST: {**_READS, Role.AUDITOR: OPEN},
        Action.EXPORT: _PRIVACY,
        Action.ERASE: {**_PRIVACY, Role.CASES: frozenset({Kind.CASE})},
        Action.LOG: _WATCH,
        Action.DUE: _WATCH,
        Action.STATUS: dict.fromkeys(Role, OPEN),
        Action.KEYS: {Role.CUSTODIAN: ALL},
    }
)


def kinds_for(actor: Actor, action: Action) -> frozenset[Kind]:
    """Return the kinds of records that an officer may do something to."""
    return _RIGHTS[action].get(actor.role, NONE)


def ensure_allowed(actor: Actor, action: Action, kind: Kind | None = None) -> None:
    """Raise NotAllowed unless the officer may do it, to records of a kind where one is given."""
    allowed = kinds_for(actor, action)
    if not allowed or (kind is not None and kind not in allowed):
        raise NotAllowed(f"the role {actor.role} does not allow to {action} this")


def parse_subject(text: str) -> AccountId:
    """Return the account of an SS58 address or of hex after `0x`, lower case; BadInput."""
    if _HEX_32.fullmatch(text):
        return AccountId(bytes.fromhex(text[2:]))
    try:
        return decode_address(text).account_id
    except (Ss58Error, ValueError) as error:
        raise BadInput("a subject is an SS58 address, or 0x and 64 hex digits") from error


def parse_commitment(text: str) -> bytes:
    """Return the 32 bytes of hex after `0x`, lower case; BadInput."""
    if not _HEX_32.fullmatch(text):
        raise BadInput("a commitment is 0x and 64 hex digits")
    return bytes.fromhex(text[2:])


def parse_choice(text: str, choices: type[T], what: str) -> T:
    """Return the member of an enum by its text; BadInput naming those that there are."""
    try:
        return choices(text)
    except ValueError as error:
        raise BadInput(f"{what} is one of: {', '.join(choices)}") from error


def parse_version(text: str) -> int:
    """Return a version from its decimal digits; BadInput."""
    if not text.isascii() or not text.isdecimal() or len(text) > 10 or not 1 <= int(text) <= VERSION_MAX:
        raise BadInput(f"a version is a number from 1 to {VERSION_MAX}")
    return int(text)


def parse_reason(purpose: str, reference: str) -> Reason:
    """Return a reason; BadInput."""
    if not _REFERENCE.fullmatch(reference):
        raise BadInput("a reference has up to 32 letters, digits and . _ / # -")
    return Reason(parse_choice(purpose, Purpose, "a purpose"), reference)


def parse_name(text: str) -> str:
    """Return an officer's name; BadInput."""
    if not _NAME.fullmatch(text):
        raise BadInput("a name has up to 32 lower-case letters, digits and . _ -, a letter first")
    return text
