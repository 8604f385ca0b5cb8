"""What the calls of the core pallets are measured on, in the dearest state that a weight must cover."""

from benchmarks.weight_scene import Act, Cases, Scene, person, stranger
from genesis.consortium import UNIT
from genesis.proxy_types import ProxyType
from pallets.core.members import MEMBERS_MAX, Member, MemberClass
from pallets.core.multisig import Multisig, Timepoint, multi_account
from pallets.core.offences import REPORTS_PER_OFFENDER_MAX, OffenceDetails, OnOffence, Reported
from pallets.core.proxy import PENDING_MAX, PROXIES_MAX, Proxy
from pallets.core.session import SessionKeys
from pallets.core.timestamp import INHERENT_ID
from runtime.frame.dispatch import NO_WEIGHT, NOBODY, ROOT, Signed, Weight
from runtime.primitives.evidence import Evidence, OffenceKind
from runtime.primitives.hashing import blake2_256
from runtime.primitives.possession import possession_message
from runtime.primitives.types import AccountId, Hash
from tests.support.chain import ALICE, BLOCK_TIME_MS, START_MS
from tests.support.offenders import Offender, pair

CASES = Cases()
AMPLE = Weight(10**13, 10**9)


@CASES.add("SYSTEM_REMARK", BYTE=65_536)
def remark(scene: Scene, size: int) -> Act:
    return scene.act(ALICE, "System.remark", bytes(size))


@CASES.add("SYSTEM_REMARK_WITH_EVENT", BYTE=65_536)
def remark_with_event(scene: Scene, size: int) -> Act:
    return scene.act(ALICE, "System.remark_with_event", bytes(size))


@CASES.add("TIMESTAMP_SET")
def timestamp(scene: Scene) -> Act:
    chain = scene.chain
    pallet = chain.runtime.pallet("Timestamp")

    def run() -> None:
        # The open block's time is set; unsetting it costs a journal entry, which is nothing.
        pallet.did_update.put(False)  # type: ignore[attr-defined]  # it is Timestamp
        now = START_MS + chain.number * BLOCK_TIME_MS
        pallet.now.put(now - BLOCK_TIME_MS)  # type: ignore[attr-defined]  # it is Timestamp
        found = pallet.create_inherent({INHERENT_ID: now.to_bytes(8, "little")})
        assert found is not None
        scene.dispatch(NOBODY, found)()
        pallet.on_finalize(chain.number)

    return run


# --- utility


@CASES.add("UTILITY_BATCH", CALL=100)
def batch(scene: Scene, calls: int) -> Act:
    return scene.act(ALICE, "Utility.batch", scene.remarks(calls))


@CASES.add("UTILITY_AS_DERIVATIVE")
def as_derivative(scene: Scene) -> Act:
    return scene.act(ALICE, "Utility.as_derivative", 1, scene.remark())


@CASES.add("UTILITY_BATCH_ALL", CALL=100)
def batch_all(scene: Scene, calls: int) -> Act:
    return scene.act(ALICE, "Utility.batch_all", scene.remarks(calls))


@CASES.add("UTILITY_DISPATCH_AS")
def dispatch_as(scene: Scene) -> Act:
    return scene.act(ROOT, "Utility.dispatch_as", Signed(ALICE), scene.remark())


@CASES.add("UTILITY_FORCE_BATCH", CALL=100)
def force_batch(scene: Scene, calls: int) -> Act:
    return scene.act(ALICE, "Utility.force_batch", scene.remarks(calls))


# --- multisig


def group(others: int) -> tuple[AccountId, tuple[AccountId, ...]]:
    """Return a signatory and the others, sorted."""
    who, *rest = (person(number) for number in range(others + 1))
    return who, tuple(sorted(rest))


def blob(scene: Scene, size: int) -> object:
    """Return a call of about `size` bytes."""
    scene.inner += 1
    return scene.call("System.remark", bytes(size))


@CASES.add("MULTISIG_AS_MULTI_THRESHOLD_1", BYTE=10_000)
def threshold_1(scene: Scene, size: int) -> Act:
    who, others = group(99)
    return scene.act(who, "Multisig.as_multi_threshold_1", others, blob(scene, size))


@CASES.add("MULTISIG_AS_MULTI_CREATE", SIGNATORY=98, BYTE=10_000)
def as_multi_create(scene: Scene, more: int, size: int) -> Act:
    who, others = group(1 + more)
    call = scene.call("System.remark", bytes(size))
    return scene.act(who, "Multisig.as_multi", 2, others, None, call, NO_WEIGHT)


