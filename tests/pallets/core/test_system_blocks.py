"""System's records of a block: its number, hashes, events, weights and digest, and the limits it holds
extrinsics to."""

import pytest

from pallets.core.system import EVENTS_AT_ONCE, System
from pallets.core.system_types import (
    CODE_MAGIC,
    BlockLength,
    LastUpgrade,
    LengthLimits,
    PerClassWeight,
    RuntimeCode,
    make_limits,
)
from pallets.core.weights import BLOCK_BASE as MEASURED_BASE
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    NO_WEIGHT,
    NOBODY,
    ROOT,
    BadOrigin,
    DispatchClass,
    DispatchInfo,
    Origin,
    Pays,
    PostDispatchInfo,
    Signed,
    Weight,
)
from runtime.frame.event import INITIALIZATION, ApplyExtrinsic
from runtime.frame.validity import InvalidReason, InvalidTransaction
from runtime.primitives.block import Other, RuntimeEnvironmentUpdated
from runtime.primitives.hashing import blake2_256, twox64_concat, twox128
from runtime.primitives.scale import codec
from tests.support.chain import ALICE, Chain, block_hash, keypair
from tests.support.workshop import (
    BASE,
    BLOCK,
    BLOCK_BASE,
    HASHES,
    LENGTH,
    LENGTH_NORMAL,
    NORMAL,
    OPERATIONAL,
    RESERVED,
    Workshop,
    workshop,
)

SHOP = Chain[Workshop]


@pytest.fixture
def shop() -> SHOP:
    return workshop()


def system(shop: SHOP) -> System:
    return shop.pallets.system


def work(shop: SHOP, weight: Weight = NO_WEIGHT, name: str = "normal", pad: int = 0) -> Call:
    return shop.call(f"Work.{name}", weight, bytes(pad))


def less(weight: Weight, other: Weight) -> Weight:
    assert other.fits(weight)
    return weight.minus(other)


def exhausts(shop: SHOP, call: Call) -> None:
    """See a call refused when it is applied, without a trace."""
    extrinsic = shop.sign(keypair("//Alice"), call)
    before, events = shop.pending(), list(shop.state.events)
    with pytest.raises(InvalidTransaction) as refused:
        shop.apply(extrinsic)
    assert refused.value.reason is InvalidReason.ExhaustsResources
    assert (shop.pending(), shop.state.events) == (before, events)


def take(shop: SHOP, call: Call) -> None:
    assert shop.submit("//Alice", call).error is None


# --- the block's identity


def test_block_knows_its_number_parent_and_digest(shop: SHOP) -> None:
    shop.close_block()
    logs = (Other(b"one"), Other(b"two"))
    shop.open_block(logs)
    assert (system(shop).number.get(), system(shop).current_number()) == (2, 2)
    assert system(shop).parent_hash.get() == block_hash(1)
    assert system(shop).digest.get().logs[1:] == logs
    assert shop.close_block()[1:] == logs


def test_hashes_of_the_latest_blocks_and_of_genesis_are_kept(shop: SHOP) -> None:
    shop.next_block(2 * HASHES)
    last = shop.number - 1
    kept = {number for number, _ in system(shop).block_hash.items()}
    assert kept == {0, *range(last - HASHES + 1, last + 1)}
    assert system(shop).block_hash.get(last) == block_hash(last)
    prefix = twox128(b"System") + twox128(b"BlockHash")
    shop.close_block()
    assert prefix + twox64_concat(bytes(4)) in shop.backend.entries
    assert sum(key.startswith(prefix) for key in shop.backend.entries) == HASHES + 1


def test_genesis_sets_the_code_and_its_version(shop: SHOP) -> None:
    version = shop.api.version
    code = RuntimeCode(CODE_MAGIC, version.spec_name, version.spec_version)
    assert shop.backend.entries[b":code"] == codec(RuntimeCode).encode(code)
    assert system(shop).last_runtime_upgrade.get() == LastUpgrade(version.spec_version, version.spec_name)
    assert system(shop).is_upgraded() is None


