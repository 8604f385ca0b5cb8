"""The executive: the order of things in a block, all or nothing for each extrinsic, and no room for what is
not meant to be there."""

from collections.abc import Callable
from typing import Any

import pytest

from genesis.consortium import make_version
from pallets.core.session import Session, SessionConfig
from pallets.core.system import System, SystemConfig
from pallets.core.system_types import LastUpgrade
from runtime.frame.call import Call
from runtime.frame.dispatch import (
    NO_WEIGHT,
    DispatchClass,
    DispatchInfo,
    Pays,
    PostDispatchInfo,
    Weight,
)
from runtime.frame.event import FINALIZATION, INITIALIZATION, ApplyExtrinsic
from runtime.frame.extension import Extension, Extrinsic
from runtime.frame.pallet import Pallet
from runtime.frame.runtime import Runtime, RuntimeBuilder
from runtime.frame.state import MemoryBackend, State
from runtime.frame.validity import (
    InvalidReason,
    InvalidTransaction,
    TransactionError,
    UnknownReason,
    UnknownTransaction,
    ValidTransaction,
)
from runtime.primitives.extrinsic import make_unsigned
from tests.support.chain import ALICE, Chain, block_hash, keypair
from tests.support.workshop import BASE, LIMITS, Workshop, workshop

SHOP = Chain[Workshop]


@pytest.fixture
def shop() -> SHOP:
    return workshop()


def work(shop: SHOP, name: str = "normal", weight: Weight = NO_WEIGHT, pad: bytes = b"") -> Call:
    return shop.call(f"Work.{name}", weight, pad)


def bare(shop: SHOP, call: Call) -> Extrinsic:
    return shop.api.decode_extrinsic(make_unsigned(call.encoded()))


def signed(shop: SHOP, call: Call) -> Extrinsic:
    return shop.sign(keypair("//Alice"), call)


def refusal(act: Callable[[Extrinsic], object], extrinsic: Extrinsic) -> object:
    with pytest.raises(TransactionError) as refused:
        act(extrinsic)
    assert isinstance(refused.value, InvalidTransaction | UnknownTransaction)
    return refused.value.reason


# --- one extrinsic


def test_extrinsics_count_up_and_their_events_say_so(shop: SHOP) -> None:
    executive = shop.runtime.executive
    assert executive.index == 0
    for index in range(3):
        assert executive.phases.current == ApplyExtrinsic(index)
        shop.apply(signed(shop, work(shop)))
        assert {record.phase for record in shop.state.events[-3:]} == {ApplyExtrinsic(index)}
    assert executive.index == 3


def test_refused_extrinsic_leaves_no_trace_and_takes_no_number(shop: SHOP) -> None:
    shop.apply(signed(shop, work(shop)))
    poor = shop.sign(keypair("//Alice"), work(shop), tip=1 << 100)  # refused by the last extension
    before, events = shop.pending(), list(shop.state.events)
    assert refusal(shop.apply, poor) is InvalidReason.Payment
    assert (shop.pending(), shop.state.events) == (before, events)
    assert shop.runtime.executive.index == 1
    assert shop.pallets.system.get_account(ALICE).nonce == 1


def test_mandatory_call_that_fails_makes_no_part_of_a_block(shop: SHOP) -> None:
    before, events = shop.pending(), list(shop.state.events)
    assert refusal(shop.apply, bare(shop, work(shop, "mandatory", pad=b"x"))) is InvalidReason.BadMandatory
    assert (shop.pending(), shop.state.events) == (before, events)
    assert shop.runtime.executive.index == 0
    assert shop.apply(bare(shop, work(shop, "mandatory"))).error is None


def test_signed_mandatory_call_is_not_for_the_pool(shop: SHOP) -> None:
    extrinsic = signed(shop, work(shop, "mandatory"))
    assert refusal(shop.api.validate, extrinsic) is InvalidReason.MandatoryValidation


def test_inherent_is_not_for_the_pool(shop: SHOP) -> None:
    assert refusal(shop.api.validate, bare(shop, work(shop, "mandatory"))) is InvalidReason.Call