def opened(scene: Scene, others: int, approvals: int, size: int, threshold: int) -> tuple[object, Timepoint]:
    """Open an operation with a number of approvals; return its call and timepoint."""
    everybody = sorted(person(number) for number in range(others + 1))
    call = scene.call("System.remark", bytes(size))
    when: Timepoint | None = None
    for number in range(1, approvals + 1):
        who = person(number)
        rest = tuple(one for one in everybody if one != who)
        call_hash = blake2_256(call.encoded())
        scene.ok(who, "Multisig.approve_as_multi", threshold, rest, when, call_hash, NO_WEIGHT)
        if when is None:
            pallet = scene.chain.runtime.pallet("Multisig")
            assert isinstance(pallet, Multisig)
            found = pallet.multisigs.get(multi_account(tuple(everybody), threshold), call_hash)
            assert found is not None
            when = found.when
    assert when is not None
    return call, when


@CASES.add("MULTISIG_AS_MULTI_APPROVE", SIGNATORY=97, BYTE=10_000)
def as_multi_approve(scene: Scene, more: int, size: int) -> Act:
    who, others = group(2 + more)
    call, when = opened(scene, len(others), len(others) - 1, size, len(others) + 1)
    return scene.act(who, "Multisig.as_multi", len(others) + 1, others, when, call, NO_WEIGHT)


@CASES.add("MULTISIG_AS_MULTI_COMPLETE", SIGNATORY=98, BYTE=10_000)
def as_multi_complete(scene: Scene, more: int, size: int) -> Act:
    who, others = group(1 + more)
    call, when = opened(scene, len(others), len(others), size, len(others) + 1)
    scene.inner += 1
    return scene.act(who, "Multisig.as_multi", len(others) + 1, others, when, call, AMPLE)


@CASES.add("MULTISIG_CANCEL_AS_MULTI", SIGNATORY=98)
def cancel_as_multi(scene: Scene, more: int) -> Act:
    others_count = 1 + more
    call, when = opened(scene, others_count, others_count, 0, others_count + 1)
    everybody = sorted(person(number) for number in range(others_count + 1))
    rest = tuple(one for one in everybody if one != person(1))
    call_hash = blake2_256(call.encoded())  # type: ignore[attr-defined]  # a Call
    return scene.act(person(1), "Multisig.cancel_as_multi", others_count + 1, rest, when, call_hash)


# --- proxy


def fill_proxies(scene: Scene, who: AccountId, count: int, delegate: AccountId | None = None) -> None:
    """Give an account proxies; a given delegate comes last in the list."""
    for number in range(count - (delegate is not None)):
        scene.ok(who, "Proxy.add_proxy", AccountId(number.to_bytes(32, "big")), ProxyType.Any, 0)
    if delegate is not None:
        scene.ok(who, "Proxy.add_proxy", delegate, ProxyType.Any, 0)


def fill_announcements(scene: Scene, delegate: AccountId, real: AccountId, count: int) -> None:
    """Announce calls; all but one of zeros."""
    for number in range(count):
        scene.ok(delegate, "Proxy.announce", real, Hash(number.to_bytes(32, "big")))


@CASES.add("PROXY_PROXY")
def proxy(scene: Scene) -> Act:
    fill_proxies(scene, ALICE, PROXIES_MAX, person(0))
    return scene.act(person(0), "Proxy.proxy", ALICE, None, scene.remark())


@CASES.add("PROXY_ADD_PROXY")
def add_proxy(scene: Scene) -> Act:
    fill_proxies(scene, ALICE, PROXIES_MAX - 1)
    return scene.act(ALICE, "Proxy.add_proxy", person(0), ProxyType.Any, 0)


@CASES.add("PROXY_REMOVE_PROXY")
def remove_proxy(scene: Scene) -> Act:
    fill_proxies(scene, ALICE, PROXIES_MAX, person(0))
    return scene.act(ALICE, "Proxy.remove_proxy", person(0), ProxyType.Any, 0)


@CASES.add("PROXY_REMOVE_PROXIES")
def remove_proxies(scene: Scene) -> Act:
    fill_proxies(scene, ALICE, PROXIES_MAX)
    return scene.act(ALICE, "Proxy.remove_proxies")