def test_older_version_in_the_state_must_be_migrated_until_that_is_recorded(shop: SHOP) -> None:
    version = shop.api.version
    system(shop).last_runtime_upgrade.put(LastUpgrade(version.spec_version - 1, version.spec_name))
    assert system(shop).is_upgraded() == version.spec_version - 1
    system(shop).note_upgraded()
    assert system(shop).is_upgraded() is None
    system(shop).last_runtime_upgrade.put(LastUpgrade(version.spec_version + 1, version.spec_name))
    assert system(shop).is_upgraded() is None


@pytest.mark.parametrize("step", [-1, 0])
def test_code_changes_to_later_versions_only(shop: SHOP, step: int) -> None:
    version = shop.api.version.spec_version
    with pytest.raises(system(shop).SpecVersionNeedsToIncrease):
        system(shop).set_code(version + step)
    assert len(system(shop).digest.get().logs) == 1


def test_change_of_code_is_in_the_state_the_digest_and_an_event(shop: SHOP) -> None:
    version = shop.api.version
    system(shop).set_code(version.spec_version + 1)
    assert shop.state.events[-1].event == System.CodeUpdated()
    assert system(shop).code.get() == RuntimeCode(CODE_MAGIC, version.spec_name, version.spec_version + 1)
    assert shop.close_block()[1:] == (RuntimeEnvironmentUpdated(),)


# --- events


def test_events_carry_the_phase_they_were_deposited_in(shop: SHOP) -> None:
    take(shop, work(shop))
    take(shop, work(shop))
    phases = {record.phase for record in shop.state.events}
    assert phases == {ApplyExtrinsic(0), ApplyExtrinsic(1)}
    shop.close_block()
    system(shop).initialize(shop.number + 1, block_hash(shop.number), ())
    assert shop.runtime.executive.phases.current is INITIALIZATION


@pytest.mark.parametrize("count", [0, 1, EVENTS_AT_ONCE - 1, EVENTS_AT_ONCE, 3 * EVENTS_AT_ONCE + 1])
def test_events_are_stored_as_deposited_however_many(shop: SHOP, count: int) -> None:
    """They are encoded in slices between extrinsics."""
    info = DispatchInfo(NO_WEIGHT, DispatchClass.Normal, Pays.Yes)
    for number in range(count):
        system(shop).deposit(System.Remarked(ALICE, block_hash(number)))
        if number % 100 == 99:
            system(shop).note_applied(info, PostDispatchInfo(), None)
    records = tuple(shop.state.events)
    assert sum(isinstance(r.event, System.Remarked) for r in records) == count
    shop.close_block()
    key = twox128(b"System") + twox128(b"Events")
    stored = shop.backend.entries.get(key, b"\0")
    assert shop.runtime.events.codec.decode(stored) == records
    count_key = twox128(b"System") + twox128(b"EventCount")
    assert int.from_bytes(shop.backend.entries.get(count_key, bytes(4)), "little") == len(records)


def test_events_are_those_of_the_last_block_alone(shop: SHOP) -> None:
    take(shop, work(shop))
    shop.next_block()
    shop.close_block()
    assert tuple(system(shop).events.get()) == ()
    assert system(shop).event_count.get() == 0


@pytest.mark.parametrize("origin", [Signed(ALICE), ROOT, NOBODY])
def test_remark_is_for_everybody_and_leaves_nothing(shop: SHOP, origin: Origin) -> None:
    before = shop.pending()
    shop.ok(origin, "System.remark", b"hello")
    assert (shop.events(), shop.pending()) == ([], before)


def test_remark_with_event_names_its_author_and_hash(shop: SHOP) -> None:
    shop.ok(ALICE, "System.remark_with_event", b"hello")
    assert shop.events() == [System.Remarked(ALICE, blake2_256(b"hello"))]  # type: ignore[arg-type]  # a hash
    for origin in (ROOT, NOBODY):
        shop.noop(BadOrigin, origin, "System.remark_with_event", b"hello")


# --- the verdict


def test_verdict_tells_the_weight_used_with_the_base(shop: SHOP) -> None:
    take(shop, work(shop, Weight(40, 50), "operational"))
    info = DispatchInfo(Weight(40, 50).plus(BASE), DispatchClass.Operational, Pays.Yes)
    assert shop.events()[-1] == System.ExtrinsicSuccess(info)