def test_unsigned_extrinsic_needs_a_pallet_that_vouches_for_it(shop: SHOP) -> None:
    nobody = bare(shop, work(shop, "operational"))
    for attempt in (shop.api.validate, shop.apply):
        assert refusal(attempt, nobody) is UnknownReason.NoUnsignedValidator
    welcome = bare(shop, work(shop))
    assert shop.api.validate(welcome) == ValidTransaction(provides=(welcome.call.encoded(),))
    assert shop.apply(welcome).error is None
    assert shop.pallets.work.ticks.get() == 1


@pytest.mark.parametrize("is_signed", [True, False])
def test_inherents_come_before_every_other_extrinsic(shop: SHOP, is_signed: bool) -> None:
    inherent = bare(shop, work(shop, "mandatory"))
    shop.apply(inherent)
    shop.apply(inherent)
    shop.apply(signed(shop, work(shop)) if is_signed else bare(shop, work(shop)))
    assert refusal(shop.apply, inherent) is InvalidReason.Call
    shop.next_block()
    assert shop.apply(inherent).error is None


def test_only_unsigned_calls_are_inherents(shop: SHOP) -> None:
    executive = shop.runtime.executive
    assert executive.is_inherent(bare(shop, work(shop, "mandatory")))
    assert not executive.is_inherent(signed(shop, work(shop, "mandatory")))
    assert not executive.is_inherent(bare(shop, work(shop)))


# --- hooks and extensions


class Diary(Pallet[list[Any]]):
    """Writes down when its hooks are called; its config is the diary that all instances share."""

    def on_runtime_upgrade(self, from_version: int) -> Weight:
        return self._note("upgrade", from_version, Weight(1, 2))

    def on_initialize(self, number: int) -> Weight:
        return self._note("initialize", number, Weight(10, 20))

    def on_idle(self, number: int, remaining: Weight) -> Weight:
        return self._note("idle", (number, remaining), Weight(100, 200))

    def on_finalize(self, number: int) -> None:
        self._note("finalize", number, NO_WEIGHT)

    def _note(self, hook: str, said: object, weight: Weight) -> Weight:
        self.config.append((self.name, hook, said, self.phases.current))
        return weight


class Idler(Pallet[list[Any]]):
    """Has no hook."""


def compose_diary(diary: list[Any], extensions: tuple[Extension, ...] = ()) -> tuple[Runtime, System]:
    build = RuntimeBuilder(State(MemoryBackend()))
    system = build.add(System, index=0, name="System", config=SystemConfig(make_version(5), LIMITS, 8))
    build.add(Session, index=9, name="Session", config=SessionConfig(system))
    build.add(Diary, index=30, name="Zoe", config=diary)
    build.add(Idler, index=11, name="Idle", config=diary)
    build.add(Diary, index=20, name="Ann", config=diary)
    runtime = build.build(make_version(5), system, extensions)
    system.genesis()
    return runtime, system


def test_hooks_run_in_the_order_of_composition_at_their_places() -> None:
    diary: list[Any] = []
    runtime, system = compose_diary(diary)
    executive = runtime.executive
    executive.initialize_block(1, block_hash(0), ())
    begun = [("Zoe", "initialize", 1, INITIALIZATION), ("Ann", "initialize", 1, INITIALIZATION)]
    assert diary == begun
    rest = system.remaining_weight()
    executive.finalize_block()
    assert diary[2:] == [
        ("Zoe", "idle", (1, rest), FINALIZATION),
        ("Ann", "idle", (1, rest.minus(Weight(100, 200))), FINALIZATION),
        ("Zoe", "finalize", 1, FINALIZATION),
        ("Ann", "finalize", 1, FINALIZATION),
    ]
    base = LIMITS[0].base_block
    assert system.block_weight.get().mandatory == base.plus(Weight(20, 40)).plus(Weight(200, 400))


def test_migrations_run_first_once_and_are_weighed() -> None:
    diary: list[Any] = []
    runtime, system = compose_diary(diary)
    system.last_runtime_upgrade.put(LastUpgrade(3, "loam"))
    runtime.executive.initialize_block(1, block_hash(0), ())
    assert [entry[:3] for entry in diary] == [
        ("Zoe", "upgrade", 3),
        ("Ann", "upgrade", 3),
        ("Zoe", "initialize", 1),
        ("Ann", "initialize", 1),
    ]
    rest = LIMITS[0].max_block.minus(LIMITS[0].base_block)
    assert system.remaining_weight() == rest.minus(Weight(22, 44))
    runtime.executive.finalize_block()
    diary.clear()
    runtime.executive.initialize_block(2, block_hash(1), ())
    assert "upgrade" not in {entry[1] for entry in diary}


