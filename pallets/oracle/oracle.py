"""Oracle: providers measure what the chain cannot see; the median of enough of them is a feed's value.

Responsible for feeds, for who may answer them, and for the calls by which they do: each provider for itself
(`submit`), or many at once with one report that a quorum signed (`submit_report`). Accepted answers pay no
fee. The rules of a value are in `median`, of rounds in `rounds`, of bonds and strikes in `panel`. It reaches
the currency, time and the hash of genesis through Protocols, and knows no pallet that uses its values: those
ask `get`, under `runtime.frame.feeds.Feeds`.

What a liar can do. While fewer than half of the answers that count are lies, value and moment of measurement
lie between the smallest and the largest honest one. Whoever lies, is silent or repeats an old value gets a
strike, and by enough of them loses a part of its bond and then its seat; whoever signs two statements for one
round loses more, at once. A round without a value strikes nobody, so a dead source takes no panel with it.

Every hook looks at each feed, at most `FEEDS_MAX`, and in each at every provider, at most `PROVIDERS_MAX`; at
most one provider is removed in a block for its strikes, the next one after a later round.

Invariant (checked by `try_state`): the members are the providers, each of whose bonds is held; nothing is
stored of others; quality is the sum of the track records; every value that may turn stale is in the queue.
"""

from __future__ import annotations

from enum import IntEnum
from types import ModuleType
from typing import Annotated, ClassVar

from msgspec import structs

from pallets.oracle import errors, events, track_record, weights
from pallets.oracle.panel import Panel
from pallets.oracle.rounds import Rounds, is_possible, may_replace, round_at
from pallets.oracle.statement import SignedStatement, Statement, contradict, is_signed_by
from pallets.oracle.store import OracleStore
from pallets.oracle.track_record import TrackRecord
from pallets.oracle.types import (
    FEEDS_MAX,
    KEY_BYTES_MAX,
    PROVIDERS_MAX,
    Answers,
    Expiry,
    Fault,
    Feed,
    FeedId,
    FeedKey,
    FeedRules,
    FeedStatus,
    GenesisFeed,
    GenesisProvider,
    HoldReason,
    OpenRound,
    OracleConfig,
    Provider,
    PublicKey,
    Quality,
    RawAnswer,
    ReportSignatures,
    RoundValue,
)
from pallets.oracle.views import Views
from runtime.frame.account import lookup
from runtime.frame.call import call
from runtime.frame.dispatch import Origin, Pays, PostDispatchInfo, Weight, ensure_signed
from runtime.frame.feeds import Insufficient, Reading
from runtime.frame.fungible import Reason
from runtime.frame.oracle_api import FeedView, FreshnessView, ProviderView, RoundView
from runtime.frame.pallet import Binding, Pallet, constant
from runtime.frame.storage import BLAKE2_128_CONCAT, TWOX_64_CONCAT, DoubleMap, Map, Value, storage
from runtime.primitives.extrinsic import MultiAddress
from runtime.primitives.scale import MaxLen, u16, u32, u128
from runtime.primitives.types import AccountId, Hash

GENESIS_NUMBER = 0
FREE = PostDispatchInfo(pays_fee=Pays.No)


