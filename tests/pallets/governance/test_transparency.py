"""Transparency: issuers publish once, correct with a reason, and anybody asks what a root is worth."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from genesis.consortium import BLOCK_LENGTH_MAX, BLOCK_WEIGHT_MAX, NORMAL_PERCENT, make_version
from pallets.core import weights
from pallets.core.session import Session, SessionConfig, SessionKeys
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import make_limits
from pallets.core.timestamp import Timestamp, TimestampConfig
from pallets.governance.transparency import Transparency
from pallets.governance.transparency_types import (
    DAY_MS,
    ISSUERS_MAX,
    NAME_MAX,
    REASON_MAX,
    VERSIONS_MAX,
    ZONE_MS,
    Issuer,
    Kind,
    Publication,
    TransparencyConfig,
    month_of,
    period_of,
)
from pallets.governance.transparency_views import (
    IssuerView,
    PublicationView,
    TransparencyViews,
    Verdict,
    transparency_api,
)
from runtime.frame.dispatch import NOBODY, ROOT, BadOrigin, Origin, Signed
from runtime.frame.runtime import RuntimeBuilder
from runtime.frame.runtime_api import RuntimeApi
from runtime.frame.state import State
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BOB, EVE, START_MS, Chain

NOW = {kind: period_of(kind, START_MS + 1_000) for kind in Kind}
LAST = NOW[Kind.ErcReport] - 1
ROOT_A, ROOT_B, URI = (Hash(blake2_256(name)) for name in (b"a", b"b", b"uri"))
PUBLISH, SUPERSEDE, REGISTER = (
    f"Transparency.{name}" for name in ("publish", "supersede", "register_issuer")
)


class Registrar:
    def ensure_registrar(self, origin: Origin) -> None:
        if origin != ROOT:
            raise BadOrigin


@dataclass
class Board:
    api: RuntimeApi
    system: System
    transparency: Transparency


def compose(state: State) -> Board:
    build, version = RuntimeBuilder(state), make_version()
    limits = make_limits(BLOCK_WEIGHT_MAX, BLOCK_LENGTH_MAX, NORMAL_PERCENT, weights.EXTRINSIC_BASE)
    system = build.add(System, index=0, name="System", config=SystemConfig(version, limits))
    clock = build.add(Timestamp, index=1, name="Timestamp", config=TimestampConfig(500, system))
    session = build.add(Session, index=9, name="Session", config=SessionConfig(system))
    config = TransparencyConfig(system, clock, Registrar())
    transparency = build.add(Transparency, index=30, name="Transparency", config=config)
    runtime = build.build(version, system, system.extensions())
    api = transparency_api(TransparencyViews(transparency))
    return Board(RuntimeApi(runtime, session, (api,)), system, transparency)


def write_genesis(board: Board) -> None:
    board.system.genesis()
    board.api.runtime.pallet("Session").genesis(((ALICE, SessionKeys(bytes(32))),))  # type: ignore[attr-defined]  # it is Session
    board.transparency.issuers.put(BOB, Issuer(b"Regulator", (Kind.ErcReport, Kind.AuditRoot)))
    board.system.events.kill()


@pytest.fixture
def chain() -> Chain[Board]:
    return Chain(compose, write_genesis)


def test_issuer_publishes_a_period_once(chain: Chain[Board]) -> None:
    pallet = chain.pallets.transparency
    chain.ok(BOB, PUBLISH, Kind.ErcReport, LAST, ROOT_A, URI)
    assert chain.events() == [Transparency.Published(BOB, Kind.ErcReport, LAST, ROOT_A, URI)]
    assert pallet.versions_of(BOB, Kind.ErcReport, LAST) == (Publication(ROOT_A, URI, 1, b""),)
    for root in (ROOT_A, ROOT_B):
        chain.noop(pallet.AlreadyPublished, BOB, PUBLISH, Kind.ErcReport, LAST, root, URI)
    chain.ok(BOB, PUBLISH, Kind.ErcReport, LAST - 1, ROOT_A, URI)
    chain.close_block()


def test_only_issuers_publish_and_their_kinds_alone(chain: Chain[Board]) -> None:
    pallet = chain.pallets.transparency
    for name, rest in ((PUBLISH, ()), (SUPERSEDE, (b"typo",))):
        args = (LAST, ROOT_A, URI, *rest)
        for origin in (ROOT, NOBODY):
            chain.noop(BadOrigin, origin, name, Kind.ErcReport, *args)
        chain.noop(pallet.UnknownIssuer, EVE, name, Kind.ErcReport, *args)
        chain.noop(pallet.KindNotAllowed, BOB, name, Kind.SecReport, *args)


@pytest.mark.parametrize("kind", list(Kind))
def test_period_is_published_when_it_is_over(chain: Chain[Board], kind: Kind) -> None:
    chain.ok(ROOT, REGISTER, BOB, b"all", tuple(Kind))
    for period in (NOW[kind], NOW[kind] + 1):
        chain.noop(chain.pallets.transparency.PeriodNotOver, BOB, PUBLISH, kind, period, ROOT_A, URI)
    chain.ok(BOB, PUBLISH, kind, NOW[kind] - 1, ROOT_A, URI)


def test_correction_has_a_reason_and_leaves_what_was_said(chain: Chain[Board]) -> None:
    pallet, what = chain.pallets.transparency, (Kind.ErcReport, LAST)
    chain.noop(pallet.NotPublished, BOB, SUPERSEDE, *what, ROOT_B, URI, b"typo")
    chain.ok(BOB, PUBLISH, *what, ROOT_A, URI)
    chain.noop(pallet.ReasonMissing, BOB, SUPERSEDE, *what, ROOT_B, URI, b"")
    chain.noop(pallet.NothingNew, BOB, SUPERSEDE, *what, ROOT_A, URI, b"typo")
    chain.next_block()
    chain.ok(BOB, SUPERSEDE, *what, ROOT_B, URI, b"typo")
    assert chain.events() == [Transparency.Superseded(BOB, *what, 1, ROOT_B, URI, b"typo")]
    said = (Publication(ROOT_A, URI, 1, b""), Publication(ROOT_B, URI, 2, b"typo"))
    assert pallet.versions_of(BOB, *what) == said
    for version in range(2, VERSIONS_MAX):
        chain.ok(BOB, SUPERSEDE, *what, (ROOT_A, ROOT_B)[version % 2], URI, b"again")
    chain.noop(pallet.TooManyVersions, BOB, SUPERSEDE, *what, ROOT_A, URI, b"again")
    chain.close_block()


def test_issuers_are_registered_and_removed_by_the_registrar(chain: Chain[Board]) -> None:
    pallet, remove = chain.pallets.transparency, "Transparency.remove_issuer"
    strangers: tuple[Origin, ...] = (NOBODY, Signed(BOB))
    for origin in strangers:
        chain.noop(BadOrigin, origin, REGISTER, EVE, b"Eve", (Kind.AuditRoot,))
        chain.noop(BadOrigin, origin, remove, BOB)
    two = (Kind.SecReport, Kind.AuditRoot)
    for name, kinds in ((b"", two), (b"Eve", ()), (b"Eve", two[::-1]), (b"Eve", (two[0], two[0]))):
        chain.noop(pallet.InvalidIssuer, ROOT, REGISTER, EVE, name, kinds)
    chain.ok(ROOT, REGISTER, EVE, b"E" * NAME_MAX, two)
    assert chain.events() == [Transparency.IssuerRegistered(EVE, two)]
    chain.ok(EVE, PUBLISH, Kind.AuditRoot, 1, ROOT_A, URI)
    chain.ok(ROOT, remove, EVE)
    assert chain.events() == [Transparency.IssuerRemoved(EVE)]
    chain.noop(pallet.UnknownIssuer, ROOT, remove, EVE)
    chain.noop(pallet.UnknownIssuer, EVE, PUBLISH, Kind.AuditRoot, 2, ROOT_A, URI)
    assert len(pallet.versions_of(EVE, Kind.AuditRoot, 1)) == 1
    chain.close_block()


def test_so_many_issuers_and_no_more(chain: Chain[Board]) -> None:
    for number in range(ISSUERS_MAX - 1):
        chain.ok(ROOT, REGISTER, AccountId(bytes([number] * 32)), b"one", (Kind.AuditRoot,))
    full = chain.pallets.transparency.TooManyIssuers
    chain.noop(full, ROOT, REGISTER, EVE, b"Eve", (Kind.AuditRoot,))
    chain.ok(ROOT, REGISTER, BOB, b"Bob", (Kind.AuditRoot,))
    chain.close_block()


def test_sizes_are_bounded(chain: Chain[Board]) -> None:
    with pytest.raises(ValueError, match=str(NAME_MAX)):
        chain.call(REGISTER, EVE, b"E" * (NAME_MAX + 1), (Kind.AuditRoot,))
    with pytest.raises(ValueError, match=str(REASON_MAX)):
        chain.call(SUPERSEDE, Kind.ErcReport, LAST, ROOT_A, URI, b"r" * (REASON_MAX + 1))


def test_anybody_asks_what_a_root_is_worth(chain: Chain[Board]) -> None:
    what = (BOB, Kind.ErcReport, LAST)

    def ask(name: str, *args: object) -> object:
        return chain.api.ask(f"TransparencyApi_{name}", args)

    assert ask("judge", *what, ROOT_A) is Verdict.Unpublished
    assert ask("publication", *what) is None
    chain.ok(BOB, PUBLISH, Kind.ErcReport, LAST, ROOT_A, URI)
    assert ask("judge", *what, ROOT_A) is Verdict.InForce
    chain.ok(BOB, SUPERSEDE, Kind.ErcReport, LAST, ROOT_B, URI, b"typo")
    assert ask("judge", *what, ROOT_A) is Verdict.Superseded
    assert ask("judge", *what, ROOT_B) is Verdict.InForce
    assert ask("judge", EVE, *what[1:], ROOT_B) is Verdict.Unpublished
    first, second = PublicationView(0, ROOT_A, URI, 1, ""), PublicationView(1, ROOT_B, URI, 1, "typo")
    assert ask("versions", *what) == (first, second)
    assert ask("publication", *what) == second
    assert ask("issuers") == (IssuerView(BOB, "Regulator", (Kind.ErcReport, Kind.AuditRoot)),)
    key = BOB + bytes([Kind.ErcReport]) + LAST.to_bytes(4, "little")
    assert chain.api.call("TransparencyApi_judge", key + ROOT_B) == bytes([Verdict.InForce])


def test_months_are_those_of_the_calendar() -> None:
    for day in (0, 30, 31, 58, 59, 789, 790, *range(10_956, 11_020), *range(47_540, 47_545), 20_000):
        date = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
        assert month_of(day) == (date.year - 1970) * 12 + date.month - 1, date


def test_periods_begin_at_midnight_in_bangkok() -> None:
    midnight = 31 * DAY_MS - ZONE_MS
    assert [period_of(Kind.ErcReport, midnight + ms) for ms in (-1, 0)] == [0, 1]
    assert [period_of(Kind.AuditRoot, midnight + ms) for ms in (-1, 0)] == [30, 31]
    assert [period_of(Kind.SecReport, 90 * DAY_MS - ZONE_MS + ms) for ms in (-1, 0)] == [0, 1]