@CASES.add("PROXY_CREATE_PURE")
def create_pure(scene: Scene) -> Act:
    return scene.act(ALICE, "Proxy.create_pure", ProxyType.Any, 0, 0)


@CASES.add("PROXY_KILL_PURE")
def kill_pure(scene: Scene) -> Act:
    scene.ok(ALICE, "Proxy.create_pure", ProxyType.Any, 0, 0)
    created = scene.chain.events()[-1]
    assert isinstance(created, Proxy.PureCreated)
    scene.ok(ALICE, "Balances.transfer_keep_alive", created.pure, 1_000 * UNIT)
    fill_proxies(scene, created.pure, PROXIES_MAX - 1)
    return scene.act(created.pure, "Proxy.kill_pure", ALICE, ProxyType.Any, 0, 1, 1)


@CASES.add("PROXY_ANNOUNCE")
def announce(scene: Scene) -> Act:
    fill_proxies(scene, ALICE, PROXIES_MAX, person(0))
    fill_announcements(scene, person(0), ALICE, PENDING_MAX - 1)
    return scene.act(person(0), "Proxy.announce", ALICE, Hash(bytes([255] * 32)))


@CASES.add("PROXY_REMOVE_ANNOUNCEMENT")
def remove_announcement(scene: Scene) -> Act:
    fill_proxies(scene, ALICE, 1, person(0))
    fill_announcements(scene, person(0), ALICE, PENDING_MAX)
    return scene.act(person(0), "Proxy.remove_announcement", ALICE, Hash(bytes(32)))


@CASES.add("PROXY_REJECT_ANNOUNCEMENT")
def reject_announcement(scene: Scene) -> Act:
    fill_proxies(scene, ALICE, 1, person(0))
    fill_announcements(scene, person(0), ALICE, PENDING_MAX)
    return scene.act(ALICE, "Proxy.reject_announcement", person(0), Hash(bytes(32)))


@CASES.add("PROXY_PROXY_ANNOUNCED", BYTE=10_000)
def proxy_announced(scene: Scene, size: int) -> Act:
    fill_proxies(scene, ALICE, PROXIES_MAX, person(0))
    fill_announcements(scene, person(0), ALICE, PENDING_MAX - 1)
    call = scene.call("System.remark", bytes(size))
    scene.ok(person(0), "Proxy.announce", ALICE, Hash(blake2_256(call.encoded())))
    scene.inner += 1
    return scene.act(stranger(0), "Proxy.proxy_announced", person(0), ALICE, None, call)


# --- sudo, upgrades


@CASES.add("SUDO_SUDO")
def sudo(scene: Scene) -> Act:
    return scene.act(ALICE, "Sudo.sudo", scene.remark())


@CASES.add("SUDO_SET_KEY")
def set_key(scene: Scene) -> Act:
    return scene.act(ALICE, "Sudo.set_key", person(0))


@CASES.add("SUDO_SUDO_AS")
def sudo_as(scene: Scene) -> Act:
    return scene.act(ALICE, "Sudo.sudo_as", person(0), scene.remark())


@CASES.add("SUDO_REMOVE_KEY")
def remove_key(scene: Scene) -> Act:
    return scene.act(ALICE, "Sudo.remove_key")


# --- members


def full_house(scene: Scene, count: int) -> None:
    """Let there be so many members, all validators already, and as many past sets as are remembered; all that
    can be said about the members is noted of the set that the next change forgets."""
    chain = scene.chain.pallets
    session = chain.session
    found = tuple(Member(person(n), MemberClass.Trader, pair(n).public) for n in range(1, count + 1))
    chain.members.members.put(found)
    session.change_set(tuple((member.who, member.vote_key) for member in found))
    for set_id in range(session.config.sets_kept):
        session.past_sets.put(set_id, session.queued_keys.get())
    session.set_id.put(session.config.sets_kept)
    noted = tuple(Reported(OffenceKind.Equivocation, n) for n in range(REPORTS_PER_OFFENDER_MAX))
    for member in found:
        chain.offences.reported.put(0, member.who, noted)


def member_change(scene: Scene, act: Act) -> Act:
    """A call, and the end of its block, in which the set changes."""
    pallet = scene.chain.runtime.pallet("Members")

    def run() -> None:
        act()
        pallet.on_finalize(scene.chain.number)

    return run


@CASES.add("MEMBERS_WAIT")
def members_wait(scene: Scene) -> Act:
    return member_change(scene, scene.hook("Members", "on_initialize", scene.chain.number))