@pytest.mark.parametrize(
    ("used", "reported"),
    [
        (Weight(30, 40), Weight(30, 40)),
        (Weight(40, 50), Weight(40, 50)),
        (Weight(41, 1), Weight(40, 50)),
        (Weight(1, 51), Weight(40, 50)),
    ],
)
def test_verdict_takes_the_used_weight_only_within_the_declared(
    shop: SHOP, used: Weight, reported: Weight
) -> None:
    take(shop, shop.call("Work.spare", Weight(40, 50), used))
    info = DispatchInfo(reported.plus(BASE), DispatchClass.Normal, Pays.Yes)
    assert shop.events()[-1] == System.ExtrinsicSuccess(info)


def test_failed_extrinsic_says_why(shop: SHOP) -> None:
    applied = shop.submit("//Alice", shop.call("Work.fail", Weight(40, 50), Weight(30, 40)))
    info = DispatchInfo(Weight(30, 40).plus(BASE), DispatchClass.Normal, Pays.Yes)
    assert applied.error is not None
    assert shop.events()[-1] == System.ExtrinsicFailed(applied.error, info)
    assert shop.pallets.work.ticks.get() == 0


@pytest.mark.parametrize("name", ["free", "free_after_all"])
def test_verdict_tells_who_pays_nothing_beforehand_or_afterwards(shop: SHOP, name: str) -> None:
    take(shop, shop.call(f"Work.{name}"))
    verdict = shop.events()[-1]
    assert isinstance(verdict, System.ExtrinsicSuccess)
    assert verdict.dispatch_info == DispatchInfo(Weight(400, 5).plus(BASE), DispatchClass.Normal, Pays.No)


# --- weights of the block


def test_weight_of_a_block_is_what_its_classes_used(shop: SHOP) -> None:
    take(shop, work(shop, Weight(40, 50)))
    take(shop, shop.call("Work.spare", Weight(40, 50), Weight(1, 2)))
    take(shop, work(shop, Weight(60, 70), "operational"))
    system(shop).register_weight(Weight(5, 6), DispatchClass.Mandatory)
    used = PerClassWeight(
        Weight(41, 52).plus(BASE.times(2)), Weight(60, 70).plus(BASE), BLOCK_BASE.plus(Weight(5, 6))
    )
    total = used.normal.plus(used.operational).plus(used.mandatory)
    assert system(shop).remaining_weight() == less(BLOCK, total)
    assert system(shop).normal_fullness() == (used.normal.ref_time, NORMAL.ref_time)
    shop.close_block()
    assert system(shop).block_weight.get() == used
    shop.open_block()
    assert system(shop).remaining_weight() == less(BLOCK, BLOCK_BASE)


@pytest.mark.parametrize(
    ("name", "limit"), [("normal", NORMAL), ("operational", OPERATIONAL)], ids=["normal", "operational"]
)
@pytest.mark.parametrize("more", [Weight(1, 0), Weight(0, 1)], ids=["time", "proof"])
def test_class_takes_what_its_limit_allows_and_no_more(
    shop: SHOP, name: str, limit: Weight, more: Weight
) -> None:
    take(shop, work(shop, Weight(4_000, 8_000), name))
    rest = less(limit, Weight(4_000, 8_000).plus(BASE.times(2)))
    if name == "operational":
        rest = less(rest, BLOCK_BASE)  # the whole block is the narrower limit
        rest = Weight(rest.ref_time + 100, rest.proof_size + 10)
    exhausts(shop, work(shop, rest.plus(more), name))
    take(shop, work(shop, rest, name))
    exhausts(shop, work(shop, NO_WEIGHT, name))


@pytest.mark.parametrize("more", [Weight(1, 0), Weight(0, 1)], ids=["time", "proof"])
def test_beyond_the_whole_block_a_class_has_what_is_reserved_for_it(shop: SHOP, more: Weight) -> None:
    system(shop).register_weight(less(BLOCK, BLOCK_BASE), DispatchClass.Mandatory)
    assert system(shop).remaining_weight() == NO_WEIGHT
    exhausts(shop, work(shop))
    exhausts(shop, work(shop, less(RESERVED, BASE).plus(more), "operational"))
    take(shop, work(shop, less(RESERVED, BASE), "operational"))
    exhausts(shop, work(shop, NO_WEIGHT, "operational"))


