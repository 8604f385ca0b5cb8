"""What the calls and hooks of the oracle are measured on, in the dearest state that a weight must cover.

Every chain here has as many feeds and providers as there can be, and stands in the last block of a round;
what is measured runs in the first block of the next.
"""

from typing import Any

from msgspec import structs

from benchmarks.weight_scene import Act, Cases, RecordingBackend, Scene
from pallets.oracle import track_record
from pallets.oracle.oracle import Oracle
from pallets.oracle.statement import Statement
from pallets.oracle.track_record import Counts, Outcome, TrackRecord
from pallets.oracle.types import (
    FEEDS_MAX,
    PROVIDERS_MAX,
    STRIKES_SLASH,
    Answer,
    GenesisFeed,
    Judged,
    OpenRound,
    Quality,
    RawAnswer,
    RoundValue,
)
from runtime.frame.dispatch import ROOT
from runtime.primitives.hashing import blake2_256
from runtime.primitives.types import AccountId
from tests.support.chain import ALICE, EVE
from tests.support.oracle import (
    BLOCKS_PER_ROUND,
    BOND,
    ENDPOINTS,
    HEARTBEAT_MS,
    RULES,
    Panel,
    oracle_chain,
    signed_statement,
    statement_key,
)

CASES = Cases()
CROWD = tuple(sorted(AccountId(blake2_256(b"provider %d" % number)) for number in range(PROVIDERS_MAX - 1)))
SEATED = (*CROWD, ALICE)
LIARS = PROVIDERS_MAX // 2
"""The most that an honest majority finds to be off its median."""
KEY = b"x" * 32


def stand(scene: Scene, *, feeds: int = FEEDS_MAX, seated: tuple[AccountId, ...] = SEATED) -> Panel:
    """Put a chain with an oracle on the scene, in the last block of a round."""
    rules = tuple(GenesisFeed(KEY[2:] + b"%02d" % number, RULES) for number in range(feeds))
    backend = RecordingBackend()
    chain = oracle_chain(rules, seated, (EVE,), backend)
    chain.next_block(BLOCKS_PER_ROUND - 2)
    stage: Any = scene
    stage.backend, stage.chain = backend, chain
    return Panel(chain)


def remember(panel: Panel, who: AccountId, feed: int, strikes: int) -> None:
    """Let a provider have a full record of a feed with some strikes, and an answer in the next round."""
    ones = (1 << strikes) - 1
    record = TrackRecord(panel.round - 1, bytes([255] * 45), ones.to_bytes(45, "little"))
    panel.oracle.strikes.put(feed, who, record)
    panel.oracle.raw.put(feed, who, RawAnswer(panel.round + 1, 45_000, panel.now_ms))


def sum_up(oracle: Oracle) -> None:
    """Let the quality of all be the sum of their records."""
    for who in oracle.members.get():
        counts = [
            track_record.count(oracle.strikes.get(feed, who)) for feed in range(oracle.feed_count.get())
        ]
        total = Counts(*(sum(one[part] for one in counts) for part in range(len(Counts._fields))))
        oracle.quality.put(who, Quality(*total, 0))


@CASES.add("ORACLE_HOOKS", FEED=FEEDS_MAX)
def hooks(scene: Scene, feeds: int) -> Act:
    """Every value has turned stale, every round is over, half the panel pays for its strikes, and the whole
    of it has answered again."""
    panel = stand(scene, feeds=feeds)
    oracle, number = panel.oracle, panel.round
    old_ms = panel.now_ms - RULES.fresh_ms
    judged = tuple(
        Judged(who, Outcome.Outlier if place < LIARS else Outcome.Counted)
        for place, who in enumerate(oracle.members.get())
    )
    for feed in range(feeds):
        for place, who in enumerate(oracle.members.get()):
            remember(panel, who, feed, STRIKES_SLASH - 1 if place < LIARS else 0)
        oracle.value.put(feed, RoundValue(number, 1, 1, PROVIDERS_MAX, old_ms, old_ms, old_ms, old_ms))
        oracle.open_round.put(feed, OpenRound(number, judged))
        oracle.store.queue_expiry(feed, panel.now_ms)
    sum_up(oracle)

    def run() -> None:
        oracle.on_initialize(0)
        oracle.touched.put(tuple(range(feeds)))
        oracle.on_finalize(0)
        assert all(oracle.open_round.get(feed).round == number + 1 for feed in range(feeds))  # type: ignore[union-attr]  # it was put

    return run