@CASES.add("MEMBERS_ADD_MEMBER")
def add_member(scene: Scene) -> Act:
    full_house(scene, MEMBERS_MAX - 1)
    call = scene.act(ROOT, "Members.add_member", ALICE, MemberClass.Regulator, bytes(32))
    return member_change(scene, call)


@CASES.add("MEMBERS_REMOVE_MEMBER")
def remove_member(scene: Scene) -> Act:
    full_house(scene, MEMBERS_MAX)
    return member_change(scene, scene.act(ROOT, "Members.remove_member", person(MEMBERS_MAX)))


@CASES.add("MEMBERS_EXPEL")
def expel(scene: Scene) -> Act:
    full_house(scene, MEMBERS_MAX)
    members = scene.chain.pallets.members
    members.expelled.put(tuple(person(n) for n in range(1, MEMBERS_MAX // 3 + 1)))
    return member_change(scene, scene.hook("Members", "on_initialize", scene.chain.number))


@CASES.add("SESSION_SET_KEYS")
def set_keys(scene: Scene) -> Act:
    full_house(scene, MEMBERS_MAX)
    who, new = person(MEMBERS_MAX), pair(MEMBERS_MAX + 1)
    keys, proof = SessionKeys(new.public), new.sign(possession_message(who))
    return member_change(scene, scene.act(who, "Session.set_keys", keys, proof))


@CASES.add("SESSION_PURGE_KEYS")
def purge_keys(scene: Scene) -> Act:
    full_house(scene, MEMBERS_MAX)
    return member_change(scene, scene.act(person(MEMBERS_MAX), "Session.purge_keys"))


@CASES.add("OFFENCES_REPORT_OFFENCE")
def report_offence(scene: Scene) -> Act:
    return scene.act(ALICE, "Offences.report_offence", piece_of_evidence(scene))


@CASES.add("OFFENCES_REPORT_OFFENCE_UNSIGNED")
def report_offence_unsigned(scene: Scene) -> Act:
    """The judgement that lets the report into the block, and the report."""
    call = scene.call("Offences.report_offence_unsigned", piece_of_evidence(scene))
    report = scene.dispatch(NOBODY, call)

    def run() -> None:
        assert scene.chain.pallets.offences.validate_unsigned(call) is not None
        report()

    return run


def piece_of_evidence(scene: Scene) -> Evidence:
    """Let there be as much on record as may be, and return what is recorded still."""
    full_house(scene, MEMBERS_MAX)
    offences = scene.chain.pallets.offences
    offences.on_offence.put(OnOffence.Act)
    noted = tuple(Reported(OffenceKind.Amnesia, n) for n in range(REPORTS_PER_OFFENDER_MAX - 1))
    offences.reported.put(1, person(MEMBERS_MAX), noted)
    kept = offences.config.reports_kept
    for n in range(kept):
        offences.reports.put(n, OffenceDetails(ALICE, OffenceKind.Amnesia, 1, 1, 1, ALICE))
    offences.report_count.put(kept)
    return Offender(pair(MEMBERS_MAX), MEMBERS_MAX - 1, set_id=1).evidence(OffenceKind.Equivocation)


@CASES.add("UPGRADES_WAIT")
def upgrades_wait(scene: Scene) -> Act:
    scene.ok(ROOT, "Upgrades.schedule_upgrade", 2, 100)
    return upgrade_hooks(scene, 3)


@CASES.add("UPGRADES_APPLY")
def upgrades_apply(scene: Scene) -> Act:
    scene.ok(ROOT, "Upgrades.schedule_upgrade", 2, 100)
    return upgrade_hooks(scene, 100)


def upgrade_hooks(scene: Scene, number: int) -> Act:
    pallet = scene.chain.runtime.pallet("Upgrades")

    def run() -> None:
        pallet.on_initialize(number)
        pallet.on_finalize(number)

    return run


@CASES.add("UPGRADES_SCHEDULE_UPGRADE")
def schedule_upgrade(scene: Scene) -> Act:
    return scene.act(ROOT, "Upgrades.schedule_upgrade", 2, 100)


@CASES.add("UPGRADES_CANCEL_UPGRADE")
def cancel_upgrade(scene: Scene) -> Act:
    scene.ok(ROOT, "Upgrades.schedule_upgrade", 2, 100)
    return scene.act(ROOT, "Upgrades.cancel_upgrade")