def test_whole_block_is_taken_to_its_last_unit(shop: SHOP) -> None:
    spared = BASE.plus(RESERVED)
    system(shop).register_weight(less(less(BLOCK, BLOCK_BASE), spared), DispatchClass.Mandatory)
    exhausts(shop, work(shop, RESERVED.plus(Weight(1, 0))))
    take(shop, work(shop, RESERVED))
    assert system(shop).remaining_weight() == NO_WEIGHT


def test_mandatory_extrinsics_always_fit(shop: SHOP) -> None:
    system(shop).register_weight(BLOCK.times(2), DispatchClass.Mandatory)
    huge = Weight((1 << 64) - 1, (1 << 64) - 1)
    raw = b"\x04" + work(shop, huge, "mandatory").encoded()
    extrinsic = shop.api.decode_extrinsic(bytes([len(raw) << 2]) + raw)
    assert shop.apply(extrinsic).error is None


# --- length of the block


def of_length(shop: SHOP, length: int, name: str = "normal") -> Call:
    """Return work whose signed extrinsic has so many bytes."""
    pad = 0
    while True:
        call = work(shop, name=name, pad=pad)
        found = shop.sign(keypair("//Alice"), call).length
        if found == length:
            return call
        pad += length - found


@pytest.mark.parametrize(("name", "limit"), [("normal", LENGTH_NORMAL), ("operational", LENGTH)])
def test_extrinsics_fill_the_length_of_a_block_and_no_more(shop: SHOP, name: str, limit: int) -> None:
    first = of_length(shop, 400, name)
    take(shop, first)
    exhausts(shop, of_length(shop, limit - 400 + 1, name))
    take(shop, of_length(shop, limit - 400, name))
    exhausts(shop, work(shop, name=name))
    shop.next_block()
    take(shop, first)


def test_operational_extrinsics_have_what_normal_ones_leave_of_the_length(shop: SHOP) -> None:
    take(shop, of_length(shop, LENGTH_NORMAL))
    exhausts(shop, of_length(shop, LENGTH - LENGTH_NORMAL + 1, "operational"))
    take(shop, of_length(shop, LENGTH - LENGTH_NORMAL, "operational"))


def test_refused_extrinsic_uses_nothing_of_the_block(shop: SHOP) -> None:
    rest = system(shop).remaining_weight()
    exhausts(shop, of_length(shop, LENGTH_NORMAL + 1))
    with pytest.raises(InvalidTransaction):
        shop.apply(shop.sign(keypair("//Alice"), of_length(shop, LENGTH_NORMAL), tip=1 << 100))
    assert system(shop).remaining_weight() == rest
    take(shop, of_length(shop, LENGTH_NORMAL))


def test_failed_extrinsic_uses_its_weight_and_length(shop: SHOP) -> None:
    failing = shop.call("Work.fail", Weight(40, 50), Weight(30, 40))
    length = shop.sign(keypair("//Alice"), failing).length
    rest = system(shop).remaining_weight()
    assert shop.submit("//Alice", failing).error is not None
    assert system(shop).remaining_weight() == less(rest, Weight(30, 40).plus(BASE))
    exhausts(shop, of_length(shop, LENGTH_NORMAL - length + 1))


# --- limits of a production chain


def test_limits_follow_from_the_block_and_the_part_of_normal_extrinsics() -> None:
    weights, lengths = make_limits(Weight(1_000, 2_000), 999, 75, Weight(7, 3))
    normal, operational, mandatory = (
        weights.per_class.normal,
        weights.per_class.operational,
        weights.per_class.mandatory,
    )
    assert (weights.base_block, weights.max_block) == (MEASURED_BASE, Weight(1_000, 2_000))
    assert (normal.max_total, normal.reserved) == (Weight(750, 1_500), NO_WEIGHT)
    assert normal.max_extrinsic == Weight(750 - 100 - 7, 1_500 - 200 - 3)
    assert (operational.max_total, operational.reserved) == (Weight(1_000, 2_000), Weight(250, 500))
    assert operational.max_extrinsic == Weight(900, 1_800)
    assert (mandatory.max_extrinsic, mandatory.max_total, mandatory.reserved) == (None, None, None)
    assert {normal.base_extrinsic, operational.base_extrinsic, mandatory.base_extrinsic} == {Weight(7, 3)}
    assert lengths == BlockLength(LengthLimits(749, 999, 999))
