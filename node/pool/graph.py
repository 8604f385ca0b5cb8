"""Who depends on whom in the pool, and in which order the ready ones go.

Holds the entries of both queues, the index of tags, the order of the ready and the moves between the
queues, with the events these cause. It decides who must leave for a newcomer, but knows no bans, blocks,
expiry or time. Nothing here recurses: a chain of transactions may be as long as the pool.

Invariants, with T any tag:
1. Of the ready transactions (READY or TAKEN) at most one provides T: `providers[T]`. Of the waiting ones
   (FUTURE) at most one provides T: `future_providers[T]`.
2. A READY transaction lacks nothing: each T it requires is provided by a ready one or satisfied by the
   chain. A FUTURE one has the tags it lacks in `missing`, at least one.
3. `available` holds exactly the READY transactions whose required tags have no provider that is READY
   itself: those go first. `_heap` holds their keys and perhaps keys of others, which are skipped.
4. `wanted[T]` holds every transaction that requires T, so that nobody else is looked at when T comes or goes.
"""

from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import Final

from node.pool.errors import CycleDetected, ImmediatelyDropped, PoolError, TooLowPriority
from node.pool.queue import FUTURE, GONE, READY, TAKEN, Entry, Queue
from node.pool.transaction import NO_CHANGES, PRIORITY_MAX, Change, Changes, PoolLimits, PoolTransaction
from node.pool.watch import Dropped, Future, Invalid, Ready, Usurped, Watchers

RECENT_BLOCKS: Final = 2
"""Blocks whose tags count as satisfied for newcomers (Substrate's RECENTLY_PRUNED_TAGS): the caller may have
validated just before that block."""