class Oracle(Pallet[OracleConfig]):
    """Measured values and who measures them."""

    declared_in: ClassVar[tuple[ModuleType, ...]] = (events, errors)
    hold_reasons: ClassVar[type[IntEnum] | None] = HoldReason

    feed: Map[FeedId, Feed | None] = storage(TWOX_64_CONCAT, docs="Feeds by their number.")
    feed_count: Value[u32] = storage(default=0, docs="How many feeds there are.")
    feed_of: Map[FeedKey, FeedId | None] = storage(BLAKE2_128_CONCAT, docs="The number of a feed by its key.")
    raw: DoubleMap[FeedId, AccountId, RawAnswer | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, docs="The latest answer of a provider to a feed."
    )
    value: Map[FeedId, RoundValue | None] = storage(TWOX_64_CONCAT, docs="The latest value of a feed.")
    history: DoubleMap[FeedId, u16, RoundValue | None] = storage(
        TWOX_64_CONCAT,
        TWOX_64_CONCAT,
        docs="Values of a feed by the remainder of their round's number divided by 360.",
    )
    open_round: Map[FeedId, OpenRound | None] = storage(
        TWOX_64_CONCAT, docs="The latest round of a feed that got a value, until it is over."
    )
    provider: Map[AccountId, Provider | None] = storage(BLAKE2_128_CONCAT, docs="Providers.")
    members: Value[Annotated[tuple[AccountId, ...], MaxLen(PROVIDERS_MAX)]] = storage(
        default=(), docs="The providers' accounts in order."
    )
    strikes: DoubleMap[FeedId, AccountId, TrackRecord | None] = storage(
        TWOX_64_CONCAT, BLAKE2_128_CONCAT, docs="What became of a provider's last 360 rounds of a feed."
    )
    quality: Map[AccountId, Quality] = storage(
        BLAKE2_128_CONCAT, default=Quality(), docs="A provider's last 360 rounds of all feeds."
    )
    touched: Value[Annotated[tuple[FeedId, ...], MaxLen(FEEDS_MAX)]] = storage(
        default=(), docs="Feeds that were answered in this block."
    )
    stale_queue: Value[Annotated[tuple[Expiry, ...], MaxLen(FEEDS_MAX)]] = storage(
        default=(), docs="When values stop being fresh, the next one first."
    )

    def __init__(self, binding: Binding, config: OracleConfig) -> None:
        super().__init__(binding, config)
        self.store = OracleStore(
            self.feed,
            self.feed_count,
            self.raw,
            self.value,
            self.history,
            self.open_round,
            self.provider,
            self.members,
            self.strikes,
            self.quality,
            self.stale_queue,
            self.error,
        )
        self.panel = Panel(self.store, config, Reason(self.index, HoldReason.Bond), self.deposit)
        self.rounds = Rounds(self.store, self.panel, self.deposit)
        self.views = Views(self.store)

    @constant
    def feeds_max(self) -> u32:
        """Most feeds of the chain."""
        return FEEDS_MAX

    @constant
    def providers_max(self) -> u32:
        """Most providers of the chain."""
        return PROVIDERS_MAX

    @constant
    def bond(self) -> u128:
        """The amount held from each provider, in the native currency's smallest unit."""
        return self.config.bond

    def genesis(
        self, feeds: tuple[GenesisFeed, ...] = (), providers: tuple[GenesisProvider, ...] = ()
    ) -> None:
        """Add feeds and providers, whose bonds are held; after the balances of genesis."""
        treasury = self.config.currency.total_balance(self.config.treasury)
        assert treasury >= self.config.currency.minimum_balance(), "the treasury exists"
        for feed in feeds:
            self._put_feed(feed.key, feed.rules)
        for one in providers:
            self.panel.add(one.who, one.key, one.endpoints)

    # --- hooks

    def on_initialize(self, number: int) -> Weight:  # noqa: ARG002  # the same in every block
        """Tell of values that have stopped being fresh; account for the work of on_finalize."""
        now_ms = self.config.clock.now_ms()
        queue = self.stale_queue.get()
        expired = [entry for entry in queue if entry.at_ms < now_ms]
        for entry in expired:
            value = self.value.get(entry.feed)
            assert value is not None, "what is queued has a value"
            self.deposit(events.FeedStale(entry.feed, value.measured_ms))
        if expired:
            self.stale_queue.put(queue[len(expired) :])
        per_feed = weights.ORACLE_HOOKS_PER_FEED.times(self.feed_count.get())
        return weights.ORACLE_HOOKS.plus(per_feed).plus(weights.ORACLE_REMOVE_PROVIDER)

    def on_finalize(self, number: int) -> None:  # noqa: ARG002  # rounds go by time
        """End the rounds that are over, then give those that were answered in this block their values."""
        now_ms = self.config.clock.now_ms()
        ended = [self.rounds.close_ended(feed, now_ms) for feed in range(self.feed_count.get())]
        struck_out = next((who for who in ended if who is not None), None)
        if struck_out is not None:
            self.panel.remove(struck_out, Fault.Strikes)
        touched = self.touched.get()
        for feed in touched:
            self.rounds.aggregate(feed, now_ms)
        if touched:
            self.touched.kill()

    # --- calls of providers

    def _submit_weight(self, answers: Answers) -> Weight:
        return weights.ORACLE_SUBMIT.plus(weights.ORACLE_SUBMIT_PER_ANSWER.times(len(answers)))

    @call(0, weight=_submit_weight)
    def submit(self, origin: Origin, answers: Answers) -> PostDispatchInfo:
        """Answer feeds in their open rounds, all or none. Only for providers; costs nothing."""
        who = ensure_signed(origin)
        self.panel.ensure_can_answer(who)
        if not answers:
            raise self.error(errors.NothingSubmitted)
        if len(dict.fromkeys(answer.feed for answer in answers)) < len(answers):
            raise self.error(errors.AlreadySubmitted)
        now_ms = self.config.clock.now_ms()
        taken = [
            (answer.feed, self._check(answer.feed, answer.value, answer.time_ms, now_ms))
            for answer in answers
        ]
        if any(self._has_answered(feed, who, raw.round) for feed, raw in taken):
            raise self.error(errors.AlreadySubmitted)
        for feed, raw in taken:
            self._take(feed, who, raw)
        self.deposit(events.Submitted(who, answers))
        return FREE

    def _report_weight(self, report: Statement, signatures: ReportSignatures) -> Weight:  # noqa: ARG002
        per_signature = weights.ORACLE_SUBMIT_REPORT_PER_SIGNATURE.times(len(signatures))
        return weights.ORACLE_SUBMIT_REPORT.plus(per_signature)

    @call(1, weight=_report_weight)
    def submit_report(
        self, origin: Origin, report: Statement, signatures: ReportSignatures
    ) -> PostDispatchInfo:
        """Hand in what at least a quorum of providers have signed for the open round of a feed.

        It counts as the answer of each that has given none yet. Anyone can send it; costs nothing.
        """
        sender = ensure_signed(origin)
        raw = self._check_report(report)
        self._check_signatures(report, signatures)
        late = [
            one.provider for one in signatures if not self._has_answered(report.feed, one.provider, raw.round)
        ]
        if not late:
            raise self.error(errors.AlreadySubmitted)
        for who in late:
            self._take(report.feed, who, raw)
        self.deposit(events.ReportAccepted(report.feed, raw.round, raw.value, len(late), sender))
        return FREE

    @call(2, weight=weights.ORACLE_REPORT_EQUIVOCATION)
    def report_equivocation(
        self, origin: Origin, provider: MultiAddress, first: SignedStatement, second: SignedStatement
    ) -> PostDispatchInfo:
        """Prove that a provider signed two statements for one round of a feed.

        It loses a tenth of its bond and its seat. Anyone can send the proof; costs nothing.
        """
        ensure_signed(origin)
        who = lookup(provider)
        found = self.store.get_provider(who)
        feed = self.store.get_feed(first.statement.feed)
        if not contradict(first.statement, second.statement):
            raise self.error(errors.NoContradiction)
        if (first.statement.round + 1) * feed.rules.heartbeat_ms <= found.joined_ms:
            raise self.error(errors.TooOld)
        genesis = self._genesis_hash()
        if not all(is_signed_by(found.key, genesis, one.statement, one.signature) for one in (first, second)):
            raise self.error(errors.BadSignature)
        self.panel.expel(who)
        return FREE

    @call(3, weight=weights.ORACLE_RESTORE_BOND)
    def restore_bond(self, origin: Origin) -> None:
        """Hold from the sender, a provider, what is missing from its bond."""
        self.panel.restore(ensure_signed(origin))

    # --- calls of governance

    @call(4, weight=weights.ORACLE_SET_FEED)
    def set_feed(self, origin: Origin, key: FeedKey, rules: FeedRules) -> None:
        """Add a feed under a key, or give the one that has it other rules. By governance."""
        self.config.governance(origin)
        self._put_feed(key, rules)

    @call(5, weight=weights.ORACLE_PAUSE_FEED)
    def pause_feed(self, origin: Origin, feed: FeedId) -> None:
        """Let a feed take no more answers and have no value for others. By governance."""
        self.config.governance(origin)
        found = self.store.get_active(feed)
        self.feed.put(feed, structs.replace(found, status=FeedStatus.Paused))
        self.open_round.remove(feed)
        self.store.queue_expiry(feed, None)
        self.deposit(events.FeedPaused(feed))

    @call(6, weight=weights.ORACLE_RESUME_FEED)
    def resume_feed(self, origin: Origin, feed: FeedId) -> None:
        """Let a paused feed take answers again. By governance."""
        self.config.governance(origin)
        found = self.store.get_feed(feed)
        if found.status is FeedStatus.Active:
            raise self.error(errors.FeedActive)
        self.feed.put(feed, structs.replace(found, status=FeedStatus.Active))
        self.value.remove(feed)
        self.deposit(events.FeedResumed(feed))

    @call(7, weight=weights.ORACLE_ADD_PROVIDER)
    def add_provider(self, origin: Origin, who: MultiAddress, key: PublicKey, endpoints: Hash) -> None:
        """Let an account answer feeds; its bond is held from its balance. By governance."""
        self.config.governance(origin)
        self.panel.add(lookup(who), key, endpoints)

    @call(8, weight=weights.ORACLE_SET_PROVIDER)
    def set_provider(self, origin: Origin, who: MultiAddress, key: PublicKey, endpoints: Hash) -> None:
        """Change the key that a provider signs with and the hash of its sources. By governance."""
        self.config.governance(origin)
        account = lookup(who)
        found = self.store.get_provider(account)
        self.panel.ensure_free(key, account)
        self.provider.put(account, structs.replace(found, key=key, endpoints=endpoints))
        self.deposit(events.ProviderChanged(account))

    @call(9, weight=weights.ORACLE_REMOVE_PROVIDER)
    def remove_provider(self, origin: Origin, who: MultiAddress) -> None:
        """Let a provider answer no more; its bond is free again. By governance."""
        self.config.governance(origin)
        self.panel.remove(lookup(who), Fault.Governance)

    # --- what others read

    def get(self, key: bytes) -> Reading:
        """Return what stands under a feed's key at the time of the open block; for other pallets."""
        feed = self.feed_of.get(key)
        return Insufficient() if feed is None else self.views.read(feed, self.config.clock.now_ms())

    def view_feed(self, key: str) -> FeedView | None:
        """Return a feed as the runtime API tells it, None when there is none."""
        feed = self._find_feed(key)
        return None if feed is None else self.views.view_feed(feed, self.config.clock.now_ms())

    def list_feeds(self, after: int | None, limit: int) -> tuple[FeedView, ...]:
        """Return feeds in order of their number, those after one of them."""
        start = 0 if after is None else after + 1
        stop = min(self.feed_count.get(), start + limit)
        now_ms = self.config.clock.now_ms()
        return tuple(self.views.view_feed(feed, now_ms) for feed in range(start, stop))

    def list_rounds(self, key: str, before: int | None, limit: int) -> tuple[RoundView, ...]:
        """Return rounds of a feed that have a value, the newest first, those before one of them."""
        feed = self._find_feed(key)
        if feed is None:
            return ()
        return self.views.list_rounds(feed, before, limit, self.config.clock.now_ms())

    def view_freshness(self, key: str) -> FreshnessView | None:
        """Return how fresh a feed was, None when there is none; reads its whole history."""
        feed = self._find_feed(key)
        return None if feed is None else self.views.view_freshness(feed, self.config.clock.now_ms())

    def view_quality(self, who: AccountId) -> ProviderView | None:
        """Return a provider as the runtime API tells it, None when the account is none."""
        return self.views.view_quality(who)

    def list_providers(self) -> tuple[AccountId, ...]:
        """Return all providers, in order of their accounts."""
        return self.members.get()

    def try_state(self) -> None:
        """AssertionError unless bonds are held, nothing is stored of strangers, and quality is a sum."""
        members = self.members.get()
        assert list(members) == sorted(dict.fromkeys(members)), "the members are not in order"
        providers = {who: one for who, one in self.provider.items() if one is not None}
        assert sorted(providers) == list(members), "the members are not the providers"
        for who, one in providers.items():
            held = self.config.currency.balance_on_hold(self.panel.reason, who)
            assert held == one.bond, f"{who.hex()} holds {held} for a bond of {one.bond}"
            self._check_quality(who)
        strangers = [
            who for (_, who), _ in (*self.raw.items(), *self.strikes.items()) if who not in providers
        ]
        strangers += [who for who, _ in self.quality.items() if who not in providers]
        assert not strangers, "something is stored of an account that is no provider"
        self._check_feeds()

    # --- leaves of the above

    def _check(self, feed: FeedId, value: int, time_ms: int, now_ms: int) -> RawAnswer:
        """Return what is stored of an answer in the open round; the errors of one that cannot be taken."""
        rules = self.store.get_active(feed).rules
        if not rules.least <= value <= rules.greatest:
            raise self.error(errors.OutOfRange)
        if time_ms > now_ms:
            raise self.error(errors.FutureTimestamp)
        if now_ms - time_ms > rules.usable_ms:
            raise self.error(errors.TooOld)
        return RawAnswer(round_at(rules, now_ms), value, time_ms)

    def _check_report(self, report: Statement) -> RawAnswer:
        raw = self._check(report.feed, report.value, report.time_ms, self.config.clock.now_ms())
        if report.round > raw.round:
            raise self.error(errors.FutureTimestamp)
        if report.round < raw.round:
            raise self.error(errors.TooOld)
        return raw

    def _check_signatures(self, report: Statement, signatures: ReportSignatures) -> None:
        """Raise unless enough different providers signed a report."""
        if len(signatures) < self.store.get_feed(report.feed).rules.quorum:
            raise self.error(errors.BadQuorum)
        if len(dict.fromkeys(one.provider for one in signatures)) < len(signatures):
            raise self.error(errors.DuplicateSigner)
        signers = [(self.panel.ensure_can_answer(one.provider), one.signature) for one in signatures]
        genesis = self._genesis_hash()
        if not all(is_signed_by(found.key, genesis, report, signature) for found, signature in signers):
            raise self.error(errors.BadSignature)

    def _has_answered(self, feed: FeedId, who: AccountId, number: int) -> bool:
        raw = self.raw.get(feed, who)
        return raw is not None and raw.round == number

    def _take(self, feed: FeedId, who: AccountId, raw: RawAnswer) -> None:
        self.raw.put(feed, who, raw)
        touched = self.touched.get()
        if feed not in touched:
            self.touched.put((*touched, feed))

    def _find_feed(self, key: str) -> FeedId | None:
        raw = key.encode()
        return self.feed_of.get(raw) if len(raw) <= KEY_BYTES_MAX else None

    def _put_feed(self, key: bytes, rules: FeedRules) -> None:
        known = self.feed_of.get(key)
        found = None if known is None else self.store.get_feed(known)
        if not 1 <= rules.quorum <= PROVIDERS_MAX:
            raise self.error(errors.BadQuorum)
        if not is_possible(key, rules) or (found is not None and not may_replace(found.rules, rules)):
            raise self.error(errors.BadFeed)
        if known is not None and found is not None:
            self.feed.put(known, structs.replace(found, rules=rules))
            self.deposit(events.FeedChanged(known))
            return
        feed = self.feed_count.get()
        if feed == FEEDS_MAX:
            raise self.error(errors.TooManyFeeds)
        self.feed.put(feed, Feed(key, rules))
        self.feed_of.put(key, feed)
        self.feed_count.put(feed + 1)
        self.deposit(events.FeedAdded(feed, key))

    def _genesis_hash(self) -> Hash:
        return self.config.blocks.block_hash.get(GENESIS_NUMBER)

    def _check_quality(self, who: AccountId) -> None:
        records = [track_record.count(self.strikes.get(feed, who)) for feed in range(self.feed_count.get())]
        quality = self.quality.get(who)
        sums = [sum(record[part] for record in records) for part in range(len(track_record.Counts._fields))]
        stored = [quality.expected, quality.submitted, quality.valid, quality.in_time, quality.accurate]
        assert stored == sums, f"the quality of {who.hex()} is not the sum of its records"

    def _check_feeds(self) -> None:
        feeds = dict(self.feed.items())
        assert sorted(feeds) == list(range(self.feed_count.get())), "feeds are not numbered one by one"
        keys = {feed: key for key, feed in self.feed_of.items()}
        assert keys == {feed: one.key for feed, one in feeds.items() if one is not None}, "a key is lost"
        for (feed, slot), value in self.history.items():
            assert feed in feeds, "history of no feed"
            assert value is not None
            assert value.round % track_record.ROUNDS == slot, "a round is remembered in another's place"
        queue = self.stale_queue.get()
        assert sorted(queue, key=lambda entry: (entry.at_ms, entry.feed)) == list(queue), "out of order"
        listed = [entry.feed for entry in queue]
        assert len(dict.fromkeys(listed)) == len(listed), "a feed turns stale twice"
        assert all(self.value.contains(feed) for feed in listed), "a feed without a value turns stale"