@CASES.add("ORACLE_SUBMIT", ANSWER=FEEDS_MAX)
def submit(scene: Scene, answers: int) -> Act:
    panel = stand(scene)
    for feed in range(FEEDS_MAX):
        panel.oracle.raw.put(feed, ALICE, RawAnswer(panel.round, 1, panel.now_ms))
    listed = tuple(Answer(feed, 45_000, panel.now_ms) for feed in range(max(1, answers)))
    return scene.act(ALICE, "Oracle.submit", listed)


@CASES.add("ORACLE_SUBMIT_REPORT", SIGNATURE=PROVIDERS_MAX)
def submit_report(scene: Scene, signatures: int) -> Act:
    panel = stand(scene)
    feed = panel.oracle.store.get_feed(0)
    panel.oracle.feed.put(0, structs.replace(feed, rules=structs.replace(RULES, quorum=1)))
    report = Statement(0, panel.round + 1, 45_000, panel.now_ms)
    signed = panel.report(report, SEATED[: max(1, signatures)])
    return scene.act(EVE, "Oracle.submit_report", report, signed)


@CASES.add("ORACLE_REPORT_EQUIVOCATION")
def report_equivocation(scene: Scene) -> Act:
    panel = stand(scene)
    for feed in range(FEEDS_MAX):
        remember(panel, ALICE, feed, 0)
    sum_up(panel.oracle)
    proof = tuple(signed_statement(ALICE, panel.statement(value)) for value in (1, 2))
    return scene.act(EVE, "Oracle.report_equivocation", ALICE, *proof)


@CASES.add("ORACLE_RESTORE_BOND")
def restore_bond(scene: Scene) -> Act:
    panel = stand(scene)
    oracle = panel.oracle
    panel.chain.pallets.balances.release(oracle.panel.reason, ALICE, BOND)
    oracle.provider.put(ALICE, structs.replace(oracle.store.get_provider(ALICE), bond=0))
    return scene.act(ALICE, "Oracle.restore_bond")


@CASES.add("ORACLE_SET_FEED")
def set_feed(scene: Scene) -> Act:
    stand(scene, feeds=FEEDS_MAX - 1)
    return scene.act(ROOT, "Oracle.set_feed", KEY, RULES)


@CASES.add("ORACLE_PAUSE_FEED")
def pause_feed(scene: Scene) -> Act:
    panel = stand(scene)
    judged = tuple(Judged(who, Outcome.Counted) for who in panel.oracle.members.get())
    panel.oracle.open_round.put(0, OpenRound(panel.round + 1, judged))
    value = RoundValue(panel.round, 1, 1, 1, 0, 0, 0, 0)
    for feed in range(FEEDS_MAX):
        panel.oracle.value.put(feed, value)
        panel.oracle.store.queue_expiry(feed, panel.now_ms + HEARTBEAT_MS)
    return scene.act(ROOT, "Oracle.pause_feed", 0)


@CASES.add("ORACLE_RESUME_FEED")
def resume_feed(scene: Scene) -> Act:
    panel = stand(scene)
    panel.oracle.value.put(0, RoundValue(panel.round, 1, 1, 1, 0, 0, 0, 0))
    scene.ok(ROOT, "Oracle.pause_feed", 0)
    return scene.act(ROOT, "Oracle.resume_feed", 0)


@CASES.add("ORACLE_ADD_PROVIDER")
def add_provider(scene: Scene) -> Act:
    stand(scene, seated=CROWD)
    return scene.act(ROOT, "Oracle.add_provider", EVE, statement_key(EVE).public, ENDPOINTS)


@CASES.add("ORACLE_SET_PROVIDER")
def set_provider(scene: Scene) -> Act:
    stand(scene)
    return scene.act(ROOT, "Oracle.set_provider", ALICE, statement_key(EVE).public, ENDPOINTS)


@CASES.add("ORACLE_REMOVE_PROVIDER")
def remove_provider(scene: Scene) -> Act:
    panel = stand(scene)
    for feed in range(FEEDS_MAX):
        remember(panel, ALICE, feed, 0)
    sum_up(panel.oracle)
    return scene.act(ROOT, "Oracle.remove_provider", ALICE)