class Graph:
    """The pooled transactions by hash, by tag and in order."""

    def __init__(self, limits: PoolLimits, watchers: Watchers) -> None:
        self.ready = Queue(limits.ready_count, limits.ready_bytes, gives_way_to_equals=False)
        self.future = Queue(limits.future_count, limits.future_bytes, gives_way_to_equals=True)
        self.providers: dict[bytes, Entry] = {}
        self.future_providers: dict[bytes, Entry] = {}
        self.wanted: dict[bytes, tuple[Entry, ...]] = {}
        self.available: dict[int, Entry] = {}
        self._recent: deque[tuple[bytes, dict[bytes, None]]] = deque(maxlen=RECENT_BLOCKS)
        self.taken_count = 0
        self._heap: list[int] = []
        self._senders: dict[bytes, int] = {}
        self._per_sender = limits.per_sender
        self._watchers = watchers
        self._log: list[tuple[Change, bytes]] = []  # what the running operation did to other transactions

    def find(self, transaction: bytes) -> Entry | None:
        """Return the entry of this hash in either queue."""
        return self.ready.entries.get(transaction) or self.future.entries.get(transaction)

    def get_missing(self, requires: tuple[bytes, ...]) -> set[bytes] | None:
        """Return which of the tags neither a ready transaction nor a recent block provides; None if none."""
        missing: set[bytes] | None = None
        for tag in requires:
            if tag not in self.providers and not self.is_recent(tag):
                missing = missing or set()
                missing.add(tag)
        return missing

    def is_recent(self, tag: bytes) -> bool:
        """Tell whether one of the last blocks satisfied the tag."""
        return any(tag in tags for _, tags in self._recent)

    def add_recent(self, block: bytes, tags: list[bytes]) -> None:
        """Let these tags count as satisfied by this block, until it is no longer one of the last."""
        self._recent.append((block, dict.fromkeys(tags)))

    def drop_recent(self, block: bytes) -> list[bytes]:
        """Let the tags of this block no longer count; returns those that are known still."""
        dropped = [tag for one, tags in self._recent if one == block for tag in tags]
        self._recent = deque((one for one in self._recent if one[0] != block), maxlen=RECENT_BLOCKS)
        return dropped

    def drain_log(self) -> Changes:
        """Return what happened to the entries since the last call."""
        if not self._log:
            return NO_CHANGES
        log, self._log = self._log, []
        groups: dict[Change, list[bytes]] = {change: [] for change in Change}
        for change, transaction in log:
            groups[change].append(transaction)
        return Changes(*(tuple(groups[change]) for change in Change))

    # Order

    def take(self, limit: int) -> list[PoolTransaction]:
        """Mark up to `limit` entries TAKEN, best first, each after those it depends on."""
        heap, available, wanted = self._heap, self.available, self.wanted
        taken: list[PoolTransaction] = []
        while heap and len(taken) < limit:
            entry = available.pop(heappop(heap), None)
            if entry is None:
                continue
            entry.state = TAKEN
            tx = entry.tx
            taken.append(tx)
            for tag in tx.provides:
                if tag in wanted:
                    self._settle_waiting(tag)
        self.taken_count += len(taken)
        return taken

    def untake(self, transactions: Iterable[bytes]) -> None:
        """Mark the taken ones among these READY again, or FUTURE if what they require has left meanwhile."""
        found = [entry for one in transactions if (entry := self.ready.entries.get(one)) is not None]
        lost: list[bytes] = []
        returned: list[Entry] = []
        for entry in found:
            if entry.state == TAKEN:
                entry.state = READY
                self.taken_count -= 1
                self.ready.note(entry)
                returned.append(entry)
        for entry in returned:
            if entry.missing:
                self._demote(entry)
                lost += entry.tx.provides
        for entry in returned:
            if entry.state == READY:
                self._settle(entry)
            for tag in entry.tx.provides:
                self._settle_waiting(tag)
        self.lose_tags(lost)

    def list_ready(self) -> list[PoolTransaction]:
        """Return what `take` would give, in that order."""
        heap = sorted(self.available)
        entries = dict(self.available)
        placed: dict[bytes, PoolTransaction] = {}
        while heap:
            entry = entries[heappop(heap)]
            placed[entry.tx.hash] = entry.tx
            for tag in entry.tx.provides:
                for other in self.wanted.get(tag, ()):
                    if (
                        other.state == READY
                        and other.key not in entries
                        and self._is_unblocked(other, placed)
                    ):
                        entries[other.key] = other
                        heappush(heap, other.key)
        return list(placed.values())

    def compact(self) -> None:
        """Forget the keys in the heap that are no longer available, once they are many."""
        if len(self._heap) > 2 * len(self.available) + 1024:
            self._heap = list(self.available)
            heapify(self._heap)

    def _is_unblocked(self, entry: Entry, placed: dict[bytes, PoolTransaction] | None = None) -> bool:
        for tag in entry.tx.requires:
            provider = self.providers.get(tag)
            if (
                provider is not None
                and provider.state != TAKEN
                and not (placed and provider.tx.hash in placed)
            ):
                return False
        return True

    def _settle(self, entry: Entry) -> None:
        """Bring a READY entry into the order, or out of it when one that it depends on goes first."""
        if not self._is_unblocked(entry):
            self.available.pop(entry.key, None)
        elif entry.key not in self.available:
            self.available[entry.key] = entry
            heappush(self._heap, entry.key)

    def _settle_waiting(self, tag: bytes) -> None:
        for other in self.wanted.get(tag, ()):
            if other.state == READY:
                self._settle(other)

    # Plans: who would have to leave; these raise PoolError and change nothing

    def import_ready(self, entry: Entry, *, watch: bool) -> None:
        """Let an entry in that lacks nothing, and promote what waited for it; or raise a PoolError."""
        tx = entry.tx
        providers = self.providers
        replaced: list[Entry] = []
        leaving: list[Entry] = []
        for tag in tx.provides:
            if tag in providers:
                replaced = self._plan_replacement(tx)
                break
        if tx.sender is not None and self._senders.get(tx.sender, 0) >= self._per_sender:
            leaving = self._plan_sender(tx, replaced)
        ready = self.ready
        if len(ready.entries) >= ready.count_max or ready.bytes + len(tx.data) > ready.bytes_max:
            leaving += self._plan_ready_room(tx, replaced)
        if watch:
            self._watchers.watch(tx.hash)
        self._link(entry)
        self._admit(entry, replaced, leaving)
        if self.wanted:
            self.provide([tag for tag in tx.provides if tag in self.wanted])

    def import_future(self, entry: Entry, *, watch: bool) -> None:
        """Let an entry in that must wait; or raise a PoolError."""
        tx = entry.tx
        for tag in tx.provides:
            incumbent = self.providers.get(tag)
            if incumbent is not None:
                _ensure_outbids([incumbent], tx)
        replaced = self._get_future_rivals(tx)
        _ensure_outbids(replaced, tx)
        if tx.sender is not None and self._count_sender(tx, replaced) >= self._per_sender:
            raise ImmediatelyDropped("per_sender", self._per_sender)
        leaving = self.future.plan_room(tx, replaced, (), _alone)
        if leaving is None:
            raise ImmediatelyDropped("future", self.future.count_max)
        if watch:
            self._watchers.watch(tx.hash)
        self._link(entry)
        self._hold(entry, replaced, leaving)

    def _plan_replacement(self, tx: PoolTransaction) -> list[Entry]:
        """Return the ready entries whose tags the transaction would take over."""
        found = {one.key: one for tag in tx.provides if (one := self.providers.get(tag)) is not None}
        replaced = list(found.values())
        if not replaced:
            return replaced
        _ensure_outbids(replaced, tx)
        ancestors = self._get_ancestors(tx)
        if any(one.tx.hash in ancestors for one in replaced):
            raise CycleDetected
        return replaced

    def _plan_sender(self, tx: PoolTransaction, replaced: list[Entry]) -> list[Entry]:
        """Return what the sender of a ready transaction gives up for it: the newest that waits."""
        if self._count_sender(tx, replaced) < self._per_sender:
            return []
        waiting = [one for one in self.future.entries.values() if one.tx.sender == tx.sender]
        if not waiting:
            raise ImmediatelyDropped("per_sender", self._per_sender)
        return waiting[-1:]

    def _plan_ready_room(self, tx: PoolTransaction, replaced: list[Entry]) -> list[Entry]:
        if not self.ready.is_full_for(len(tx.data)):
            return []
        leaving = self.ready.plan_room(tx, replaced, self._get_ancestors(tx), self._get_subtree)
        if leaving is None:
            raise ImmediatelyDropped("ready", self.ready.count_max)
        return leaving

    def _count_sender(self, tx: PoolTransaction, replaced: list[Entry]) -> int:
        count = self._senders.get(tx.sender, 0) if tx.sender is not None else 0
        return count - sum(one.tx.sender == tx.sender for one in replaced)

    def _get_future_rivals(self, tx: PoolTransaction) -> list[Entry]:
        found = {one.key: one for tag in tx.provides if (one := self.future_providers.get(tag)) is not None}
        return list(found.values())

    def _get_ancestors(self, tx: PoolTransaction) -> dict[bytes, Entry]:
        """Return the ready entries that the transaction depends on, by hash."""
        found: dict[bytes, Entry] = {}
        queue = list(tx.requires)
        for tag in queue:
            provider = self.providers.get(tag)
            if provider is not None and provider.tx.hash not in found:
                found[provider.tx.hash] = provider
                queue += provider.tx.requires
        return found

    def _get_subtree(self, entry: Entry) -> list[Entry]:
        """Return the entry and the READY ones that depend on it; each once."""
        found = {entry.tx.hash: entry}
        queue = [entry]
        for one in queue:
            for tag in one.tx.provides:
                for other in self.wanted.get(tag, ()):
                    if other.state == READY and other.tx.hash not in found:
                        found[other.tx.hash] = other
                        queue.append(other)
        return queue

    # Moves: these always succeed

    def provide(self, tags: Iterable[bytes]) -> None:
        """Let those that wait for a tag have it, and those that wait for them, and so on."""
        queue = list(tags)
        for tag in queue:
            if tag not in self.providers and not self.is_recent(tag):
                continue  # its provider was replaced meanwhile
            for other in self.wanted.get(tag, ()):
                if other.state == GONE:
                    continue  # it left while we came here
                if other.missing:
                    other.missing.discard(tag)
                    if other.state == FUTURE and not other.missing and self._promote(other):
                        queue += other.tx.provides
                elif other.state == READY:
                    self._settle(other)

    def lose_tags(self, tags: Iterable[bytes]) -> None:
        """Make those wait that require a tag which nothing provides now, and who depends on them."""
        queue = list(tags)
        for tag in queue:
            if tag in self.providers or self.is_recent(tag):
                continue
            for other in self.wanted.get(tag, ()):
                if other.state == GONE:
                    continue
                if other.missing is None:
                    other.missing = set()
                other.missing.add(tag)
                if other.state == READY:
                    self._demote(other)
                    queue += other.tx.provides

    def remove(self, entry: Entry) -> None:
        """Take the entry out of every index; what depends on it is the caller's to settle."""
        queue, providers = self.ready, self.providers
        if entry.state == FUTURE:
            queue, providers = self.future, self.future_providers
        elif entry.state == TAKEN:
            self.taken_count -= 1
        else:
            self.available.pop(entry.key, None)
        queue.remove(entry)
        for tag in entry.tx.provides:
            if providers.get(tag) is entry:
                del providers[tag]
        self._unlink(entry)

    def invalidate(self, entry: Entry) -> None:
        """Remove the entry as invalid."""
        self._end(entry, Change.INVALID, Invalid(entry.tx.hash))

    def _admit(self, entry: Entry, replaced: list[Entry], leaving: list[Entry]) -> None:
        """Make the linked entry READY in place of others."""
        tx = entry.tx
        self._make_room(tx.hash, replaced, leaving)
        entry.state = READY
        self.ready.add(entry)
        for tag in tx.provides:
            self.providers[tag] = entry
        if not tx.requires or self._is_unblocked(entry):
            self.available[entry.key] = entry
            heappush(self._heap, entry.key)
        if self._watchers:
            self._watchers.report(Ready(tx.hash))
        if replaced or leaving:
            self.lose_tags([tag for one in (*replaced, *leaving) for tag in one.tx.provides])
            self.compact()

    def _hold(self, entry: Entry, replaced: list[Entry], leaving: list[Entry]) -> None:
        """Make the linked entry FUTURE in place of others."""
        tx = entry.tx
        self._make_room(tx.hash, replaced, leaving)
        entry.state = FUTURE
        self.future.add(entry)
        for tag in tx.provides:
            self.future_providers[tag] = entry
        self._watchers.report(Future(tx.hash))

    def _make_room(self, comer: bytes, replaced: list[Entry], leaving: list[Entry]) -> None:
        """End the entries in whose place another one comes."""
        for one in replaced:
            self._end(one, Change.USURPED, Usurped(one.tx.hash, comer))
        for one in leaving:
            self._end(one, Change.DROPPED, Dropped(one.tx.hash))

    def _promote(self, entry: Entry) -> bool:
        """Make a FUTURE entry READY; False if it had to leave instead."""
        tx = entry.tx
        try:
            replaced = self._plan_replacement(tx)
            leaving = self._plan_ready_room(tx, replaced)
        except ImmediatelyDropped:
            self._end(entry, Change.DROPPED, Dropped(tx.hash))
            return False
        except PoolError:
            rival = next(one for tag in tx.provides if (one := self.providers.get(tag)) is not None)
            self._end(entry, Change.USURPED, Usurped(tx.hash, rival.tx.hash))
            return False
        self.future.remove(entry)
        for tag in tx.provides:
            self.future_providers.pop(tag, None)
        self._log.append((Change.PROMOTED, tx.hash))
        self._admit(entry, replaced, leaving)
        return True

    def _demote(self, entry: Entry) -> None:
        """Make a READY entry FUTURE that lacks a tag, if there is room; what it provides is lost."""
        tx = entry.tx
        self.ready.remove(entry)
        self.available.pop(entry.key, None)
        for tag in tx.provides:
            self.providers.pop(tag, None)
        rivals = self._get_future_rivals(tx)
        best = max(rivals, key=lambda one: one.tx.priority, default=None)
        if best is not None and best.tx.priority >= tx.priority:
            self._leave(entry, Change.USURPED, Usurped(tx.hash, best.tx.hash))
            return
        leaving = self.future.plan_room(tx, rivals, (), _alone)
        if leaving is None:
            self._leave(entry, Change.DROPPED, Dropped(tx.hash))
            return
        self._log.append((Change.DEMOTED, tx.hash))
        self._hold(entry, rivals, leaving)

    def _end(self, entry: Entry, change: Change, event: Usurped | Dropped | Invalid) -> None:
        self.remove(entry)
        self._log.append((change, entry.tx.hash))
        self._watchers.end(event)

    def _leave(self, entry: Entry, change: Change, event: Usurped | Dropped) -> None:
        """Like `_end` for an entry that is in neither queue at the moment."""
        self._unlink(entry)
        self._log.append((change, entry.tx.hash))
        self._watchers.end(event)

    def _link(self, entry: Entry) -> None:
        tx = entry.tx
        wanted = self.wanted
        for tag in tx.requires:
            wanted[tag] = (*wanted[tag], entry) if tag in wanted else (entry,)
        sender = tx.sender
        if sender is not None:
            self._senders[sender] = self._senders.get(sender, 0) + 1

    def _unlink(self, entry: Entry) -> None:
        entry.state = GONE
        tx = entry.tx
        wanted = self.wanted
        for tag in tx.requires:
            others = wanted.pop(tag, ())
            if len(others) > 1 and (left := tuple(other for other in others if other is not entry)):
                wanted[tag] = left
        sender = tx.sender
        if sender is not None:
            count = self._senders.pop(sender)
            if count > 1:
                self._senders[sender] = count - 1


def _alone(entry: Entry) -> tuple[Entry, ...]:
    return (entry,)


def _ensure_outbids(incumbents: list[Entry], tx: PoolTransaction) -> None:
    """Raise TooLowPriority unless the transaction is worth more than all of these together."""
    if not incumbents:
        return
    old = min(PRIORITY_MAX, sum(one.tx.priority for one in incumbents))
    if any(one.state == TAKEN for one in incumbents):
        old = PRIORITY_MAX  # the open block has it already: nothing outbids that
    if old >= tx.priority:
        raise TooLowPriority(old, tx.priority)