def test_extensions_prepare_and_settle_in_order_with_what_they_prepared(shop: SHOP) -> None:
    seen: list[tuple[object, ...]] = []

    def make(name: str) -> Extension:
        def prepare(index: int, extrinsic: Extrinsic) -> str:
            seen.append(("prepare", name, index, extrinsic.call.spec.name))
            return name.upper()

        def settle(extrinsic: Extrinsic, mine: str, post: PostDispatchInfo, error: object) -> None:
            seen.append(("settle", mine, extrinsic.call.spec.name, post, error))

        return Extension(name, prepare=prepare, settle=settle)

    plain = Extension("plain", prepare=lambda i, x: seen.append(("prepare", "plain", i, x.call.spec.name)))
    runtime, _ = compose_diary([], (make("a"), plain, make("b")))
    executive = runtime.executive
    executive.initialize_block(1, block_hash(0), ())
    call = runtime.calls.make("System", "remark_with_event", b"x")
    extrinsic = Extrinsic(b"", block_hash(9), call, DispatchInfo(NO_WEIGHT, DispatchClass.Normal, Pays.Yes))
    extrinsic.signer = ALICE
    assert executive.apply(extrinsic).error is None
    name, post = "remark_with_event", PostDispatchInfo()
    assert seen == [
        ("prepare", "a", 0, name),
        ("prepare", "plain", 1, name),
        ("prepare", "b", 2, name),
        ("settle", "A", name, post, None),
        ("settle", "B", name, post, None),
    ]


def test_validity_of_a_transaction_is_what_all_extensions_agree_on() -> None:
    def says(**valid: Any) -> Extension:
        return Extension("says", validate=lambda _i, _x: ValidTransaction(**valid))

    for first, total in ((4, 9), ((1 << 64) - 6, (1 << 64) - 1), ((1 << 64) - 3, (1 << 64) - 1)):
        parts = (
            says(priority=first, requires=(b"a",), provides=(b"b",), longevity=9),
            Extension("silent", validate=lambda _i, _x: None),
            says(priority=5, requires=(b"c",), provides=(b"d",), longevity=7),
        )
        runtime, _ = compose_diary([], parts)
        call = runtime.calls.make("System", "remark", b"")
        info = DispatchInfo(NO_WEIGHT, DispatchClass.Normal, Pays.Yes)
        extrinsic = Extrinsic(b"", block_hash(9), call, info)
        extrinsic.signer = ALICE
        expected = ValidTransaction(total, (b"a", b"c"), (b"b", b"d"), 7)
        assert runtime.executive.validate(extrinsic) == expected


@pytest.mark.parametrize(
    ("error", "encoded", "text"),
    [
        (InvalidTransaction(InvalidReason.Stale), "0003", "Transaction is outdated"),
        (InvalidTransaction(InvalidReason.Custom, 9), "000709", "Custom error: 9"),
        (InvalidTransaction(InvalidReason.BadSigner), "000a", "Invalid signing address"),
        (UnknownTransaction(UnknownReason.CannotLookup), "0100", "CannotLookup"),
        (UnknownTransaction(UnknownReason.Custom, 200), "0102c8", "Custom(200)"),
    ],
)
def test_refusals_have_substrates_bytes_and_texts(
    error: InvalidTransaction | UnknownTransaction, encoded: str, text: str
) -> None:
    assert error.encode().hex() == encoded
    assert error.message() == text


def test_state_of_every_pallet_is_checked(shop: SHOP) -> None:
    shop.runtime.executive.try_state()
    shop.pallets.session.next_keys.remove(ALICE)
    with pytest.raises(AssertionError, match="has no keys"):
        shop.runtime.executive.try_state()


def test_base_weight_is_counted_for_each_class(shop: SHOP) -> None:
    assert {shop.pallets.system.base_extrinsic(class_) for class_ in DispatchClass} == {BASE}
