"""Members: who runs the validators of a consortium, by class, and how that changes.

Responsible for the list of members and for handing each new set to Session, at the end of the block in which
it changed: that block is certified by the old set and names the new one in its digest, the next is certified
by the new one. It knows Session as a Protocol, and no consensus. An offender that another pallet convicts is
removed in the next block, before anything else may change, so no flood of other changes keeps it in.

No block changes so much that the old set and the new one could disagree: at most as many voters go at once,
members or their keys, as may be faulty, and a consortium never has fewer than `members_min`. A voter that
changes twice in a block goes once: who changes its key all the time keeps nobody from removing it. A chain
with one authority stays as it is: nobody else is there to agree with.

Invariant (checked by `try_state`): members and their keys are distinct; where none is waiting to be handed
over, the validators of Session are the members, in their order; who is to be removed is listed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Protocol

from pallets.core import weights
from runtime.frame.call import call
from runtime.frame.dispatch import DispatchClass, Origin, PalletError, Weight, ensure_root
from runtime.frame.event import Event
from runtime.frame.pallet import Pallet, constant
from runtime.frame.storage import Value, storage
from runtime.primitives.scale import Length, MaxLen, Struct, enum_path, u32
from runtime.primitives.types import AccountId

MEMBERS_MAX = 100
"""As many as validators of the largest chain; what a set change costs grows with it."""
VoteKey = Annotated[bytes, Length(32)]


@enum_path("pallet_members::MemberClass")
class MemberClass(IntEnum):
    """What kind of organisation a member is."""

    GridOperator = 0
    Trader = 1
    Financial = 2
    Regulator = 3
    Technology = 4


class Member(Struct, path="pallet_members::Member"):
    """One organisation: its account, its class and the ed25519 key that votes for blocks."""

    who: AccountId
    class_: MemberClass
    vote_key: VoteKey


class SetKeeper(Protocol):
    """What the pallet needs of Session."""

    def change_set(self, members: tuple[tuple[AccountId, bytes], ...]) -> None:
        """Let another set of validators, with their vote keys, certify the next block."""
        ...

    def validators_with_keys(self) -> tuple[tuple[AccountId, bytes], ...]:
        """Return the validators and their vote keys in index order."""
        ...


@dataclass(frozen=True, slots=True)
class MembersConfig:
    """`members_min`: a consortium never has fewer."""

    session: SetKeeper
    members_min: int = 4


class Members(Pallet[MembersConfig]):
    """The members of the consortium."""

    members: Value[Annotated[tuple[Member, ...], MaxLen(MEMBERS_MAX)]] = storage(
        default=(), docs="The members, in the order of the validators."
    )
    is_changed: Value[bool] = storage(default=False, docs="Whether the open block changes the set.")
    expelled: Value[Annotated[tuple[AccountId, ...], MaxLen(MEMBERS_MAX)]] = storage(
        default=(), docs="Members that are removed as soon as the set may change by so many."
    )

    class MemberAdded(Event, index=0):
        """An organisation was added; it certifies from the next block on."""

        who: AccountId
        class_: MemberClass

    class MemberRemoved(Event, index=1):
        """A member was removed; it certified its last block."""

        who: AccountId

    class VoteKeyChanged(Event, index=2):
        """A member votes with another key from the next block on."""

        who: AccountId
        vote_key: VoteKey

    class RemovalImpossible(Event, index=3):
        """A member was to be removed for an offence, but the consortium would have too few."""

        who: AccountId

    class AlreadyMember(PalletError, index=0):
        """The account is a member already."""

    class NotMember(PalletError, index=1):
        """The account is no member."""

    class KeyTaken(PalletError, index=2):
        """Another member votes with this key."""

    class TooManyMembers(PalletError, index=3):
        """There is no room for another member: see `MembersMax`."""

    class TooFewMembers(PalletError, index=4):
        """The consortium would have fewer members than it must: see `MembersMin`."""

    class TooManyChanges(PalletError, index=5):
        """More would change in this block than the consortium can lose at once; try again in the next one."""

    class OneAuthority(PalletError, index=6):
        """This chain is made by one authority and stays so."""

    @constant
    def members_min(self) -> u32:
        """A consortium never has fewer members."""
        return self.config.members_min

    @constant
    def members_max(self) -> u32:
        """Nor more than these."""
        return MEMBERS_MAX

    def genesis(self, members: tuple[Member, ...]) -> None:
        """Set the members that the chain starts with: the validators of Session, in their order."""
        assert len(members) <= MEMBERS_MAX
        self.members.put(members)

    def on_initialize(self, number: int) -> Weight:
        """Remove who is to be expelled, as many as may go at once; calls account for their own changes."""
        del number
        if not self.expelled.get():
            return weights.MEMBERS_WAIT
        waiting = self._waiting()
        at_once = max(0, self._departures_max() - self._count_departures(self.members.get()))
        for who in waiting[:at_once]:
            self._expel(who)
        self.expelled.put(waiting[at_once:])
        return weights.MEMBERS_EXPEL

    def on_finalize(self, number: int) -> None:
        """Hand a new set to Session in the block in which it changed."""
        del number
        if self.is_changed.get():
            self.is_changed.kill()
            self.config.session.change_set(self._voters())

    @call(0, weight=weights.MEMBERS_ADD_MEMBER, dispatch_class=DispatchClass.Operational)
    def add_member(
        self,
        origin: Origin,
        who: AccountId,
        class_: MemberClass,
        vote_key: VoteKey,
    ) -> None:
        """Add a member with the ed25519 key that its validator votes with. Only for Root.

        Its validator must be running: from the next block on it counts for every quorum.
        """
        ensure_root(origin)
        members = self._changeable()
        if any(member.who == who for member in members):
            raise self.AlreadyMember
        if len(members) >= MEMBERS_MAX:
            raise self.TooManyMembers
        self._ensure_free(vote_key)
        self._put((*members, Member(who, class_, vote_key)))
        self.deposit(self.MemberAdded(who, class_))

    @call(1, weight=weights.MEMBERS_REMOVE_MEMBER, dispatch_class=DispatchClass.Operational)
    def remove_member(self, origin: Origin, who: AccountId) -> None:
        """Remove a member. Only for Root."""
        ensure_root(origin)
        self.give_up_key(who)

    # --- what Session asks for

    def is_key_holder(self, who: AccountId) -> bool:
        """Tell whether an account is a member."""
        return any(member.who == who for member in self.members.get())

    def owner_of_key(self, vote_key: bytes) -> AccountId | None:
        """Return which member votes with a key, or will after this block."""
        return next((member.who for member in self.members.get() if member.vote_key == vote_key), None)

    def change_key(self, who: AccountId, vote_key: bytes) -> None:
        """Let a member vote with a key that nobody has, from the next block on."""
        members = self._changeable()
        if not self.is_key_holder(who):
            raise self.NotMember
        self._ensure_free(vote_key)
        changed = tuple(
            Member(member.who, member.class_, vote_key) if member.who == who else member for member in members
        )
        self._ensure_bearable(changed)
        self._put(changed)
        self.deposit(self.VoteKeyChanged(who, vote_key))

    def give_up_key(self, who: AccountId) -> None:
        """Let a member go, where enough stay without those that are to be removed; whose going is granted
        must not keep an offender in.
        """
        members = self._changeable()
        if not self.is_key_holder(who):
            raise self.NotMember
        if not self._can_spare(who):
            raise self.TooFewMembers
        self._ensure_bearable(tuple(member for member in members if member.who != who))
        self._remove(who)

    # --- what becomes of offenders

    def on_offence(self, offender: AccountId) -> bool:
        """Remove an offender from the next block on, or as soon as the set may change by one more; false when
        the consortium would have too few members without it. Who is no member any more is as good as gone.
        """
        if not self.is_key_holder(offender):
            return True
        waiting = self._waiting()
        if offender in waiting:
            return True
        if not self._can_spare(offender) or not self._departures_max():
            return False
        self.expelled.put((*waiting, offender))
        return True

    def try_state(self) -> None:
        """AssertionError unless members and keys are distinct and, but for open changes, Session has them."""
        members = self.members.get()
        accounts, keys = [m.who for m in members], [m.vote_key for m in members]
        assert len(dict.fromkeys(accounts)) == len(accounts), "a member is listed twice"
        assert len(dict.fromkeys(keys)) == len(keys), "two members have the same vote key"
        if not self.is_changed.get():
            assert self._voters() == self.config.session.validators_with_keys(), "Session has another set"
        expelled = self.expelled.get()
        assert len(dict.fromkeys(expelled)) == len(expelled), "a member is to be removed twice"

    # --- leaves of the above

    def _changeable(self) -> tuple[Member, ...]:
        members = self.members.get()
        if len(members) <= 1:
            raise self.OneAuthority
        return members

    def _ensure_free(self, vote_key: bytes) -> None:
        if any(member.vote_key == vote_key for member in self.members.get()):
            raise self.KeyTaken

    def _put(self, members: tuple[Member, ...]) -> None:
        self.members.put(members)
        self.is_changed.put(True)  # noqa: FBT003  # the stored value

    def _voters(self) -> tuple[tuple[AccountId, bytes], ...]:
        return tuple((member.who, member.vote_key) for member in self.members.get())

    def _ensure_bearable(self, members: tuple[Member, ...]) -> None:
        if self._count_departures(members) > self._departures_max():
            raise self.TooManyChanges

    def _count_departures(self, members: tuple[Member, ...]) -> int:
        """Return how many voters the old set has and one of these members has not."""
        voters = dict.fromkeys((member.who, member.vote_key) for member in members)
        return sum(1 for voter in self.config.session.validators_with_keys() if voter not in voters)

    def _members_min(self) -> int:
        return max(1, self.config.members_min)

    def _waiting(self) -> tuple[AccountId, ...]:
        """Return who is to be removed and has not gone meanwhile."""
        members = dict.fromkeys(member.who for member in self.members.get())
        return tuple(who for who in self.expelled.get() if who in members)

    def _can_spare(self, who: AccountId) -> bool:
        """Tell whether enough members are left without this one and those that are to be removed."""
        leaving = dict.fromkeys((*self.expelled.get(), who))
        staying = sum(1 for member in self.members.get() if member.who not in leaving)
        return staying >= self._members_min()

    def _departures_max(self) -> int:
        return (len(self.config.session.validators_with_keys()) - 1) // 3

    def _expel(self, who: AccountId) -> None:
        """Remove a member for an offence, unless an upgrade has raised the minimum meanwhile."""
        if len(self.members.get()) <= self._members_min():
            self.deposit(self.RemovalImpossible(who))
            return
        self._remove(who)

    def _remove(self, who: AccountId) -> None:
        self._put(tuple(member for member in self.members.get() if member.who != who))
        self.deposit(self.MemberRemoved(who))
